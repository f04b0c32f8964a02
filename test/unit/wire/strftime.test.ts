import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { strftime } from '../../../src/wire/strftime.ts'

describe('strftime', () => {
  const time = new Date('2024-03-01T04:05:06.789Z')

  it.each([
    ['chunked_uploads/%Y/%m/%d', 'chunked_uploads/2024/03/01'],
    ['%H-%M-%S', '04-05-06'],
    ['%j', '061'],
    ['100%%Y', '100%Y'],
    ['plain', 'plain'],
    ['', ''],
  ])('fills %j with %j', (pattern, text) => {
    expect(strftime(pattern, time)).toBe(text)
  })

  it('counts days in UTC, leap years included', () => {
    expect(strftime('%j', new Date('2024-01-01T00:00:00Z'))).toBe('001')
    expect(strftime('%j', new Date('2024-12-31T23:59:59Z'))).toBe('366')
    expect(strftime('%j', new Date('2023-12-31T23:59:59Z'))).toBe('365')
  })

  it.each(['%y', '%', 'a%', '%-d', '% Y', '%constructor', '%\n'])('knows no %j', (pattern) => {
    expect(strftime(pattern, time)).toBeNull()
  })
})

describe('any pattern', () => {
  const time = fc.date({
    min: new Date('0001-01-01'),
    max: new Date('9999-12-31'),
    noInvalidDate: true,
  })

  it('without a percent sign is itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), time, (text, at) => {
        const plain = text.replaceAll('%', '')
        expect(strftime(plain, at)).toBe(plain)
      }),
    )
  })

  it('is filled to the letter, or known to be none, and never throws', () => {
    const piece = fc.oneof(fc.constantFrom(...'YmdHMSj%'), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(fc.array(piece), time, (pieces, at) => {
        const pattern = pieces.map((each) => `%${each}`).join('')
        const text = strftime(pattern, at)
        const known = pattern.replace(/%[YmdHMSj%]/g, '').includes('%') === false
        expect(text !== null).toBe(known)
      }),
    )
  })

  it('of day and clock says when it was', () => {
    fc.assert(
      fc.property(time, (at) => {
        expect(strftime('%Y-%m-%dT%H:%M:%S', at)).toBe(at.toISOString().slice(0, 19))
      }),
    )
  })
})
