/** Longest Upload-Metadata that is read, in bytes (a header's characters are one byte each). */
export const maxUploadMetadataLength = 16 * 1024

/**
 * One pair of tus 1.0 "Upload-Metadata": "The key and value MUST be separated by a space. The key
 * MUST NOT contain spaces and commas and MUST NOT be empty. The key SHOULD be ASCII encoded and the
 * value MUST be Base64 encoded. […] The value MAY be empty. In these cases, the space, which would
 * normally separate the key and the value, MAY be left out."
 */
const pairGrammar =
  /^([!-+\--~]+)(?: ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?))?$/

/**
 * Reads a tus Upload-Metadata header. Values are decoded as UTF-8 (what is not UTF-8 becomes
 * U+FFFD); a key without a value, or with an empty one, has null. An empty header has no pairs. A
 * Map, so that keys such as `__proto__` are ordinary. Null when the grammar is broken, a key occurs
 * twice or the header exceeds `maxUploadMetadataLength`.
 */
export function parseUploadMetadata(text: string): Map<string, string | null> | null {
  if (text.length > maxUploadMetadataLength) return null
  const pairs = new Map<string, string | null>()
  if (text === '') return pairs
  for (const element of text.split(',')) {
    const match = pairGrammar.exec(withoutSurroundingSpace(element))
    if (match === null) return null
    const [, key = '', value = ''] = match
    if (pairs.has(key)) return null
    pairs.set(key, value === '' ? null : Buffer.from(value, 'base64').toString('utf8'))
  }
  return pairs
}

/**
 * tus wants bare commas, but a header sent in two lines reaches us joined by a comma and a space
 * (RFC 9110 §5.3), and tusd accepts that too.
 */
function withoutSurroundingSpace(element: string): string {
  let start = 0
  let end = element.length
  while (start < end && isSpace(element, start)) start += 1
  while (end > start && isSpace(element, end - 1)) end -= 1
  return element.slice(start, end)
}

function isSpace(text: string, at: number): boolean {
  return text[at] === ' ' || text[at] === '\t'
}
