import { eq, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { outbox, webhookStart } from '../db/schema-events.ts'
import type { OutboxEvent } from './message.ts'

/**
 * Milliseconds for which an event belongs to whoever took it. A server that dies while it sends costs
 * a second delivery so much later, and never none.
 */
const CLAIM_MS = 60_000
/** Events marked in one statement, which must end within its time limit. */
const BATCH = 10_000

const isPending = sql`delivered_at is null and given_up_at is null`

/** An event that this server has taken to send. */
export interface Claimed extends OutboxEvent {
  messageId: string
  /** Which try this is, from 1. */
  attempt: number
  /** Its own due time: what another server took since, or an admin has sent again, has another. */
  claim: string
}

/** How a try ended. */
export interface Attempted {
  at: Date
  status: number | null
  error: string | null
  durationMs: number
  /** Delivered; to be tried again after so many milliseconds; or never again. */
  next: 'delivered' | { afterMs: number } | 'given-up'
}

export type Outbox = ReturnType<typeof createOutbox>

/**
 * The statements that deliver what the outbox holds. All times are the database's: servers whose
 * clocks differ must agree on whose turn it is. A database that is away is a Fault `unavailable`.
 */
export function createOutbox(db: Database, { claimMs = CLAIM_MS }: { claimMs?: number } = {}) {
  const milliseconds = (count: number) => sql`${count}::float8 * interval '1 ms'`

  /**
   * From the first call on any server of the database, events are kept to be delivered; those that
   * happened before are given up without a try. Later calls do nothing.
   */
  async function begin(): Promise<void> {
    await withRetry(() =>
      db.execute(sql`insert into webhook_start (since_id)
        select coalesce(max(id), 0) from outbox on conflict do nothing`),
    )
    const [start] = await withRetry(() => db.select().from(webhookStart))
    if (start === undefined || start.settled) return
    for (let after = 0; ; ) {
      const from = after
      const marked = await withRetry(() =>
        rows<{ id: number | string }>(
          db,
          sql`with old as materialized (
            select id from outbox where id > ${from} and id <= ${start.sinceId} and ${isPending}
            order by id limit ${BATCH}
          ) update outbox set given_up_at = now() from old where outbox.id = old.id
          returning outbox.id`,
        ),
      )
      if (marked.length === 0) break
      after = Math.max(...marked.map(({ id }) => Number(id)))
    }
    await withRetry(() => db.update(webhookStart).set({ settled: true }))
  }

  /**
   * Takes what is due, the oldest pending event of each subject at the most, and counts the try
   * before it is made. Any number of servers may call this at the same time: `skip locked` gives
   * each of them other events, and what one has taken is not due. The oldest of a subject is found
   * by a scalar subquery, which is asked for no more rows than are taken; an anti join would go
   * through all that wait.
   */
  async function claim(limit: number): Promise<Claimed[]> {
    const taken = await withRetry(() =>
      rows<{
        id: number | string
        event: string
        payload: Record<string, unknown>
        created_at: string
        message_id: string
        attempts: number
        claim: string
      }>(
        db,
        sql`with due as materialized (
          select id from outbox as o
          where ${isPending} and due_at <= now() and id = (
            select first.id from outbox as first where first.subject = o.subject
              and first.delivered_at is null and first.given_up_at is null
            order by first.id limit 1
          ) order by due_at, id limit ${limit} for update of o skip locked
        ) update outbox set attempts = attempts + 1, due_at = now() + ${milliseconds(claimMs)}
        from due where outbox.id = due.id
        returning outbox.id, event, payload, created_at, message_id, attempts,
          due_at::text as claim`,
      ),
    )
    return taken.map((row) => ({
      id: Number(row.id),
      event: row.event,
      payload: row.payload,
      createdAt: row.created_at,
      messageId: row.message_id,
      attempt: row.attempts,
      claim: row.claim,
    }))
  }

  /** Writes a try into the log and its outcome to the event, if that is still ours. */
  async function record({ id, attempt, claim }: Claimed, attempted: Attempted): Promise<void> {
    const { at, status, error, durationMs, next } = attempted
    const outcome =
      next === 'delivered'
        ? sql`delivered_at = now()`
        : next === 'given-up'
          ? sql`given_up_at = now()`
          : sql`due_at = now() + ${milliseconds(next.afterMs)}`
    await withRetry(() =>
      db.execute(sql`with done as (
        update outbox set ${outcome}
        where id = ${id} and due_at = ${claim}::timestamptz and ${isPending}
      ) insert into webhook_deliveries (outbox_id, attempt, at, status, error, duration_ms)
        select id, ${attempt}::int, ${at.toISOString()}::timestamptz, ${status}::int,
          ${error}::text, ${durationMs}::int
        from outbox where id = ${id} on conflict do nothing`),
    )
  }

  /** Puts an event back that was taken and not tried, or whose try we broke off ourselves. */
  async function release({ id, claim }: Claimed): Promise<void> {
    await withRetry(() =>
      db.execute(sql`update outbox set attempts = attempts - 1, due_at = now()
        where id = ${id} and due_at = ${claim}::timestamptz and ${isPending}`),
    )
  }

  /** Makes an event due now, with all its tries before it; undefined where there is none. */
  async function sendAgain(id: number): Promise<typeof outbox.$inferSelect | undefined> {
    const [changed] = await withRetry(() =>
      db
        .update(outbox)
        .set({ attempts: 0, dueAt: sql`now()`, deliveredAt: null, givenUpAt: null })
        .where(eq(outbox.id, id))
        .returning(),
    )
    return changed
  }

  /** Seconds since the oldest event that is still to be delivered; 0 where there is none. */
  async function pendingSeconds(): Promise<number> {
    const [row] = await rows<{ age: number | string | null }>(
      db,
      sql`select extract(epoch from now() - min(created_at))::float8 as age
        from outbox where ${isPending}`,
    )
    return Math.max(0, Number(row?.age ?? 0))
  }

  return { begin, claim, record, release, sendAgain, pendingSeconds }
}
