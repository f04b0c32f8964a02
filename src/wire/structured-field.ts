import * as structured from 'structured-headers'

/**
 * Fields of RFC 9651. "When parsing fails, either the entire field value MUST be ignored or the
 * complete HTTP message treated as malformed" (§4.2): every function gives null then, and for a
 * value of another type, which the upload protocols treat the same way. Parameters are legal
 * wherever they are not expected, and are passed over.
 */
type Parsed<T> = T | null

/** An Item that is a non-negative Integer: `5`, `5;a=1`; not `5.0`, `"5"`, `-1`, `5, 5`. */
export function parseIntegerItem(text: string | null | undefined): Parsed<number> {
  const value = parseItem(text)
  // The library reads a Decimal such as 5.0 as the same number: the text tells them apart.
  return typeof value === 'number' && /^ *[0-9]+ *(?:;|$)/.test(text ?? '') ? value : null
}

/** An Item that is a Boolean: `?0` or `?1`. */
export function parseBooleanItem(text: string | null | undefined): Parsed<boolean> {
  const value = parseItem(text)
  return typeof value === 'boolean' ? value : null
}

export function formatBoolean(value: boolean): string {
  return value ? '?1' : '?0'
}

/** A member of a Dictionary: inner lists, dates and display strings are null. */
export type Member = number | string | boolean | Uint8Array | null

/** A Dictionary; a key that occurs twice has its last value (§4.2.2). */
export function parseDictionary(text: string | null | undefined): Parsed<Map<string, Member>> {
  if (text == null) return null
  try {
    const members = new Map<string, Member>()
    for (const [key, [value]] of structured.parseDictionary(text)) members.set(key, plain(value))
    return members
  } catch {
    return null
  }
}

function parseItem(text: string | null | undefined): Member {
  if (text == null) return null
  try {
    return plain(structured.parseItem(text)[0])
  } catch {
    return null
  }
}

function plain(value: unknown): Member {
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (value instanceof structured.Token) return value.toString()
  const simple = typeof value === 'number' || typeof value === 'string'
  return simple || typeof value === 'boolean' ? value : null
}
