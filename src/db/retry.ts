import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../errors.ts'

/** SQLSTATE classes that pass by themselves: connection, resources, operator, system, rollback. */
const PASSING_CLASSES = new Set(['08', '53', '57', '58', '40'])
const DISK_FULL = '53100'
const PASSING_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
])

/** The driver's error inside Drizzle's, or the error itself. */
function driverCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'string') return code
  }
  return undefined
}

/** Whether the database is away for a moment, as opposed to refusing what it was asked. */
export function isPassing(error: unknown): boolean {
  const code = driverCode(error)
  if (code === undefined) return false
  return PASSING_CODES.has(code) || (code.length === 5 && PASSING_CLASSES.has(code.slice(0, 2)))
}

export function isUniqueViolation(error: unknown): boolean {
  return driverCode(error) === '23505'
}

/**
 * A database that is away is `unavailable` to a client, and one without room (the embedded one
 * shares its disk with the bytes) `storage-full`; anything else stays what it is.
 */
export function asFault(error: unknown): unknown {
  if (error instanceof Fault || !isPassing(error)) return error
  if (driverCode(error) === DISK_FULL)
    return new Fault('storage-full', { cause: error, retryAfterSeconds: 30 })
  return new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
}

/**
 * Runs an idempotent piece of database work, again after 50, 200 and 800 ms while the database is
 * away. Only for work whose second run is harmless: the answer to a COMMIT can be lost.
 */
export async function withRetry<T>(work: (run: number) => Promise<T>): Promise<T> {
  for (let pause = 50, run = 1; ; pause *= 4, run++) {
    try {
      return await work(run)
    } catch (error) {
      if (!isPassing(error) || pause > 800) throw asFault(error)
      await delay(pause)
    }
  }
}
