import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseContentRange } from '../../../src/wire/content-range.ts'

describe('parseContentRange', () => {
  it.each([
    ['bytes 0-9999/100000', { start: 0, end: 9999, total: 100_000 }],
    ['bytes 05-007/0010', { start: 5, end: 7, total: 10 }],
    ['bytes 5-3/1', { start: 5, end: 3, total: 1 }],
    ['bytes 0-1/9007199254740991', { start: 0, end: 1, total: Number.MAX_SAFE_INTEGER }],
  ])('reads %j', (text, range) => {
    expect(parseContentRange(text)).toEqual(range)
  })

  it.each([
    '',
    'bytes',
    'bytes 0-1',
    'bytes 0-1/*',
    'bytes */10',
    'bytes=0-1/10',
    'Bytes 0-1/10',
    'items 0-1/10',
    'bytes 0-1/10\n',
    ' bytes 0-1/10',
    'bytes  0-1/10',
    'bytes -0-1/10',
    'bytes +0-1/10',
    'bytes 0-1e0/10',
    'bytes 0-1/0x10',
    'bytes 0-1/10.0',
    'bytes 0-1/10, bytes 0-1/10',
    'bytes ٠-١/١٠',
    'bytes 0-1/9007199254740992',
    'bytes 0-18446744073709551616/9',
  ])('knows no %j', (text) => {
    expect(parseContentRange(text)).toBeNull()
  })
})

describe('any Content-Range', () => {
  const position = fc.maxSafeNat()

  it('that is printed is read again', () => {
    fc.assert(
      fc.property(position, position, position, (start, end, total) => {
        expect(parseContentRange(`bytes ${start}-${end}/${total}`)).toEqual({ start, end, total })
      }),
    )
  })

  it('is read only where it is three plain numbers, and never throws', () => {
    const pieces = fc.constantFrom('bytes', ' ', '-', '/', '*', ',', '0', '9', '\n', '٥', 'e', '+')
    const text = fc.array(fc.oneof(pieces, fc.string()), { maxLength: 12 })
    fc.assert(
      fc.property(text, (parts) => {
        const joined = parts.join('')
        const found = parseContentRange(joined)
        if (!/^bytes [0-9]+-[0-9]+\/[0-9]+$/.test(joined)) expect(found).toBeNull()
        for (const number of Object.values(found ?? {}))
          expect(Number.isSafeInteger(number) && number >= 0).toBe(true)
      }),
    )
  })
})
