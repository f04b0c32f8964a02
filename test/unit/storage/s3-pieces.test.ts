import { describe, expect, it } from 'vitest'
import {
  assemble,
  assembleUpTo,
  LARGEST_OBJECT_BYTES,
  PART_NUMBERS,
  type Piece,
  partSizeAt,
  partSizeFor,
  SPARE_NUMBERS,
  storedSize,
} from '../../../src/storage/s3-pieces.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
/** The largest part, and the largest source of a copy, that S3 takes. */
const LARGEST_PART = 5 * GIB

const piece = (kind: Piece['kind'], start: number, size: number, rest: Partial<Piece> = {}) => ({
  ...{ number: start / 10 + 1, kind, start, size, etag: 'etag', checksum: null },
  ...rest,
})
const part = (start: number, rest: Partial<Piece> = {}) => piece('part', start, 10, rest)
const tail = (start: number, size: number, rest: Partial<Piece> = {}) =>
  piece('tail', start, size, { number: -start - size, ...rest })

describe('the size of parts', () => {
  it('is 8 MiB, and grows so that the numbers are enough with some to spare', () => {
    expect(partSizeFor(1)).toBe(8 * MIB)
    expect(partSizeFor(62 * GIB)).toBe(8 * MIB)
    for (const size of [63 * GIB, 100 * GIB, 2 ** 40, LARGEST_OBJECT_BYTES]) {
      const each = partSizeFor(size)
      expect(each % MIB).toBe(0)
      expect(Math.ceil(size / each)).toBeLessThanOrEqual(PART_NUMBERS - SPARE_NUMBERS)
      expect(each).toBeLessThanOrEqual(LARGEST_PART)
      expect(partSizeAt(each, 5 * each)).toBe(each)
    }
  })

  it('grows with the object where nobody knows how long it will be', () => {
    const growing = partSizeFor(null)
    expect(partSizeAt(growing, 0)).toBe(8 * MIB)
    expect(partSizeAt(growing, 7 * GIB)).toBe(8 * MIB)
    let parts = 0
    let largest = 0
    for (let at = 0; at < LARGEST_OBJECT_BYTES; parts++) {
      largest = partSizeAt(growing, at)
      at += largest
    }
    expect(parts).toBeLessThan(8_100)
    expect(largest).toBe(2 * GIB)
  })
})

describe('what counts', () => {
  it('is parts from byte 0 without a gap, and the longest tail behind one of them', () => {
    expect(storedSize([])).toBe(0)
    expect(storedSize([part(0), part(10)])).toBe(20)
    expect(storedSize([part(0), part(20)])).toBe(10)
    expect(storedSize([part(10)])).toBe(0)
    expect(storedSize([part(0), tail(10, 3), tail(10, 5)])).toBe(15)
    expect(storedSize([part(0), tail(20, 3)])).toBe(10)
    expect(storedSize([part(0), part(10), tail(10, 3)])).toBe(20)
    expect(storedSize([piece('whole', 0, 7)])).toBe(7)
  })

  it('is nothing that was begun and not stored', () => {
    expect(storedSize([part(0, { etag: null }), part(10)])).toBe(0)
    expect(storedSize([part(0), tail(10, 3, { etag: null })])).toBe(10)
    expect(storedSize([piece('whole', 0, 7, { etag: null })])).toBe(0)
  })
})

describe('the pieces that give a size', () => {
  it('are those that end there exactly', () => {
    const pieces = [part(10), part(0), tail(10, 3), tail(20, 4)]
    expect(assemble(pieces, 20)).toEqual({ parts: [part(0), part(10)], rest: null })
    expect(assemble(pieces, 24)).toEqual({ parts: [part(0), part(10)], rest: tail(20, 4) })
    expect(assemble(pieces, 13)).toEqual({ parts: [part(0)], rest: tail(10, 3) })
    expect(assemble(pieces, 0)).toEqual({ parts: [], rest: null })
    for (const size of [5, 12, 23, 25]) expect(assemble(pieces, size)).toBeNull()
  })

  it('are found once where the same part was stored twice', () => {
    const twice = [part(0, { number: 4 }), part(0, { number: 2 }), part(10, { number: 5 })]
    expect(assemble(twice, 20)?.parts.map(({ number }) => number)).toEqual([2, 5])
  })

  it('may go on beyond it, to be cut there', () => {
    expect(assembleUpTo([part(0), tail(10, 5)], 12)).toEqual({
      parts: [part(0)],
      rest: tail(10, 5),
    })
    expect(assembleUpTo([part(0), part(10)], 12)).toBeNull()
    expect(assembleUpTo([part(0)], 5)).toBeNull()
  })
})
