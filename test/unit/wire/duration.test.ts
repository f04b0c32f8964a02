import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDuration } from '../../../src/wire/duration.ts'

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['90s', 90_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('reads %s as %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  it.each([
    ...['', '90', 's', '-1s', '+1s', '1.5h', '1e3s', ' 1s', '1s ', '1 s', '1M', '1h30m', '1w'],
    ...['9007199254740991d', '99999999999999999s'],
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeNull()
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseDuration(text)))
  })
})
