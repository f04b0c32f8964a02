import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatHttpDate, parseHttpDate } from '../../../src/wire/http-date.ts'

const example = Date.UTC(1994, 10, 6, 8, 49, 37)

describe('parseHttpDate', () => {
  it.each([
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    'Sun Nov 06 08:49:37 1994',
  ])('reads %s', (text) => {
    expect(parseHttpDate(text)).toBe(example)
  })

  it('puts a year of two digits at most 50 years ahead', () => {
    const now = Date.UTC(2026, 5, 1)
    expect(parseHttpDate('Sunday, 06-Nov-76 08:49:37 GMT', now)).toBe(
      Date.UTC(2076, 10, 6, 8, 49, 37),
    )
    expect(parseHttpDate('Sunday, 06-Nov-77 08:49:37 GMT', now)).toBe(
      Date.UTC(1977, 10, 6, 8, 49, 37),
    )
  })

  it('takes a leap second', () => {
    expect(parseHttpDate('Sat, 31 Dec 2016 23:59:60 GMT')).toBe(Date.UTC(2017, 0, 1))
  })

  it.each([
    ...[
      '',
      '0',
      '1994-11-06T08:49:37Z',
      'Sun, 06 Nov 1994 08:49:37',
      'Sun, 6 Nov 1994 08:49:37 GMT',
    ],
    ...[
      'Sun, 06 Nov 1994 08:49:37 CET',
      'Sun, 06 nov 1994 08:49:37 GMT',
      'Sun, 31 Feb 1994 08:49:37 GMT',
    ],
    ...[
      'Sun, 06 Nov 1994 24:00:00 GMT',
      'Sun, 06 Nov 1994 08:60:00 GMT',
      'Sun, 00 Nov 1994 08:49:37 GMT',
    ],
    ...[
      'Sun, 06 Nov 1994 08:49:61 GMT',
      'Sun, 06 Nov 0094 08:49:37 GMT',
      ' Sun, 06 Nov 1994 08:49:37 GMT',
    ],
  ])('refuses %j', (text) => {
    expect(parseHttpDate(text)).toBeNull()
  })

  it('reads back every date it prints, to the second', () => {
    const date = fc.date({
      min: new Date('1970-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(date, (given) => {
        expect(parseHttpDate(formatHttpDate(given))).toBe(Math.floor(given.getTime() / 1000) * 1000)
      }),
    )
  })
})
