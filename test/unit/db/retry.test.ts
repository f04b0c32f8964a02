import { describe, expect, it } from 'vitest'
import { asFault } from '../../../src/db/retry.ts'

/** An error of a driver inside Drizzle's. */
const failed = (code: string) =>
  new Error('Failed query', { cause: Object.assign(new Error('from the driver'), { code }) })

describe('asFault', () => {
  it.each([
    ['53100', 'storage-full', 507],
    ['53300', 'unavailable', 503],
    ['57P01', 'unavailable', 503],
    ['ECONNRESET', 'unavailable', 503],
  ] as const)('makes of %s the fault %s', (code, reason, status) => {
    expect(asFault(failed(code))).toMatchObject({ reason, status })
  })

  it('leaves what the database refuses as it is', () => {
    const error = failed('23505')
    expect(asFault(error)).toBe(error)
  })
})
