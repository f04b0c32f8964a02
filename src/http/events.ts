import type { ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import type { Actor } from '../auth/actor.ts'
import { can } from '../auth/can.ts'
import type { Tokens } from '../auth/tokens.ts'
import { Fault } from '../errors.ts'
import type { Feed, FeedEvent, Reader } from '../events/feed.ts'
import { messageOf } from '../events/message.ts'
import type { UrlOf } from '../media/record.ts'
import { isGone } from '../media/serve.ts'
import type { Env } from '../protocols/env.ts'
import { parseNonNegativeInteger } from '../wire/integer.ts'
import { authenticate, requireAuthenticated } from './authenticate.ts'
import { methods } from './methods.ts'

/** Milliseconds of silence after which a comment says that the connection is alive. */
const HEARTBEAT_MS = 20_000
/** A client that takes nothing for so long is cut. */
const STALL_MS = 60_000
/** How soon a browser comes back when the connection was lost. */
const RETRY_MS = 3_000
const MAX_STREAMS = 1_000
const MAX_STREAMS_OF_A_USER = 20

export interface EventsRoutesDeps {
  feed: Feed
  tokens: Pick<Tokens, 'authenticate'>
  /** Scheme and host for the URLs of records, without a slash at the end. */
  originOf: (c: Context<Env>) => string
  urlOf: UrlOf
  heartbeatMs?: number | undefined
  stallMs?: number | undefined
}

/**
 * `GET /api/events`: what happens, as server-sent events (HTML Standard §9.2), to every user about
 * the uploads that `can` lets them reach. To be mounted there.
 */
export function eventsRoutes(deps: EventsRoutesDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const streams = new Map<number, number>()
  app.use(authenticate(deps.tokens), requireAuthenticated)
  app.all(
    '/',
    methods({
      async GET(c) {
        const { actor } = c.var
        const after = lastEventIdOf(c)
        if (actor.kind === 'anonymous') throw new Fault('not-authenticated')
        if (c.req.method === 'HEAD') return c.body(null, 200, HEADERS)
        const leave = enter(streams, actor.id)
        try {
          await stream(deps, c, actor, after)
        } finally {
          leave()
        }
        return RESPONSE_ALREADY_SENT
      },
    }),
  )
  return app
}

const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  // nginx would collect some kilobytes before it passes anything on.
  'X-Accel-Buffering': 'no',
}

/** What the client has seen before; null where it begins. */
function lastEventIdOf(c: Context<Env>): number | null {
  const text = c.req.header('last-event-id')
  if (text === undefined || text === '') return null
  const id = parseNonNegativeInteger(text)
  if (id === null) throw new Fault('bad-request', { text: 'Last-Event-ID is none of ours.' })
  return id
}

function enter(streams: Map<number, number>, userId: number): () => void {
  const own = streams.get(userId) ?? 0
  const all = [...streams.values()].reduce((sum, count) => sum + count, 0)
  if (own >= MAX_STREAMS_OF_A_USER || all >= MAX_STREAMS) {
    const text = 'Too many event streams are open: close some first.'
    throw new Fault('unavailable', { text, retryAfterSeconds: 10 })
  }
  streams.set(userId, own + 1)
  return () => {
    const left = (streams.get(userId) ?? 1) - 1
    if (left > 0) streams.set(userId, left)
    else streams.delete(userId)
  }
}

/** Resolves when the stream has ended, by whichever side. Rejects only before its first byte. */
async function stream(
  deps: EventsRoutesDeps,
  c: Context<Env>,
  actor: Actor,
  after: number | null,
): Promise<void> {
  const { outgoing } = c.env
  const reader = await deps.feed.follow(after, ({ ownerId }) =>
    can(actor, { action: 'upload:access', ownerId }, false),
  )
  outgoing.once('close', reader.end)
  try {
    if (isGone(outgoing)) return
    outgoing.writeHead(200, HEADERS)
    await pass(deps, c, actor, reader)
  } catch {
    // The database is away, or the client reads nothing: it comes back and says where it was.
    outgoing.destroy()
  } finally {
    reader.end()
    outgoing.end()
  }
}

async function pass(
  deps: EventsRoutesDeps,
  c: Context<Env>,
  actor: Actor,
  reader: Reader,
): Promise<void> {
  const { outgoing } = c.env
  const { heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS } = deps
  const origin = deps.originOf(c)
  // An id without data tells a client where it stands, before it has seen an event.
  await write(outgoing, `retry: ${RETRY_MS}\nid: ${reader.position}\n\n`, stallMs)
  let checkedAt = performance.now()
  for (;;) {
    const events = await reader.next(heartbeatMs)
    if (events === null) return
    // However much happens, nobody who was locked out hears of it for longer than a heartbeat.
    if (events.length === 0 || performance.now() - checkedAt >= heartbeatMs) {
      if (!(await isStill(actor, c, deps))) return
      checkedAt = performance.now()
    }
    const text = events.map((event) => textOf(event, origin, deps.urlOf)).join('')
    await write(outgoing, text || ': still here\n\n', stallMs)
  }
}

/** A token that was revoked, or a role that was taken away, counts from the next heartbeat on. */
async function isStill(actor: Actor, c: Context<Env>, { tokens }: EventsRoutesDeps) {
  try {
    const now = await tokens.authenticate(c.req.header('authorization'))
    return actor.kind === 'user' && now.kind === 'user' && now.role === actor.role
  } catch (error) {
    // A database that is away for a moment has not said so.
    return !(error instanceof Fault && error.reason === 'token-invalid')
  }
}

/** JSON has no line breaks of its own, which would end a `data` field. */
function textOf(event: FeedEvent, origin: string, urlOf: UrlOf): string {
  const data = JSON.stringify(messageOf(event, event.file, origin, urlOf))
  return `id: ${event.id}\nevent: ${event.event}\ndata: ${data}\n\n`
}

/** Resolves when there is room again; rejects where there is none for too long or the client is gone. */
async function write(outgoing: ServerResponse, text: string, stallMs: number): Promise<void> {
  if (outgoing.write(text)) return
  await new Promise<void>((resolve, reject) => {
    const settle = (done: () => void) => () => {
      clearTimeout(timer)
      outgoing.off('drain', onDrain)
      outgoing.off('close', onClose)
      done()
    }
    const onDrain = settle(resolve)
    const onClose = settle(() => reject(new Error('the client is gone')))
    const timer = setTimeout(
      settle(() => reject(new Error('the client reads nothing'))),
      stallMs,
    )
    outgoing.on('drain', onDrain)
    outgoing.on('close', onClose)
  })
}
