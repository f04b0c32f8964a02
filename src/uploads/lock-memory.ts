import { Fault } from '../errors.ts'
import type { AcquireOptions, HeldLock, Lock } from './lock.ts'

interface Waiter {
  grant(): void
}

interface Entry {
  asked: AbortController
  waiters: Set<Waiter>
}

export interface MemoryLockOptions {
  /** Told how long each successful wait took, in seconds. */
  onWaited?: (seconds: number) => void
}

/** What the lock that spans several servers needs of the one inside each of them. */
export interface LocalLock extends Lock {
  /** Asks whoever holds it here to let go; false where nobody does. */
  ask(id: string): boolean
  /** Whether somebody waits for it here. */
  isAwaited(id: string): boolean
}

/**
 * The lock of a single process. A waiter is a pending promise and one timer: it costs nothing until
 * it is its turn. Sets keep their order of insertion, which is the order of arrival.
 */
export function createMemoryLock({ onWaited }: MemoryLockOptions = {}): LocalLock {
  const entries = new Map<string, Entry>()

  function hold(id: string, entry: Entry): HeldLock {
    entry.asked = new AbortController()
    // Somebody is behind us already: they have asked before we began.
    if (entry.waiters.size > 0) entry.asked.abort()
    let held = true
    return {
      id,
      owner: null,
      epoch: null,
      asked: entry.asked.signal,
      isOurs: () => true,
      givenBack() {},
      release() {
        if (!held) return
        held = false
        const next = entry.waiters.values().next()
        if (next.done) entries.delete(id)
        else {
          entry.waiters.delete(next.value)
          next.value.grant()
        }
      },
    }
  }

  async function wait(id: string, entry: Entry, options: AcquireOptions): Promise<HeldLock> {
    const { timeoutMs = 10_000, signal } = options
    const began = performance.now()
    const held = await new Promise<HeldLock>((resolve, reject) => {
      const leave = (fault: Fault) => {
        settle()
        entry.waiters.delete(waiter)
        reject(fault)
      }
      const onAbort = () => leave(new Fault('client-gone'))
      const timer = setTimeout(
        () => leave(new Fault('locked', { retryAfterSeconds: 1 })),
        timeoutMs,
      )
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter = {
        grant() {
          settle()
          resolve(hold(id, entry))
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      entry.waiters.add(waiter)
      entry.asked.abort()
    })
    onWaited?.((performance.now() - began) / 1000)
    return held
  }

  async function acquire(id: string, options: AcquireOptions = {}): Promise<HeldLock> {
    if (options.signal?.aborted) throw new Fault('client-gone')
    const entry = entries.get(id)
    if (entry) return wait(id, entry, options)
    const fresh: Entry = { asked: new AbortController(), waiters: new Set() }
    entries.set(id, fresh)
    return hold(id, fresh)
  }

  return {
    acquire,
    begin: (id) => acquire(id),
    ask(id) {
      entries.get(id)?.asked.abort()
      return entries.has(id)
    },
    isAwaited: (id) => (entries.get(id)?.waiters.size ?? 0) > 0,
  }
}
