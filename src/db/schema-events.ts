import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { time } from './schema-columns.ts'

/** Neither arrived nor given up: still to be sent, where there is somebody to send it to. */
const pending = sql.raw('delivered_at is null and given_up_at is null')

/** Events to announce, written in the transaction that makes them true. */
export const outbox = pgTable(
  'outbox',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    event: text('event', { enum: ['media.created', 'media.deleted', 'upload.rejected'] }).notNull(),
    /** Events of one subject are delivered in order. */
    subject: text('subject').notNull(),
    payload: jsonb('payload').notNull(),
    createdAt: time('created_at').notNull(),
    /** The same over every try, so that a receiver knows what it has already. */
    messageId: uuid('message_id').notNull().defaultRandom(),
    /** Tries to deliver it, counted before each; from 0 again where an admin has it sent again. */
    attempts: integer('attempts').notNull().default(0),
    /** When it may be tried next, by the database's clock; moved on by whoever takes it to send. */
    dueAt: time('due_at').notNull().defaultNow(),
    deliveredAt: time('delivered_at'),
    /** No try is left; without a single one, the event is older than the first WEBHOOK_URL. */
    givenUpAt: time('given_up_at'),
  },
  (t) => [
    index('outbox_due').on(t.dueAt, t.id).where(pending),
    index('outbox_turn').on(t.subject, t.id).where(pending),
    // Old events are forgotten every minute. They lie at the beginning, so this stays a few pages.
    index('outbox_created').using('brin', t.createdAt),
  ],
)

/** The log of webhooks: every try of every event. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    outboxId: bigint('outbox_id', { mode: 'number' })
      .notNull()
      .references(() => outbox.id, { onDelete: 'cascade' }),
    attempt: integer('attempt').notNull(),
    at: time('at').notNull(),
    /** Of the answer; null where there was none. */
    status: integer('status'),
    /** Why it does not count as delivered, in words of ours; null where it does. */
    error: text('error'),
    durationMs: integer('duration_ms').notNull(),
  },
  // Whoever does not know whether a line was written writes it again.
  (t) => [uniqueIndex('webhook_deliveries_attempt').on(t.outboxId, t.attempt, t.at)],
)

/** One row from the first WEBHOOK_URL on: events up to `since_id` are older and wanted by nobody. */
export const webhookStart = pgTable(
  'webhook_start',
  {
    id: integer('id').primaryKey().default(1),
    sinceId: bigint('since_id', { mode: 'number' }).notNull(),
    /** Whether the older events are all marked as given up. */
    settled: boolean('settled').notNull().default(false),
  },
  (t) => [check('webhook_start_one', sql`${t.id} = 1`)],
)
