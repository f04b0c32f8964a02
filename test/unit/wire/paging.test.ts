import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pageLinks, parseAnyInteger, parsePaging } from '../../../src/wire/paging.ts'

const address = 'https://files.example/api/media/files'

function links(query: string, count: number) {
  const params = new URLSearchParams(query)
  return pageLinks(address, params, parsePaging(params), count)
}

describe('parseAnyInteger', () => {
  it.each([
    ['5', 5n],
    [' +5 ', 5n],
    ['-1', -1n],
    ['007', 7n],
    ['18446744073709551616', 2n ** 64n],
  ])('reads %j', (text, value) => {
    expect(parseAnyInteger(text)).toBe(value)
  })

  it.each(['', '-', '1e3', '0x10', '5.0', '1_0', '1 0', '٥', '5\0'])('refuses %j', (text) => {
    expect(parseAnyInteger(text)).toBeNull()
  })
})

describe('parsePaging', () => {
  it.each([
    ['', 10, 0n],
    ['limit=3&offset=4', 3, 4n],
    ['limit=0&offset=0', 10, 0n],
    ['limit=-5&offset=-5', 10, 0n],
    ['limit=x&offset=1e3', 10, 0n],
    ['limit=1000', 1000, 0n],
    ['limit=1001', 1000, 0n],
    ['limit=99999999999999999999999999', 1000, 0n],
    ['limit=%2B5&offset=+7', 5, 7n],
    ['offset=18446744073709551616', 10, 2n ** 64n],
    ['limit=2&limit=3', 3, 0n],
    ['limit=2&limit=', 10, 0n],
    ['limit= 5', 5, 0n],
  ])('reads %j', (query, limit, offset) => {
    expect(parsePaging(new URLSearchParams(query))).toEqual({ limit, offset })
  })
})

// Every link here is the one that Django REST framework 3.18 gives.
describe('pageLinks', () => {
  it('gives none when all fits on the page', () => {
    expect(links('', 10)).toEqual({ next: null, previous: null })
  })

  it('names limit and offset even where the request did not', () => {
    expect(links('', 11)).toEqual({ next: `${address}?limit=10&offset=10`, previous: null })
  })

  it('has no offset in the link to the first page', () => {
    expect(links('limit=5&offset=5', 20)).toEqual({
      next: `${address}?limit=5&offset=10`,
      previous: `${address}?limit=5`,
    })
    expect(links('limit=5&offset=3', 20).previous).toBe(`${address}?limit=5`)
    expect(links('limit=5&offset=6', 20).previous).toBe(`${address}?limit=5&offset=1`)
  })

  it('links back from past the end, however far', () => {
    expect(links('offset=18446744073709551616', 20)).toEqual({
      next: null,
      previous: `${address}?limit=10&offset=18446744073709551606`,
    })
  })

  it('keeps every other parameter, sorted by key, in the encoding of a form', () => {
    const query =
      'z=1&search=a%20b+%22c%22&offset=10&a[]=2&empty&z=0&%F0%9F%98%80=~*%27&%EF%BF%BD=x'
    expect(links(query, 100).next).toBe(
      `${address}?a%5B%5D=2&empty=&limit=10&offset=20&search=a+b+%22c%22&z=1&z=0` +
        '&%EF%BF%BD=x&%F0%9F%98%80=~%2A%27',
    )
  })

  it('shows the limit that was applied, not the one that was asked for', () => {
    expect(links('limit=5000', 2000).next).toBe(`${address}?limit=1000&offset=1000`)
  })
})

describe('any paging', () => {
  it('of any text stays within its bounds, and never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (limit, offset) => {
        const paging = parsePaging(new URLSearchParams({ limit, offset }))
        expect(paging.limit).toBeGreaterThanOrEqual(1)
        expect(paging.limit).toBeLessThanOrEqual(1000)
        expect(paging.offset >= 0n).toBe(true)
      }),
    )
  })

  it('reads every integer, however long, and what is no integer as none', () => {
    fc.assert(
      fc.property(fc.bigInt(), (value) => {
        expect(parseAnyInteger(`${value}`)).toBe(value)
        expect(parseAnyInteger(` ${value}\t`)).toBe(value)
        expect(parseAnyInteger(`${value}.0`)).toBeNull()
      }),
    )
  })

  it('has links that lead through the whole list, with all other parameters as they were', () => {
    const query = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))
    const count = fc.integer({ min: 0, max: 50 })
    fc.assert(
      fc.property(query, count, fc.integer({ min: 1, max: 9 }), (others, total, limit) => {
        const params = new URLSearchParams({ ...others, limit: `${limit}`, offset: '' })
        const rest = new Map([...params].filter(([key]) => key !== 'limit' && key !== 'offset'))
        let seen = 0
        for (let at: URLSearchParams | null = params; at !== null; ) {
          const paging = parsePaging(at)
          expect(paging.offset).toBe(BigInt(seen))
          seen += Math.min(limit, total - seen)
          const { next }: { next: string | null } = pageLinks(address, at, paging, total)
          at = next === null ? null : new URL(next).searchParams
          for (const [key, value] of at === null ? [] : rest) expect(at?.get(key)).toBe(value)
        }
        expect(seen).toBe(total)
      }),
    )
  })
})
