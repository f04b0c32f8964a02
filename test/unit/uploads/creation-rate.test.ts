import { beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../../src/auth/actor.ts'
import { Fault } from '../../../src/errors.ts'
import { type CreationRate, createCreationRate } from '../../../src/uploads/creation-rate.ts'

let at: number
const now = () => new Date(at)
beforeEach(() => {
  at = Date.parse('2026-03-04T05:06:07Z')
})

const user = (id: number): Actor => ({
  kind: 'user',
  id,
  username: `u${id}`,
  role: 'user',
  tokenId: id,
})
const from = (address: string): Actor => ({ kind: 'anonymous', address })

/** Null where it was let through, else the seconds to wait. */
function tryOnce(rate: CreationRate, actor: Actor): number | null {
  try {
    rate.admit(actor)
    return null
  } catch (error) {
    if (!(error instanceof Fault) || error.reason !== 'too-many-creations') throw error
    return error.retryAfterSeconds ?? Number.NaN
  }
}

/** How many of so many tries at one moment are let through. */
const admitted = (rate: CreationRate, actor: Actor, tries: number) =>
  Array.from({ length: tries }, () => tryOnce(rate, actor)).filter((wait) => wait === null).length

describe('the rate of creations', () => {
  it.each([1, 3, 7, 600, 90_000])('lets %i through at once, and no more', (perMinute) => {
    expect(admitted(createCreationRate({ perMinute, now }), user(1), perMinute + 5)).toBe(perMinute)
  })

  it('says when the next one is let through, and keeps its word', () => {
    const rate = createCreationRate({ perMinute: 6, now })
    admitted(rate, user(1), 6)
    expect(tryOnce(rate, user(1))).toBe(10)
    at += 9_000
    expect(tryOnce(rate, user(1))).toBe(1)
    at += 1_000
    expect(admitted(rate, user(1), 3)).toBe(1)
  })

  it('over an hour is so many a minute, however fast they come', () => {
    const rate = createCreationRate({ perMinute: 60, now })
    let through = 0
    for (let second = 0; second < 3600; second++, at += 1000) through += admitted(rate, user(1), 5)
    expect(through).toBe(60 + 3599)
  })

  it('is one for each user, and for each address without one', () => {
    const rate = createCreationRate({ perMinute: 2, now })
    for (const actor of [user(1), user(2), from('192.0.2.1'), from('192.0.2.2')])
      expect(admitted(rate, actor, 5)).toBe(2)
  })

  it('has no limit unless one is set', () => {
    expect(admitted(createCreationRate({ perMinute: null, now }), user(1), 1000)).toBe(1000)
  })

  it('locks nobody out when the clock is set back', () => {
    const rate = createCreationRate({ perMinute: 6, now })
    admitted(rate, user(1), 6)
    at -= 86_400_000
    expect(tryOnce(rate, user(1))).toBe(10)
  })

  it('forgets those of whom it heard nothing for longest, so that its memory is bounded', () => {
    const rate = createCreationRate({ perMinute: 1, now, maxRemembered: 3 })
    for (const id of [1, 2, 3]) expect(tryOnce(rate, user(id))).toBeNull()
    // Heard of again, though it was refused: the next one to be forgotten is 2.
    expect(tryOnce(rate, user(1))).toBe(60)
    expect(tryOnce(rate, user(4))).toBeNull()
    expect([1, 3, 4].map((id) => tryOnce(rate, user(id)))).toEqual([60, 60, 60])
    expect(tryOnce(rate, user(2))).toBeNull()
  })
})
