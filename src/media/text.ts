/** Bytes of the end of a long file that are checked too: a script with a program behind it. */
export const textTailBytes = 16 * 1024

/** Share of code units with a zero high byte that makes UTF-16 without a mark believable. */
const utf16Share = 0.7

export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be'

export interface DecodedText {
  text: string
  encoding: TextEncoding
}

/**
 * Which encoding the bytes would have if they were text. UTF-16 is told by its byte order mark;
 * without one only by the zeros of mostly Latin text, since nearly any bytes decode as UTF-16.
 */
const guessEncoding = (bytes: Uint8Array): TextEncoding => {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  const pairs = Math.min(bytes.length >> 1, 1024)
  let zeroFirst = 0
  let zeroSecond = 0
  for (let pair = 0; pair < pairs; pair++) {
    if (bytes[pair * 2] === 0) zeroFirst++
    if (bytes[pair * 2 + 1] === 0) zeroSecond++
  }
  if (zeroFirst === 0 && pairs > 1 && zeroSecond >= pairs * utf16Share) return 'utf-16le'
  if (zeroSecond === 0 && pairs > 1 && zeroFirst >= pairs * utf16Share) return 'utf-16be'
  return 'utf-8'
}

/**
 * Control characters that text has none of: all but tab, line ends, vertical tab, form feed, next
 * line (U+0085), and ESC, with which logs are coloured. U+FFFE and U+FFFF are no characters.
 */
const isForbidden = (code: number): boolean =>
  (code < 0x20 && (code < 0x09 || code > 0x0d) && code !== 0x1b) ||
  (code >= 0x7f && code <= 0x9f && code !== 0x85) ||
  code === 0xfffe ||
  code === 0xffff

const hasForbidden = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    if (isForbidden(text.charCodeAt(index))) return true
  }
  return false
}

/** `cut`: the bytes may end within a character, because the file goes on. */
const decode = (bytes: Uint8Array, encoding: TextEncoding, cut: boolean): string | null => {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: cut })
    return hasForbidden(text) ? null : text
  } catch {
    return null
  }
}

/**
 * The text that a file begins with, or null when these bytes are not text: they have to decode as
 * UTF-8 or UTF-16 without control characters.
 */
export const decodeHead = (bytes: Uint8Array, cut: boolean): DecodedText | null => {
  const encoding = guessEncoding(bytes)
  const text = decode(bytes, encoding, cut)
  return text === null ? null : { text, encoding }
}

/** Whether bytes from the middle to the end of a file, cut at `start`, are text as well. */
export const isTextTail = (bytes: Uint8Array, start: number, encoding: TextEncoding): boolean => {
  if (encoding !== 'utf-8') {
    const unit = start % 2
    const high = bytes[encoding === 'utf-16le' ? unit + 1 : unit] ?? 0
    // A low surrogate whose first half lies before the cut.
    const skip = high >= 0xdc && high <= 0xdf ? 2 : 0
    return decode(bytes.subarray(unit + skip), encoding, false) !== null
  }
  let skip = 0
  while (skip < 3 && ((bytes[skip] ?? 0) & 0xc0) === 0x80) skip++
  return decode(bytes.subarray(skip), encoding, false) !== null
}

/**
 * Whether bytes could be text in an older 8-bit encoding (Windows-1252, Latin-1). Too weak to call
 * a file text, enough to believe a name that ends in `.csv`.
 */
export const isEightBitText = (bytes: Uint8Array): boolean =>
  bytes.length > 0 && bytes.every((byte) => byte > 0x7f || !isForbidden(byte))
