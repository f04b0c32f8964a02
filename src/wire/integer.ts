/**
 * Reads a plain decimal (1*DIGIT, the grammar of Content-Length in RFC 9110 §8.6 and of every
 * number in tus 1.0) as an integer from 0 to 2^53-1. Null for anything else: signs, spaces,
 * exponents, fractions, a list of two values, and numbers that JavaScript cannot count exactly.
 * Leading zeros are part of the grammar and accepted.
 */
export function parseNonNegativeInteger(text: string | null | undefined): number | null {
  if (text == null || !/^[0-9]+$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}
