import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatBoolean,
  parseBooleanItem,
  parseDictionary,
  parseIntegerItem,
} from '../../../src/wire/structured-field.ts'

describe('parseIntegerItem', () => {
  it('reads every integer of RFC 9651 that counts bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), (value) => {
        expect(parseIntegerItem(String(value))).toBe(value)
        expect(parseIntegerItem(` ${value};a=1;b="x" `)).toBe(value)
      }),
    )
  })

  it.each(['5.0', '"5"', '-1', '-0', 'true', '?1', '1, 2', '5, 5', '', ' ', '+5', '1e3', '0x10'])(
    'is null for %j',
    (text) => expect(parseIntegerItem(text)).toBeNull(),
  )

  it.each(['9999999999999999', '5;', '5 6', ':NQ==:', '5\r\n', '(5)'])('is null for %j', (text) =>
    expect(parseIntegerItem(text)).toBeNull(),
  )

  it('is null where there is no field', () => {
    expect(parseIntegerItem(undefined)).toBeNull()
    expect(parseIntegerItem(null)).toBeNull()
  })

  it('throws for no text at all', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const value = parseIntegerItem(text)
        expect(value === null || (Number.isSafeInteger(value) && value >= 0)).toBe(true)
      }),
    )
  })
})

describe('parseBooleanItem', () => {
  it('reads ?0 and ?1, with parameters', () => {
    for (const value of [true, false]) {
      expect(parseBooleanItem(formatBoolean(value))).toBe(value)
      expect(parseBooleanItem(`${formatBoolean(value)};a`)).toBe(value)
    }
  })

  it.each(['1', 'true', '?2', '?', '?1, ?1', '"?1"', ''])('is null for %j', (text) =>
    expect(parseBooleanItem(text)).toBeNull(),
  )
})

describe('parseDictionary', () => {
  it('reads members of every kind, the last of a key', () => {
    const members = parseDictionary('a=1, b=:aGk=:, c, d=(1 2), e=token, f="text", a=2')
    expect(Object.fromEntries(members ?? [])).toEqual({
      a: 2,
      b: new Uint8Array([104, 105]),
      c: true,
      d: null,
      e: 'token',
      f: 'text',
    })
  })

  it.each(['a=', 'A=1', '1', 'a=1,', 'a b'])('is null for %j', (text) =>
    expect(parseDictionary(text)).toBeNull(),
  )

  it('has keys such as __proto__ as ordinary members or not at all', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const members = parseDictionary(text)
        expect(members === null || members instanceof Map).toBe(true)
      }),
    )
  })
})
