import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxRanges, parseRange } from '../../../src/wire/range.ts'

const ranges = (...pairs: [number, number][]) => ({
  kind: 'ranges',
  ranges: pairs.map(([start, end]) => ({ start, end })),
})

describe('parseRange', () => {
  it.each([
    ['bytes=0-0', ranges([0, 0])],
    ['bytes=0-99', ranges([0, 99])],
    ['bytes=90-', ranges([90, 99])],
    ['bytes=90-500', ranges([90, 99])],
    ['bytes=-1', ranges([99, 99])],
    ['bytes=-500', ranges([0, 99])],
    ['bytes=007-008', ranges([7, 8])],
    ['BYTES=1-2', ranges([1, 2])],
    ['bytes=0-18446744073709551616', ranges([0, 99])],
    ['bytes=-18446744073709551616', ranges([0, 99])],
    ['bytes=0-4,10-14', ranges([0, 4], [10, 14])],
    ['bytes= 10-14 ,\t0-4', ranges([10, 14], [0, 4])],
    ['bytes=,0-4,,-1,', ranges([0, 4], [99, 99])],
    ['bytes=0-4,200-300', ranges([0, 4])],
    ['bytes=0-4,2-6', ranges([0, 4], [2, 6])],
  ])('reads %s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected)
  })

  it.each([
    ['bytes=100-'],
    ['bytes=100-200'],
    ['bytes=-0'],
    ['bytes=18446744073709551616-'],
    ['bytes=18446744073709551616-18446744073709551617'],
    ['bytes=100-,200-300,-0'],
  ])('finds nothing of 100 bytes in %s', (header) => {
    expect(parseRange(header, 100)).toEqual({ kind: 'unsatisfiable' })
  })

  it.each([
    ...[undefined, null, '', 'bytes', 'bytes=', 'bytes=,', 'bytes=-', 'bytes=a-b', 'bytes=1'],
    ...['bytes=5-4', 'bytes=0-4,5-4', 'bytes=0-4,x', 'bytes=+1-2', 'bytes=1-2-3', 'bytes=1.0-2'],
    ...['bytes=0x1-2', 'bytes=1 -2', 'bytes =0-1', 'bytes:0-1', '0-1', 'items=0-1', 'bytes=--1'],
    ...['bytes=18446744073709551617-18446744073709551616', 'bytes=٠-٩', 'bytes=0-1\xa0'],
  ])('ignores %j', (header) => {
    expect(parseRange(header, 100)).toEqual({ kind: 'whole' })
  })

  it('gives the whole when more ranges are asked for than it serves', () => {
    const many = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, index) => `${index * 2}-${index * 2}`).join(',')}`
    expect(parseRange(many(maxRanges), 100)).toMatchObject({ kind: 'ranges' })
    expect(parseRange(many(maxRanges + 1), 100)).toEqual({ kind: 'whole' })
  })

  it('gives the whole when overlapping ranges ask for more than there is', () => {
    expect(parseRange('bytes=0-49,50-99', 100)).toEqual(ranges([0, 49], [50, 99]))
    expect(parseRange('bytes=0-50,50-99', 100)).toEqual({ kind: 'whole' })
    expect(parseRange('bytes=0-,0-,0-', 100)).toEqual({ kind: 'whole' })
  })

  it('has no byte of an empty file to give', () => {
    expect(parseRange('bytes=0-', 0)).toEqual({ kind: 'unsatisfiable' })
    expect(parseRange('bytes=0-0', 0)).toEqual({ kind: 'unsatisfiable' })
    expect(parseRange('bytes=-5', 0)).toEqual({ kind: 'whole' })
    expect(parseRange('bytes=-0', 0)).toEqual({ kind: 'unsatisfiable' })
  })

  it('gives ranges that lie inside the file, together no longer than it, or none', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(2000), fc.nat(2000)).map(([from, to]) => `${from}-${to}`),
      fc.nat(2000).map((from) => `${from}-`),
      fc.nat(2000).map((length) => `-${length}`),
      fc.string({ maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 20 }), fc.nat(1500), (specs, size) => {
        const asked = parseRange(`bytes=${specs.join(',')}`, size)
        if (asked.kind !== 'ranges') return
        expect(asked.ranges.length).toBeGreaterThan(0)
        let total = 0
        for (const { start, end } of asked.ranges) {
          expect(0 <= start && start <= end && end < size).toBe(true)
          total += end - start + 1
        }
        expect(total).toBeLessThanOrEqual(size)
      }),
    )
  })

  it('takes no notable time for the longest header that Node lets in', () => {
    const start = performance.now()
    parseRange(`bytes=0-1${' '.repeat(16_000)}x`, 100)
    parseRange(`bytes=${'9'.repeat(16_000)}-${'8'.repeat(16_000)}`, 100)
    parseRange(`bytes=${','.repeat(16_000)}`, 100)
    expect(performance.now() - start).toBeLessThan(100)
  })
})
