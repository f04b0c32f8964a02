import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseNonNegativeInteger } from '../../../src/wire/integer.ts'

describe('parseNonNegativeInteger', () => {
  it('reads plain decimals, leading zeros included', () => {
    expect(parseNonNegativeInteger('0')).toBe(0)
    expect(parseNonNegativeInteger('007')).toBe(7)
    expect(parseNonNegativeInteger('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
  })

  it.each([
    ...['', '-1', '+5', '1e3', '0x10', ' 5', '5 ', '5.0', '5, 5', '1_000', 'NaN', 'Infinity', '٣'],
    ...['5\n', '9007199254740992', '9007199254740993', '18446744073709551616', '1'.repeat(500)],
    ...[null, undefined],
  ])('refuses %j', (text) => {
    expect(parseNonNegativeInteger(text)).toBeNull()
  })

  it('reads back every count it can print', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (count) => {
        expect(parseNonNegativeInteger(String(count))).toBe(count)
      }),
    )
  })
})
