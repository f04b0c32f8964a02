import { type Context, Hono } from 'hono'
import type { Tokens } from '../auth/tokens.ts'
import { Fault } from '../errors.ts'
import { type DeliveryRow, type EventRow, stateOf } from '../events/event-log.ts'
import type { Events } from '../events/events.ts'
import type { Env } from '../protocols/env.ts'
import { parseNonNegativeInteger } from '../wire/integer.ts'
import { toIsoMicros } from '../wire/time.ts'
import { authenticate, requirePermission } from './authenticate.ts'
import { methods } from './methods.ts'
import { answerPage } from './page.ts'
import { deliveryFilters, eventFilters, readFilters } from './webhook-filters.ts'

export interface WebhooksDeps {
  events: Pick<Events, 'log' | 'outbox' | 'delivery' | 'wake'>
  tokens: Pick<Tokens, 'authenticate'>
  /** Scheme and host for the links between pages, without a slash at the end. */
  originOf: (c: Context<Env>) => string
}

/**
 * What became of events: `/events`, `/events/{id}/resend`, `/deliveries` and `/test`, for admins. To
 * be mounted at `/api/webhooks`.
 */
export function webhooksRoutes({ events, tokens, originOf }: WebhooksDeps): Hono<Env> {
  const { log, outbox } = events
  const app = new Hono<Env>({ strict: false })
  app.use(authenticate(tokens), requirePermission({ action: 'webhooks:manage' }))
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store')
    await next()
  })
  app.all(
    '/events',
    methods({
      GET(c) {
        const filter = readFilters(c, eventFilters)
        return answerPage(c, originOf(c), eventJson, (slice) => log.list(filter, slice))
      },
    }),
  )
  app.all(
    '/deliveries',
    methods({
      GET(c) {
        const { event_id: eventId, ...filter } = readFilters(c, deliveryFilters)
        const of = { ...filter, ...(eventId !== undefined && { eventId }) }
        return answerPage(c, originOf(c), deliveryJson, (slice) => log.deliveries(of, slice))
      },
    }),
  )
  app.all(
    '/events/:id/resend',
    methods({
      async POST(c) {
        deliveryOf(events)
        const id = parseNonNegativeInteger(c.req.param('id'))
        const row = id === null ? undefined : await outbox.sendAgain(id)
        if (row === undefined) throw new Fault('not-found')
        events.wake()
        return c.json(eventJson(row), 202)
      },
    }),
  )
  app.all(
    '/test',
    methods({
      async POST(c) {
        const { messageId, answered } = await deliveryOf(events).test()
        const { status, error, durationMs } = answered
        return c.json({
          event: 'landfall.test',
          message_id: messageId,
          outcome: error === null ? 'delivered' : 'failed',
          ...{ status, error, duration_ms: durationMs },
        })
      },
    }),
  )
  return app
}

function deliveryOf({ delivery }: Pick<Events, 'delivery'>) {
  if (delivery !== null) return delivery
  throw new Fault('bad-request', { text: 'There is no WEBHOOK_URL: events are not sent anywhere.' })
}

function eventJson(row: EventRow) {
  const time = (text: string | null) => (text === null ? null : toIsoMicros(text))
  const state = stateOf(row)
  return {
    id: row.id,
    message_id: `msg_${row.messageId}`,
    event: row.event,
    subject: row.subject,
    data: row.payload,
    state,
    attempts: row.attempts,
    created_at: toIsoMicros(row.createdAt),
    next_attempt_at: state === 'pending' ? time(row.dueAt) : null,
    delivered_at: time(row.deliveredAt),
    given_up_at: time(row.givenUpAt),
  }
}

function deliveryJson(row: DeliveryRow) {
  return {
    id: row.id,
    event_id: row.outboxId,
    message_id: `msg_${row.messageId}`,
    event: row.event,
    subject: row.subject,
    attempt: row.attempt,
    at: toIsoMicros(row.at),
    outcome: row.error === null ? 'delivered' : 'failed',
    status: row.status,
    error: row.error,
    duration_ms: row.durationMs,
  }
}
