import { AsyncLocalStorage } from 'node:async_hooks'
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

export function createExchanges<P>() {
  const storage = new AsyncLocalStorage<Exchange<P>>()
  return {
    run: <T>(exchange: Exchange<P>, work: () => T): T => storage.run(exchange, work),
    current(): Exchange<P> {
      const exchange = storage.getStore()
      if (exchange === undefined) throw new Error('the tus engine was called outside a request')
      return exchange
    },
  }
}

export type Exchanges<P> = ReturnType<typeof createExchanges<P>>
