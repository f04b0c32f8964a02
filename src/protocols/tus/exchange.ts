import type { IncomingMessage } from 'node:http'
import type { Actor } from '../../auth/actor.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { Progress } from '../../uploads/uploads.ts'
import type { Creation, Patch } from './request.ts'

/**
 * One tus request on its way through the engine. The engine knows a Request without a body; what
 * it cannot carry (who asks, the Node request with the bytes, the lock) travels here, beside it.
 */
export interface Exchange<P> {
  actor: Actor
  id: string
  /** Absolute URL of the upload. */
  url: string
  incoming: IncomingMessage
  /** Fires when the client is gone, so that nobody waits for a lock on its behalf. */
  clientGone: AbortSignal
  creation?: Creation
  patch?: Patch
  lock?: HeldLock | undefined
  /** The upload as the core gave it last. */
  progress?: Progress<P>
  /** What went wrong, before the engine turned it into text. */
  error?: unknown
}

/**
 * The requests that are with the engine. What it takes for the id of an upload is the key of one of
 * them: by that it is found again. (An AsyncLocalStorage would find it too; in Node 20 every promise
 * of the process pays for that.)
 */
export function createExchanges<P>() {
  const running = new Map<string, Exchange<P>>()
  let last = 0
  return {
    /** Runs `work` with a key that stands for the exchange until it has ended. */
    async run<T>(exchange: Exchange<P>, work: (key: string) => Promise<T>): Promise<T> {
      const key = String(++last)
      running.set(key, exchange)
      try {
        return await work(key)
      } finally {
        running.delete(key)
      }
    },
    of(key: string): Exchange<P> {
      const exchange = running.get(key)
      if (exchange === undefined) throw new Error('the tus engine was called outside a request')
      return exchange
    },
  }
}

export type Exchanges<P> = ReturnType<typeof createExchanges<P>>
