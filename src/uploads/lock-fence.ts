import { eq, type SQL } from 'drizzle-orm'
import { uploads } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { HeldLock } from './lock.ts'
import type { Upload } from './upload.ts'

/**
 * The condition that keeps a server which was frozen past its lease from changing an upload that
 * another one has in hand by now. The row itself is locked by the statement, so that whoever takes
 * the upload at the same moment sees what was recorded, or we change nothing.
 */
export function inHands(lock: HeldLock | undefined): SQL | undefined {
  return lock?.epoch == null ? undefined : eq(uploads.lockEpoch, lock.epoch)
}

/** Rejects with `locked` where nothing was changed since another server holds the upload. */
export function requireHeld(found: Upload | undefined, lock: HeldLock | undefined): void {
  if (found && lock?.epoch != null && found.lockEpoch !== lock.epoch) throw lostFault()
}

/** The client goes on from what the other server knows. */
export function lostFault(): Fault {
  return new Fault('locked', { retryAfterSeconds: 1 })
}
