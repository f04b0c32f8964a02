/** Inclusive byte positions, as in RFC 9110 §14.1.2. */
export interface ByteRange {
  start: number
  end: number
}

/** What a Range header asks for, seen with the size of what it is asked of. */
export type RangeRequest =
  | { kind: 'whole' }
  | { kind: 'unsatisfiable' }
  | { kind: 'ranges'; ranges: readonly ByteRange[] }

/** A request for more ranges than this is answered with the whole (RFC 9110 §14.2, §17.15). */
export const maxRanges = 16

const whole: RangeRequest = { kind: 'whole' }

/**
 * Reads a Range header for a representation of `size` bytes. The ranges come in the order of the
 * request, cut to the size, never empty; those that lie outside are left out. `unsatisfiable` when
 * all do. `whole`, so that the header is ignored as RFC 9110 §14.2 wants or allows it, when there
 * is none, its unit is not bytes, it is malformed, or it asks for more than `maxRanges` ranges or
 * for more bytes than there are (overlapping ranges: a client that saves nothing by it, or an
 * attack).
 */
export function parseRange(header: string | null | undefined, size: number): RangeRequest {
  const specs = header == null ? null : byteRangeSpecs(header)
  if (specs === null) return whole
  const ranges: ByteRange[] = []
  let total = 0
  for (const spec of specs) {
    const range = resolve(spec, size)
    if (range === 'invalid') return whole
    if (range === 'outside') continue
    // The last bytes of nothing can be had (§14.1.2), but no Content-Range can say so (§14.4).
    if (size === 0) return whole
    ranges.push(range)
    total += range.end - range.start + 1
  }
  if (ranges.length === 0) return { kind: 'unsatisfiable' }
  return total > size ? whole : { kind: 'ranges', ranges }
}

/** The elements of `bytes=…`, or null when that is not what stands there or there are too many. */
function byteRangeSpecs(header: string): string[] | null {
  const equals = header.indexOf('=')
  if (equals === -1 || header.slice(0, equals).toLowerCase() !== 'bytes') return null
  // A list may have empty elements (RFC 9110 §5.6.1.2).
  const specs = header
    .slice(equals + 1)
    .split(',')
    .filter((spec) => !/^[\t ]*$/.test(spec))
  return specs.length === 0 || specs.length > maxRanges ? null : specs
}

function resolve(spec: string, size: number): ByteRange | 'invalid' | 'outside' {
  const match = /^[\t ]*([0-9]*)-([0-9]*)[\t ]*$/.exec(spec)
  if (match === null) return 'invalid'
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return 'invalid'
    const length = Number(last)
    return length === 0 ? 'outside' : { start: Math.max(0, size - length), end: size - 1 }
  }
  // Positions beyond 2^53 are compared exactly; their values no longer matter then.
  if (last !== '' && BigInt(last) < BigInt(first)) return 'invalid'
  const start = Number(first)
  if (start >= size) return 'outside'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}
