import { describe, expect, it } from 'vitest'
import { LandfallError } from '../../../src/client/client.ts'
import {
  count,
  formatAge,
  formatBytes,
  formatSeconds,
  shellQuoted,
} from '../../../src/web/format.ts'
import { parseBytes, wordsOfFilter } from '../../../src/web/library/query.ts'
import { sentence, wordsOf } from '../../../src/web/words.ts'

describe('errors in words', () => {
  it('say what to do', () => {
    expect(sentence(new LandfallError('', { status: 0 }))).toMatch(/Check your connection/)
    expect(sentence(new LandfallError('', { status: 401, detail: 'Invalid token.' }))).toMatch(
      /Sign in/,
    )
    expect(sentence(new LandfallError('', { status: 507, detail: 'x' }))).toMatch(/Delete files/)
    expect(sentence(new TypeError('undefined is not a function'))).toMatch(/Reload/)
  })

  it('are those of the server where it knows more', () => {
    expect(wordsOf(413, 'Your storage quota is used up.')).toBe('Your storage quota is used up.')
    const fields = { size_min: ['Enter a number.'], type: ['Select a valid choice.'] }
    expect(sentence(new LandfallError('', { status: 400, fields }))).toBe(
      'Enter a number. Select a valid choice.',
    )
    expect(wordsOf(418, null)).toBe('The server answered with the error 418. Try again later.')
  })
})

describe('numbers in words', () => {
  it('are short', () => {
    expect([0, 1, 1023, 1024, 2_621_440, 5e9].map(formatBytes)).toEqual([
      '0 bytes',
      '1 byte',
      '1023 bytes',
      '1.0 KB',
      '2.5 MB',
      '4.7 GB',
    ])
    expect([0.2, 59, 90, 3600, 4800, 400_000, Number.POSITIVE_INFINITY].map(formatSeconds)).toEqual(
      ['1 s', '59 s', '2 min', '1 h 0 min', '1 h 20 min', '5 days', ''],
    )
    expect([count(1, 'file'), count(1200, 'file')]).toEqual(['1 file', '1,200 files'])
  })

  it('say how long ago something was', () => {
    const now = Date.parse('2026-03-04T12:00:00Z')
    const ago = (iso: string) => formatAge(iso, now)
    expect(ago('2026-03-04T11:59:30Z')).toBe('just now')
    expect(ago('2026-03-04T12:00:30Z')).toBe('just now')
    expect(ago('2026-03-04T11:59:00Z')).toBe('1 minute ago')
    expect(ago('2026-03-04T09:59:00Z')).toBe('2 hours ago')
    expect(ago('2026-02-01T00:00:00Z')).toMatch(/2026/)
  })

  it('are read with any unit', () => {
    expect(['1', '2 bytes', '1.5 KB', '1,5MB', '2GiB', '1 t', ' 7 b '].map(parseBytes)).toEqual([
      1, 2, 1536, 1_572_864, 2_147_483_648, 1_099_511_627_776, 7,
    ])
    expect(['', 'many', '-1', '1 XB', '1.2.3'].map(parseBytes)).toEqual([
      null,
      null,
      null,
      null,
      null,
    ])
  })
})

describe('filters and commands in words', () => {
  it('name what is filtered', () => {
    expect(wordsOfFilter('type', 'image,pdf')).toBe('Images, PDF')
    expect(wordsOfFilter('size_min', '1048576')).toBe('At least 1.0 MB')
    expect(wordsOfFilter('size_min', 'x')).toBe('At least x')
    expect(wordsOfFilter('created_from', '2026-01-01')).toBe('Added from 2026-01-01')
  })

  it('quote what a shell would read', () => {
    expect(shellQuoted('a-b_1.txt')).toBe('a-b_1.txt')
    expect(shellQuoted("it's $HOME")).toBe("'it'\\''s $HOME'")
    expect(shellQuoted('')).toBe("''")
  })
})
