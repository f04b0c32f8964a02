import { parseHttpDate } from '../wire/http-date.ts'
import { parseNonNegativeInteger } from '../wire/integer.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** After the first try, the second, …: about three days in all ("Retries", Standard Webhooks). */
const PAUSES = [
  ...[5 * SECOND, 5 * MINUTE, 30 * MINUTE],
  ...[2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
]
/** A receiver that was down is not to get everything back in the same moment. */
const JITTER = 0.2
const LONGEST_RETRY_AFTER = 24 * HOUR

/**
 * Milliseconds until the next try of what has failed `attempts` times; null where none is left. What
 * the receiver asked for by Retry-After is waited for too.
 *
 * @param random from 0 to 1.
 */
export function pauseAfter(
  attempts: number,
  retryAfterMs: number | null,
  random: number,
): number | null {
  const pause = PAUSES[attempts - 1]
  if (pause === undefined) return null
  return Math.max(Math.round(pause * (1 + JITTER * random)), retryAfterMs ?? 0)
}

/** Retry-After (RFC 9110 §10.2.3) in milliseconds, at most a day; null for anything else. */
export function parseRetryAfter(text: string | undefined, now: number): number | null {
  if (text === undefined) return null
  const seconds = parseNonNegativeInteger(text)
  const at = seconds === null ? parseHttpDate(text, now) : now + seconds * SECOND
  return at === null ? null : Math.min(Math.max(at - now, 0), LONGEST_RETRY_AFTER)
}
