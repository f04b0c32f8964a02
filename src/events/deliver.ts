import { setMaxListeners } from 'node:events'
import type { UrlOf } from '../media/record.ts'
import type { MediaRepo } from '../media/repo.ts'
import type { FindAddresses } from './address.ts'
import { createAlarm } from './alarm.ts'
import { pauseAfter } from './back-off.ts'
import { type EventMessage, fileIdOf, messageOf } from './message.ts'
import type { Attempted, Claimed, Outbox } from './outbox.ts'
import { type Answered, post } from './send.ts'
import { signedHeaders } from './sign.ts'

/** Deliveries under way at a time. */
const MAX_AT_ONCE = 8
/** Milliseconds between two looks: other servers write events too, and retries become due. */
const LOOK_EVERY_MS = 5_000
/** What a receiver asks for by Retry-After holds for all events, but for no longer than this. */
const LONGEST_REST_MS = 60_000

/** Where events go. */
export interface Webhook {
  url: string
  /** The first is the one that counts; a second one signs as well. */
  secrets: readonly Buffer[]
  allowPrivate: boolean
}

export interface DeliveryDeps {
  webhook: Webhook
  outbox: Outbox
  files: Pick<MediaRepo, 'find'>
  /** Scheme and host for the URLs of records; `''`: they are paths. */
  origin: string
  urlOf: UrlOf
  now: () => Date
  newId: () => string
  log: {
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
  /** Told of every try. */
  onTried: (outcome: 'delivered' | 'failed' | 'given_up') => void
  /** From 0 to 1. Default: Math.random. */
  random?: () => number
  lookEveryMs?: number | undefined
  findAddresses?: FindAddresses | undefined
}

export interface Delivery {
  start(): void
  /** There is something new: looks at once. */
  wake(): void
  /** Sends a `landfall.test` now, past the outbox. */
  test(): Promise<{ messageId: string; answered: Answered }>
  /**
   * Takes nothing more; what is under way may end within so many milliseconds, and is put back for
   * another server, or the next start, after.
   */
  stop(withinMs: number): Promise<void>
}

/** Delivers what the outbox holds, by itself or beside other servers. */
export function createDelivery(deps: DeliveryDeps): Delivery {
  const { webhook, outbox, log, now, random = Math.random, lookEveryMs = LOOK_EVERY_MS } = deps
  const url = new URL(webhook.url)
  const breaking = new AbortController()
  // Every request listens to it, for as long as its connection is open.
  setMaxListeners(0, breaking.signal)
  const running = new Set<Promise<void>>()
  let looping: Promise<void> | undefined
  let stopped = false
  let restUntil = 0
  const alarm = createAlarm()

  async function loop(): Promise<void> {
    let begun = false
    while (!stopped) {
      try {
        if (!begun) await outbox.begin()
        begun = true
        await takeWhatIsDue()
      } catch (err) {
        log.warn({ err }, 'events could not be looked at; they are delivered later')
      }
      if (!stopped) await alarm.wait(lookEveryMs)
    }
  }

  /** Until nothing is due, or all hands are full: then the first that is free wakes us. */
  async function takeWhatIsDue(): Promise<void> {
    while (!stopped && running.size < MAX_AT_ONCE && performance.now() >= restUntil) {
      const free = MAX_AT_ONCE - running.size
      const claimed = await outbox.claim(free)
      for (const event of claimed) {
        const delivering = deliver(event).finally(() => {
          running.delete(delivering)
          alarm.ring()
        })
        running.add(delivering)
      }
      if (claimed.length < free) return
    }
  }

  async function deliver(event: Claimed): Promise<void> {
    try {
      if (stopped) return await outbox.release(event)
      const at = now()
      const answered = await send(`msg_${event.messageId}`, await contentOf(event))
      if (answered.stopped) await outbox.release(event)
      else await note(event, at, answered)
    } catch (err) {
      // It comes back by itself when its claim has run out.
      log.warn({ err, event: event.id }, 'a delivery could not be prepared or recorded')
    }
  }

  async function contentOf(event: Claimed): Promise<EventMessage> {
    const id = fileIdOf(event)
    const file = id === null ? undefined : await deps.files.find(id)
    return messageOf(event, file, deps.origin, deps.urlOf)
  }

  function send(id: string, content: EventMessage): Promise<Answered> {
    const body = JSON.stringify(content)
    const timestamp = Math.floor(now().getTime() / 1000)
    return post({
      url,
      body,
      headers: signedHeaders({ id, timestamp, body }, webhook.secrets),
      allowPrivate: webhook.allowPrivate,
      signal: breaking.signal,
      findAddresses: deps.findAddresses,
    })
  }

  async function note(event: Claimed, at: Date, answered: Answered): Promise<void> {
    const { status, error, durationMs, retryAfterMs } = answered
    const next = error === null ? 'delivered' : nextOf(event, retryAfterMs)
    if (retryAfterMs !== null)
      restUntil = performance.now() + Math.min(retryAfterMs, LONGEST_REST_MS)
    const facts = { event: event.id, attempt: event.attempt, status, error }
    if (next === 'given-up') log.error(facts, 'a webhook was given up after its last try')
    else if (next !== 'delivered')
      log.warn({ ...facts, ...next }, 'a webhook was not delivered yet')
    deps.onTried(typeof next === 'object' ? 'failed' : next === 'given-up' ? 'given_up' : next)
    await outbox.record(event, { at, status, error, durationMs, next })
  }

  function nextOf({ attempt }: Claimed, retryAfterMs: number | null): Attempted['next'] {
    const afterMs = pauseAfter(attempt, retryAfterMs, random())
    return afterMs === null ? 'given-up' : { afterMs }
  }

  return {
    start() {
      looping ??= loop()
    },
    wake: alarm.ring,
    async test() {
      const messageId = `msg_${deps.newId()}`
      const data = { text: 'An administrator has asked for this test.' }
      const timestamp = now().toISOString()
      return {
        messageId,
        answered: await send(messageId, { type: 'landfall.test', timestamp, data }),
      }
    },
    async stop(withinMs) {
      stopped = true
      alarm.ring()
      const timer = setTimeout(() => breaking.abort(), withinMs)
      await looping
      while (running.size > 0) await Promise.all(running)
      clearTimeout(timer)
    },
  }
}
