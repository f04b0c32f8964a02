import { describe, expect, it } from 'vitest'
import { parseRetryAfter, pauseAfter } from '../../../src/events/back-off.ts'

const SECOND = 1000
const HOUR = 3_600_000

describe('the pause after a try that failed', () => {
  it('grows from 5 seconds to a day, and after ten tries there is none', () => {
    const pauses = Array.from({ length: 11 }, (_, at) => pauseAfter(at + 1, null, 0))
    expect(pauses).toEqual([
      ...[5 * SECOND, 300 * SECOND, 1800 * SECOND],
      ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR),
      ...[null, null],
    ])
  })

  it('is up to a fifth longer, by chance', () => {
    expect(pauseAfter(1, null, 0.5)).toBe(5500)
    expect(pauseAfter(9, null, 1)).toBe(28.8 * HOUR)
  })

  it('is what the receiver asks for, where that is longer', () => {
    expect(pauseAfter(1, 60 * SECOND, 0)).toBe(60 * SECOND)
    expect(pauseAfter(3, 60 * SECOND, 0)).toBe(1800 * SECOND)
    expect(pauseAfter(10, 60 * SECOND, 0)).toBeNull()
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-03-04T05:06:07Z')
  it.each([
    ['120', 120 * SECOND],
    ['0', 0],
    ['Wed, 04 Mar 2026 05:07:07 GMT', 60 * SECOND],
    ['Wed, 04 Mar 2026 05:00:00 GMT', 0],
    ['99999999999', 24 * HOUR],
    ['Wed, 04 Mar 2126 05:06:07 GMT', 24 * HOUR],
    ['-1', null],
    ['soon', null],
    [undefined, null],
  ])('%s', (text, expected) => {
    expect(parseRetryAfter(text, now)).toBe(expected)
  })
})
