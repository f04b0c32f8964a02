import type { Appender } from '../storage/storage.ts'
import type { HeldLock } from './lock.ts'

const opened = new WeakMap<HeldLock, Appender>()

/**
 * The lock of an upload whose object was made just now and is still open, so that its first append
 * need not open it again. Whoever lets go of the lock without an append closes it.
 */
export function keepOpen(held: HeldLock, appender: Appender): HeldLock {
  const lock: HeldLock = {
    ...held,
    release() {
      // Nothing was written: there is nothing that closing could fail to keep.
      takeOpen(lock)
        ?.close()
        .catch(() => {})
      held.release()
    },
  }
  opened.set(lock, appender)
  return lock
}

/** What is open under this lock, for the one append that takes it. */
export function takeOpen(lock: HeldLock): Appender | undefined {
  const appender = opened.get(lock)
  opened.delete(lock)
  return appender
}
