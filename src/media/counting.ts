import { sql } from 'drizzle-orm'
import type { OpenDatabase } from '../db/database.ts'
import { createSweeping, type Sweeping } from '../uploads/sweeping.ts'
import { addUpChanges } from './counts.ts'

/** Until then a listing reads each change to the library by itself. */
const EVERY_MS = 3_000
/** The embedded database works in the thread that answers requests. */
const EMBEDDED_AT_ONCE = 1_000
/** Changes that were added up, about 100 bytes each, after which their room is used again. */
const VACUUM_AFTER = 10_000

/** Keeps the counts of media files added up. Where there are several servers, one is enough. */
export function createCounting(
  { db, kind }: OpenDatabase,
  { isFirst, log }: { isFirst(): boolean; log: { warn(fields: object, message: string): void } },
): Sweeping {
  const atOnce = kind === 'embedded' ? EMBEDDED_AT_ONCE : undefined
  let stopped = false
  let dead = 0
  async function addUp(): Promise<void> {
    dead += await addUpChanges(db, atOnce, () => !stopped)
    // Nothing else does it there, and each count would read what has been added up as well.
    if (kind !== 'embedded' || dead < VACUUM_AFTER) return
    await db.execute(sql`vacuum media_changes`)
    dead = 0
  }
  const counting = createSweeping(async () => (isFirst() ? addUp() : null), {
    everyMs: EVERY_MS,
    onError: (err) =>
      log.warn({ err }, 'changes were not added up; listings are exact, and slower'),
  })
  return {
    start: counting.start,
    stop() {
      // What is left is read change by change, and added up by the next start.
      stopped = true
      return counting.stop()
    },
  }
}
