import { asc, eq, sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { outbox as table, webhookDeliveries, webhookStart } from '../../src/db/schema-events.ts'
import { type Attempted, createOutbox } from '../../src/events/outbox.ts'
import { databaseKinds, openTestDatabase } from '../support/database.ts'

let database: OpenDatabase

/** Writes events of these subjects and gives their ids. */
async function announce(...subjects: string[]): Promise<number[]> {
  const createdAt = '2026-03-04T05:06:07.123456Z'
  const rows = subjects.map((subject) => ({
    event: 'media.deleted' as const,
    subject,
    payload: { id: 1, upload: '00000000-0000-4000-8000-000000000000', name: subject },
    createdAt,
  }))
  return (await database.db.insert(table).values(rows).returning()).map(({ id }) => id)
}

const state = async (id: number) => {
  const [row] = await database.db.select().from(table).where(eq(table.id, id))
  return row
}

/** As if so much time had gone by for the events that wait. */
async function pass(milliseconds: number): Promise<void> {
  await database.db.update(table).set({ dueAt: sql`due_at - ${milliseconds} * interval '1 ms'` })
}

const failed: Attempted = {
  at: new Date(),
  status: 500,
  error: 'answered 500',
  durationMs: 12,
  next: { afterMs: 300_000 },
}
const delivered: Attempted = { ...failed, status: 204, error: null, next: 'delivered' }

describe.each(databaseKinds)('the outbox on %s', (kind) => {
  beforeAll(async () => {
    database = await openTestDatabase(kind)
  })
  afterEach(async () => {
    await database.db.delete(table)
    await database.db.delete(webhookStart)
  })
  afterAll(() => database.close())

  it('gives an event to one taker, with what it says and an id of its own', async () => {
    const outbox = createOutbox(database.db)
    const [id, other] = await announce('media:1', 'media:2')
    const taken = await outbox.claim(8)
    expect(taken.map((event) => event.id)).toEqual([id, other])
    expect(taken[0]).toMatchObject({
      event: 'media.deleted',
      payload: { id: 1, name: 'media:1' },
      createdAt: expect.stringMatching(/^2026-03-04 05:06:07.123456\+00/),
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      attempt: 1,
    })
    expect(taken[0]?.messageId).not.toBe(taken[1]?.messageId)
    expect(await outbox.claim(8)).toEqual([])
  })

  it('gives no more than was asked for', async () => {
    const outbox = createOutbox(database.db)
    await announce('media:1', 'media:2', 'media:3')
    expect(await outbox.claim(2)).toHaveLength(2)
    expect(await outbox.claim(2)).toHaveLength(1)
  })

  it('keeps the order of a subject: the next one comes when the one before is through', async () => {
    const outbox = createOutbox(database.db)
    const [first, second, third] = await announce('media:1', 'media:1', 'media:1')
    for (const [id, next] of [
      [first, 'delivered'],
      [second, 'given-up'],
      [third, 'delivered'],
    ] as const) {
      const [taken, ...more] = await outbox.claim(8)
      expect([taken?.id, more]).toEqual([id, []])
      if (taken) await outbox.record(taken, { ...failed, next: { afterMs: 1000 } })
      expect(await outbox.claim(8)).toEqual([])
      await pass(1000)
      const [again] = await outbox.claim(8)
      expect(again?.id).toBe(id)
      if (again) await outbox.record(again, { ...failed, next })
    }
    expect(await outbox.claim(8)).toEqual([])
  })

  it('gives an event again when its taker was not heard of, by the same id', async () => {
    const outbox = createOutbox(database.db)
    await announce('media:1')
    const [taken] = await outbox.claim(8)
    await pass(59_000)
    expect(await outbox.claim(8)).toEqual([])
    await pass(1000)
    const [again] = await outbox.claim(8)
    expect(again).toMatchObject({ messageId: taken?.messageId, attempt: 2 })
  })

  it('takes no outcome from a taker that was too slow, but notes its try', async () => {
    const outbox = createOutbox(database.db)
    const [id = 0] = await announce('media:1')
    const [slow] = await outbox.claim(8)
    await pass(60_000)
    const [quick] = await outbox.claim(8)
    if (slow) await outbox.record(slow, { ...failed, next: 'given-up' })
    if (slow) await outbox.release(slow)
    expect(await state(id)).toMatchObject({ givenUpAt: null, attempts: 2 })
    if (quick) await outbox.record(quick, delivered)
    expect((await state(id))?.deliveredAt).not.toBeNull()
    const log = await database.db
      .select()
      .from(webhookDeliveries)
      .orderBy(asc(webhookDeliveries.id))
    expect(log).toMatchObject([
      { outboxId: id, attempt: 1, status: 500, error: 'answered 500', durationMs: 12 },
      { outboxId: id, attempt: 2, status: 204, error: null },
    ])
  })

  it('writes a try once, however often that is said', async () => {
    const outbox = createOutbox(database.db)
    await announce('media:1')
    const [taken] = await outbox.claim(8)
    if (taken) await outbox.record(taken, failed)
    if (taken) await outbox.record(taken, failed)
    expect(await database.db.$count(webhookDeliveries)).toBe(1)
  })

  it('makes what failed due after its pause', async () => {
    const outbox = createOutbox(database.db)
    await announce('media:1')
    const [taken] = await outbox.claim(8)
    if (taken) await outbox.record(taken, failed)
    await pass(290_000)
    expect(await outbox.claim(8)).toEqual([])
    await pass(10_000)
    expect(await outbox.claim(8)).toMatchObject([{ attempt: 2 }])
  })

  it('takes back what was not tried, as if it had not been taken', async () => {
    const outbox = createOutbox(database.db)
    await announce('media:1')
    const [taken] = await outbox.claim(8)
    if (taken) await outbox.release(taken)
    expect(await outbox.claim(8)).toMatchObject([{ id: taken?.id, attempt: 1 }])
  })

  it('sends an event again with all its tries before it', async () => {
    const outbox = createOutbox(database.db)
    const [id = 0] = await announce('media:1')
    const [taken] = await outbox.claim(8)
    if (taken) await outbox.record(taken, delivered)
    expect(await outbox.sendAgain(id)).toMatchObject({ id, attempts: 0, deliveredAt: null })
    expect(await outbox.claim(8)).toMatchObject([{ messageId: taken?.messageId, attempt: 1 }])
    expect(await outbox.sendAgain(id + 1)).toBeUndefined()
  })

  it('leaves alone what happened before the first begin, and nothing that came later', async () => {
    const outbox = createOutbox(database.db)
    const [old = 0] = await announce('media:1', 'media:2')
    await outbox.begin()
    const [fresh] = await announce('media:3')
    expect(await state(old)).toMatchObject({ attempts: 0, givenUpAt: expect.any(String) })
    // A start after one without a WEBHOOK_URL.
    await outbox.begin()
    expect(await outbox.claim(8)).toMatchObject([{ id: fresh }])
    // An admin may want an old one all the same, and a start does not take it away.
    await outbox.sendAgain(old)
    await outbox.begin()
    expect(await outbox.claim(8)).toMatchObject([{ id: old }])
  })

  it('goes on with a first begin that was cut off', async () => {
    const outbox = createOutbox(database.db)
    const [old = 0] = await announce('media:1')
    await database.db.execute(sql`insert into webhook_start (since_id) values (${old})`)
    const [fresh] = await announce('media:2')
    await outbox.begin()
    expect(await outbox.claim(8)).toMatchObject([{ id: fresh }])
  })

  it('tells how long the oldest event waits', async () => {
    const outbox = createOutbox(database.db)
    expect(await outbox.pendingSeconds()).toBe(0)
    const [id = 0] = await announce('media:1')
    await database.db
      .update(table)
      .set({ createdAt: sql`now() - interval '90 s'` })
      .where(eq(table.id, id))
    expect(await outbox.pendingSeconds()).toBeGreaterThanOrEqual(90)
    expect(await outbox.pendingSeconds()).toBeLessThan(120)
    const [taken] = await outbox.claim(8)
    if (taken) await outbox.record(taken, delivered)
    expect(await outbox.pendingSeconds()).toBe(0)
  })
})

describe('the outbox between servers', () => {
  it('gives each event to one of those who ask in the same moment', async () => {
    database = await openTestDatabase('postgres')
    const outbox = createOutbox(database.db)
    const subjects = Array.from({ length: 60 }, (_, at) => `media:${at % 40}`)
    const ids = await announce(...subjects)
    const rounds = await Promise.all(Array.from({ length: 10 }, () => outbox.claim(8)))
    const taken = rounds.flat().map(({ id }) => id)
    // The first 40 are of 40 subjects, the others wait for them.
    expect(taken.toSorted((a, b) => a - b)).toEqual(ids.slice(0, 40))
    await database.close()
  })
})
