import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDay, parseInstant, toIsoMicros } from '../../../src/wire/time.ts'

describe('toIsoMicros', () => {
  it.each([
    ['2026-03-04 05:06:07.123456+00', '2026-03-04T05:06:07.123456Z'],
    ['2026-03-04 05:06:07.12+00', '2026-03-04T05:06:07.120000Z'],
    ['2026-03-04 05:06:07+00', '2026-03-04T05:06:07Z'],
    ['2026-03-04T05:06:07.000Z', '2026-03-04T05:06:07Z'],
    ['2026-03-04T05:06:07.120Z', '2026-03-04T05:06:07.120000Z'],
  ])('prints %s as %s', (stored, printed) => {
    expect(toIsoMicros(stored)).toBe(printed)
  })

  it('refuses a time that is not in UTC rather than print a wrong one', () => {
    expect(() => toIsoMicros('2026-03-04 05:06:07+02')).toThrow(TypeError)
  })
})

describe('parseDay', () => {
  it('gives the bounds of the day in UTC', () => {
    expect(parseDay('2024-02-29')).toEqual({
      start: '2024-02-29T00:00:00.000000Z',
      end: '2024-03-01T00:00:00.000000Z',
    })
    expect(parseDay('0099-12-31')?.end).toBe('0100-01-01T00:00:00.000000Z')
    expect(parseDay('9999-12-31')?.end).toBe('infinity')
  })

  it.each([
    '2026-02-30',
    '2026-13-01',
    '2026-00-10',
    '0000-01-01',
    '2026-1-1',
    '20260101',
    '١',
    '',
  ])('knows no day %j', (text) => {
    expect(parseDay(text)).toBeNull()
  })
})

describe('parseInstant', () => {
  it.each([
    ['2026-03-04T05:06:07Z', '2026-03-04T05:06:07.000000Z'],
    ['2026-03-04 05:06', '2026-03-04T05:06:00.000000Z'],
    ['2026-03-04T05', '2026-03-04T05:00:00.000000Z'],
    ['20260304T050607Z', '2026-03-04T05:06:07.000000Z'],
    ['2026-03-04T05:06:07.123456+02:00', '2026-03-04T03:06:07.123456Z'],
    ['2026-03-04T05:06:07,5-0330', '2026-03-04T08:36:07.500000Z'],
    ['2026-03-04T23:30:00 02:00', '2026-03-04T21:30:00.000000Z'],
    ['2026-03-04T05:06:07.1234569z', '2026-03-04T05:06:07.123456Z'],
    ['0001-01-01T00:00:00+01:00', '-infinity'],
    ['9999-12-31T23:59:59-00:01', 'infinity'],
  ])('reads %s', (text, printed) => {
    expect(parseInstant(text)).toBe(printed)
  })

  it.each([
    '2026-02-30T00:00:00Z',
    '2026-03-04T24:00:00Z',
    '2026-03-04T05:60:00Z',
    '2026-03-04T05:06:60Z',
    '2026-03-04T05:06:07+24:00',
    '2026-03-04T05:06:07X',
    '2026-03-04T',
    'now',
    'infinity',
    "2026-03-04T05:06:07Z'; drop table users; --",
  ])('refuses %j', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  it('agrees with the platform on every time that the platform can print', () => {
    const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31') })
    fc.assert(
      fc.property(
        day.filter((date) => !Number.isNaN(date.getTime())),
        (date) => {
          const printed = `${date.toISOString().slice(0, -1)}000Z`
          expect(parseInstant(date.toISOString())).toBe(printed)
        },
      ),
    )
  })
})
