import { and, count, desc, eq, isNotNull, isNull, type SQL, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { outbox, webhookDeliveries } from '../db/schema-events.ts'
import type { OutboxEvent } from './message.ts'

/** What is announced. */
export const eventTypes = outbox.event.enumValues
export type EventType = (typeof eventTypes)[number]

/** `skipped`: older than the first WEBHOOK_URL, and never tried. */
export const eventStates = ['pending', 'delivered', 'failed', 'skipped'] as const
export type EventState = (typeof eventStates)[number]

export const outcomes = ['delivered', 'failed'] as const
export type Outcome = (typeof outcomes)[number]

export type EventRow = typeof outbox.$inferSelect
export type DeliveryRow = typeof webhookDeliveries.$inferSelect & {
  event: EventType
  messageId: string
  subject: string
}

/** An event with whose upload it is about; null for nobody's. */
export interface OwnedEvent extends OutboxEvent {
  ownerId: number | null
}

/** What was found at one moment. */
export interface Stretch {
  events: OwnedEvent[]
  /** No transaction older than this one was running then. 0 where nothing was found. */
  oldestRunning: bigint
}

interface Slice {
  limit: number
  offset: number
}

export type EventLog = ReturnType<typeof createEventLog>

/** Reads the outbox and the log of its deliveries. */
export function createEventLog(db: Database) {
  async function list(filter: { event?: EventType; state?: EventState }, slice: Slice) {
    const where = and(
      filter.event && eq(outbox.event, filter.event),
      filter.state && inState(filter.state),
    )
    const [total] = await withRetry(() => db.select({ all: count() }).from(outbox).where(where))
    const items = await withRetry(() =>
      db
        .select()
        .from(outbox)
        .where(where)
        .orderBy(desc(outbox.id))
        .limit(slice.limit)
        .offset(slice.offset),
    )
    return { count: total?.all ?? 0, items }
  }

  async function deliveries(
    filter: { event?: EventType; outcome?: Outcome; eventId?: number },
    slice: Slice,
  ): Promise<{ count: number; items: DeliveryRow[] }> {
    const { error } = webhookDeliveries
    const where = and(
      filter.event && eq(outbox.event, filter.event),
      filter.eventId === undefined ? undefined : eq(webhookDeliveries.outboxId, filter.eventId),
      filter.outcome && (filter.outcome === 'delivered' ? isNull(error) : isNotNull(error)),
    )
    const of = eq(outbox.id, webhookDeliveries.outboxId)
    const [total] = await withRetry(() =>
      db.select({ all: count() }).from(webhookDeliveries).innerJoin(outbox, of).where(where),
    )
    const items = await withRetry(() =>
      db
        .select({ delivery: webhookDeliveries, event: outbox })
        .from(webhookDeliveries)
        .innerJoin(outbox, of)
        .where(where)
        .orderBy(desc(webhookDeliveries.id))
        .limit(slice.limit)
        .offset(slice.offset),
    )
    return {
      count: total?.all ?? 0,
      items: items.map(({ delivery, event: { event, messageId, subject } }) => ({
        ...delivery,
        ...{ event, messageId, subject },
      })),
    }
  }

  /** Events after an id, in order of their ids; some between them may not be committed yet. */
  async function after(id: number, limit: number, upTo?: number): Promise<Stretch> {
    const found = await withRetry(() =>
      rows<{
        id: number | string
        event: string
        payload: Record<string, unknown>
        created_at: string
        owner_id: number | null
        oldest: string
      }>(
        db,
        sql`select o.id, o.event, o.payload, o.created_at, u.owner_id,
          pg_snapshot_xmin(pg_current_snapshot())::text as oldest
        from (
          select * from outbox where id > ${id} ${upTo === undefined ? sql`` : sql`and id <= ${upTo}`}
          order by id limit ${limit}
        ) as o left join uploads as u on u.id = (o.payload ->> 'upload')::uuid order by o.id`,
      ),
    )
    return {
      events: found.map((row) => ({
        id: Number(row.id),
        event: row.event,
        payload: row.payload,
        createdAt: row.created_at,
        ownerId: row.owner_id,
      })),
      oldestRunning: BigInt(found[0]?.oldest ?? 0),
    }
  }

  /** The ids of the newest events, in order. */
  async function newest(limit: number): Promise<number[]> {
    const found = await withRetry(() =>
      db.select({ id: outbox.id }).from(outbox).orderBy(desc(outbox.id)).limit(limit),
    )
    return found.map(({ id }) => id).reverse()
  }

  /** A transaction that is younger than every one that runs now. */
  async function youngest(): Promise<bigint> {
    const [row] = await withRetry(() =>
      rows<{ id: string }>(db, sql`select pg_current_xact_id()::text as id`),
    )
    return BigInt(row?.id ?? 0)
  }

  return { list, deliveries, after, newest, youngest }
}

/** In which state an event is. */
export function stateOf({ deliveredAt, givenUpAt, attempts }: EventRow): EventState {
  if (deliveredAt !== null) return 'delivered'
  if (givenUpAt === null) return 'pending'
  return attempts === 0 ? 'skipped' : 'failed'
}

function inState(state: EventState): SQL | undefined {
  const { deliveredAt, givenUpAt, attempts } = outbox
  if (state === 'delivered') return isNotNull(deliveredAt)
  if (state === 'pending') return and(isNull(deliveredAt), isNull(givenUpAt))
  const triedOrNot = state === 'skipped' ? eq(attempts, 0) : sql`${attempts} > 0`
  return and(isNull(deliveredAt), isNotNull(givenUpAt), triedOrNot)
}
