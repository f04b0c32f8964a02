import { parseNonNegativeInteger } from './integer.ts'

/** Inclusive positions of a chunk in a file of `total` bytes. Nothing is said about their order. */
export interface ContentRange {
  start: number
  end: number
  total: number
}

/**
 * Reads `bytes 0-9999/100000` (RFC 9110 §14.4) as a client sends it with a chunk: one space, ASCII
 * digits, a known total. Null for anything else, numbers above 2^53-1 included. Whether the range
 * makes sense is for the caller to say, who has an answer for each way in which it does not.
 */
export function parseContentRange(text: string): ContentRange | null {
  const match = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+)$/.exec(text)
  if (match === null) return null
  const [start, end, total] = [match[1], match[2], match[3]].map(parseNonNegativeInteger)
  if (start == null || end == null || total == null) return null
  return { start, end, total }
}
