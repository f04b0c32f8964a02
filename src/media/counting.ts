import type { OpenDatabase } from '../db/database.ts'
import { createSweeping, type Sweeping } from '../uploads/sweeping.ts'
import { addUpChanges } from './counts.ts'

/** Until then a listing reads each change to the library by itself. */
const EVERY_MS = 3_000
/** The embedded database works in the thread that answers requests. */
const EMBEDDED_AT_ONCE = 1_000

/** Keeps the counts of media files added up. Where there are several servers, one is enough. */
export function createCounting(
  { db, kind }: OpenDatabase,
  { isFirst, log }: { isFirst(): boolean; log: { warn(fields: object, message: string): void } },
): Sweeping {
  const atOnce = kind === 'embedded' ? EMBEDDED_AT_ONCE : undefined
  return createSweeping(async () => (isFirst() ? addUpChanges(db, atOnce) : null), {
    everyMs: EVERY_MS,
    onError: (err) =>
      log.warn({ err }, 'changes were not added up; listings are exact, and slower'),
  })
}
