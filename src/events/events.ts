import type { Database } from '../db/database.ts'
import { createMediaRepo } from '../media/repo.ts'
import { createDelivery, type Delivery, type DeliveryDeps, type Webhook } from './deliver.ts'
import { createEventLog, type EventLog } from './event-log.ts'
import { createFeed, type Feed } from './feed.ts'
import type { Outbox } from './outbox.ts'

/** What becomes of the events that the outbox holds. */
export interface Events {
  log: EventLog
  feed: Feed
  outbox: Outbox
  /** Null without a WEBHOOK_URL. */
  delivery: Delivery | null
  /** This server has written an event. */
  wake(): void
  /** Events that are written from now on are to be delivered. Before the first request. */
  begin(): Promise<void>
  /** From now on this server delivers. */
  start(): void
  /** Ends every stream at once, and what is being delivered after so many milliseconds. */
  stop(withinMs: number): Promise<void>
}

export interface EventsDeps extends Omit<DeliveryDeps, 'webhook' | 'files'> {
  db: Database
  /** Null: nothing is delivered. */
  webhook: Webhook | null
}

export function createEvents(deps: EventsDeps): Events {
  const { db, webhook, outbox } = deps
  const files = createMediaRepo(db)
  const log = createEventLog(db)
  const feed = createFeed({
    log,
    files,
    onTrouble: (err) => deps.log.warn({ err }, 'events could not be read for those who listen'),
  })
  const delivery = webhook && createDelivery({ ...deps, webhook, files })
  return {
    ...{ log, feed, outbox, delivery },
    wake() {
      feed.wake()
      delivery?.wake()
    },
    async begin() {
      if (delivery) await outbox.begin()
    },
    start() {
      delivery?.start()
    },
    async stop(withinMs) {
      feed.close()
      await delivery?.stop(withinMs)
    },
  }
}
