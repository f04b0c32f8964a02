import type { EventLog, OwnedEvent } from './event-log.ts'

/**
 * Ids that a new start looks back: transactions that have one of them may not be committed yet. Many
 * more than there are connections, each of which may bring a whole batch of them (db/batch.ts).
 */
const LOOK_BACK = 5_000
/** Milliseconds after which a missing id is passed over whatever runs. */
const GIVE_UP_MS = 60_000

export interface Sequence {
  /** Every event up to this id is there, or will never be. */
  readonly at: number
  /** Finds out where now is, a little before what is there already. */
  start(): Promise<void>
  /**
   * The events that follow, and whether to look again: `more` at once, `waiting` soon, since an id
   * is missing that a transaction may still bring.
   */
  advance(limit: number): Promise<{ events: OwnedEvent[]; state: 'more' | 'waiting' | 'done' }>
}

/**
 * Follows the outbox in the order of its ids. Ids are drawn before they are committed, so a higher
 * one can be there before a lower one; whoever asks for what is above the highest would miss that.
 * Where an id is missing this waits until it comes, or until every transaction has ended that ran
 * when something above it was already there (one of these must have drawn it: an event is never a
 * transaction's first change, so that it has its number before it draws the id). An id that was drawn
 * by a transaction that failed is so passed over as soon as the others have ended.
 */
export function createSequence(log: Pick<EventLog, 'after' | 'newest' | 'youngest'>): Sequence {
  let at = 0
  /** Ids up to `below` that are missing now were drawn by transactions older than `transaction`. */
  let gap: { below: number; transaction: bigint; since: number } | undefined

  function isLost(upTo: number, oldestRunning: bigint): boolean {
    if (gap === undefined || upTo > gap.below) return false
    return oldestRunning > gap.transaction || performance.now() - gap.since > GIVE_UP_MS
  }

  return {
    get at() {
      return at
    },
    async start() {
      const [newest = 0] = await log.newest(1)
      at = Math.max(0, newest - LOOK_BACK)
    },
    async advance(limit) {
      const { events: found, oldestRunning } = await log.after(at, limit)
      const events: OwnedEvent[] = []
      for (const event of found) {
        if (event.id > at + 1 && !isLost(event.id, oldestRunning)) {
          if (gap !== undefined && event.id <= gap.below) return { events, state: 'waiting' }
          const below = found.at(-1)?.id ?? event.id
          gap = { below, transaction: await log.youngest(), since: performance.now() }
          return { events, state: 'more' }
        }
        at = event.id
        events.push(event)
      }
      return { events, state: found.length === limit ? 'more' : 'done' }
    },
  }
}
