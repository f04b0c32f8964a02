import type { Actor } from '../auth/actor.ts'
import { Fault } from '../errors.ts'

const MINUTE_MS = 60_000
/** Callers that are remembered at the same time, at about 100 bytes each. */
const MAX_REMEMBERED = 50_000

export interface CreationRate {
  /** Counts one creation of this actor: `too-many-creations` where there were too many lately. */
  admit(actor: Actor): void
}

export interface CreationRateOptions {
  /** USER_MAX_CREATIONS: so many at once, and one more for every part of a minute; null: no limit. */
  perMinute: number | null
  now: () => Date
  /** Default 50,000. Beyond it those that were not heard of for longest are forgotten. */
  maxRemembered?: number
}

/**
 * How fast uploads may be begun: by a user, or, without one, by an address. A bucket of tokens for
 * each, kept as the one moment at which it would be full again; in the memory of this process.
 */
export function createCreationRate(options: CreationRateOptions): CreationRate {
  const { perMinute, now, maxRemembered = MAX_REMEMBERED } = options
  if (perMinute === null) return { admit() {} }
  const costMs = MINUTE_MS / perMinute
  /** Times are counted from here: small numbers lose less in sums of fractions. */
  const startedAt = now().getTime()
  /** For what is lost all the same. */
  const toleranceMs = Math.min(1, costMs / 2)
  /** Those heard of last stand last. */
  const fullAt = new Map<string, number>()

  function admit(actor: Actor): void {
    const at = now().getTime() - startedAt
    const key = keyOf(actor)
    // Never more than a minute ahead: a clock that was set back must not lock anybody out.
    const full = Math.min(Math.max(fullAt.get(key) ?? at, at), at + MINUTE_MS)
    const overMs = full + costMs - at - MINUTE_MS
    const refused = overMs > toleranceMs
    fullAt.delete(key)
    fullAt.set(key, refused ? full : full + costMs)
    if (fullAt.size > maxRemembered) forgetOldest()
    if (refused)
      throw new Fault('too-many-creations', { retryAfterSeconds: Math.ceil(overMs / 1000) })
  }

  function forgetOldest(): void {
    for (const key of fullAt.keys()) {
      fullAt.delete(key)
      return
    }
  }

  return { admit }
}

function keyOf(actor: Actor): string {
  return actor.kind === 'user' ? `user ${actor.id}` : `address ${actor.address ?? ''}`
}
