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
