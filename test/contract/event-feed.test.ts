import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Database, OpenDatabase } from '../../src/db/database.ts'
import { outbox } from '../../src/db/schema-events.ts'
import { createEventLog } from '../../src/events/event-log.ts'
import { createFeed, type Feed, type Reader } from '../../src/events/feed.ts'
import { createMediaRepo } from '../../src/media/repo.ts'
import { databaseKinds, openTestDatabase, openTestDatabases } from '../support/database.ts'
import { insertMedia, insertUser } from '../support/media-rows.ts'

const LONG = 30_000
const everything = () => true

async function announce(db: Database, ...names: string[]): Promise<number[]> {
  const rows = names.map((name) => ({
    event: 'upload.rejected' as const,
    subject: `upload:${name}`,
    payload: { upload: randomUUID(), reason: name },
    createdAt: new Date().toISOString(),
  }))
  return (await db.insert(outbox).values(rows).returning()).map(({ id }) => id)
}

/** Whose feed looks at the database when it is told to, and else hardly ever. */
function feedOn({ db }: OpenDatabase, lookEveryMs = LONG, troubles: unknown[] = []): Feed {
  return createFeed({
    log: createEventLog(db),
    files: createMediaRepo(db),
    onTrouble: (error) => troubles.push(error),
    lookEveryMs,
  })
}

async function idsOf(reader: Reader, count: number): Promise<number[]> {
  const ids: number[] = []
  while (ids.length < count) {
    const events = await reader.next(LONG)
    if (events === null || events.length === 0) throw new Error(`only ${ids} came`)
    ids.push(...events.map(({ id }) => id))
  }
  return ids
}

describe.each(databaseKinds)('the feed of events on %s', (kind) => {
  let database: OpenDatabase
  let feed: Feed
  beforeAll(async () => {
    database = await openTestDatabase(kind)
  })
  afterEach(() => feed.close())
  afterAll(() => database.close())

  it('gives what happens from now on, to every reader', async () => {
    feed = feedOn(database)
    await announce(database.db, 'before')
    const readers = await Promise.all([
      feed.follow(null, everything),
      feed.follow(null, everything),
    ])
    const ids = await announce(database.db, 'one', 'two')
    feed.wake()
    for (const reader of readers) expect(await idsOf(reader, 2)).toEqual(ids)
    expect(await readers[0]?.next(0)).toEqual([])
  })

  it('goes on after an event that was seen, and takes an unknown one for none', async () => {
    feed = feedOn(database)
    const [first = 0, second = 0, third = 0] = await announce(database.db, 'a', 'b', 'c')
    const reader = await feed.follow(first, everything)
    expect(await idsOf(reader, 2)).toEqual([second, third])
    expect(reader.position).toBe(third)
    const foreign = await feed.follow(third + 1_000_000, everything)
    expect(foreign.position).toBe(third)
    const [next] = await announce(database.db, 'd')
    feed.wake()
    expect(await idsOf(foreign, 1)).toEqual([next])
    expect(await idsOf(reader, 1)).toEqual([next])
  })

  it('gives to everybody what they want, with owner and record', async () => {
    feed = feedOn(database)
    const owner = await insertUser(database.db, { username: `owner-${kind}` })
    const media = await insertMedia(database.db, { userId: owner.id, name: 'a.txt' })
    const own = await feed.follow(null, ({ ownerId }) => ownerId === owner.id)
    const payload = { id: media.id, upload: media.uploadId, name: media.name }
    const row = { subject: `media:${media.id}`, payload, createdAt: media.createdAt }
    await announce(database.db, 'of somebody else')
    const created = { ...row, event: 'media.created' as const }
    const deleted = { ...row, event: 'media.deleted' as const }
    await database.db.insert(outbox).values([created, deleted])
    feed.wake()
    expect(await own.next(LONG)).toMatchObject([
      {
        event: 'media.created',
        ownerId: owner.id,
        file: { name: 'a.txt', user: { id: owner.id } },
      },
      { event: 'media.deleted', payload, file: undefined },
    ])
  })

  it('gives more than it keeps in memory to who is far behind', async () => {
    feed = feedOn(database)
    const reader = await feed.follow(null, everything)
    const names = Array.from({ length: 1_300 }, (_, at) => String(at))
    const ids = await announce(database.db, ...names)
    feed.wake()
    expect(await idsOf(reader, ids.length)).toEqual(ids)
  })

  it('does not ask while nobody listens, and begins anew with the next reader', async () => {
    feed = feedOn(database)
    const reader = await feed.follow(null, everything)
    const waiting = reader.next(LONG)
    reader.end()
    expect(await waiting).toBeNull()
    await announce(database.db, 'unheard')
    const next = await feed.follow(null, everything)
    const [heard] = await announce(database.db, 'heard')
    feed.wake()
    expect(await idsOf(next, 1)).toEqual([heard])
  })

  it('ends every reader when it is closed', async () => {
    feed = feedOn(database)
    const reader = await feed.follow(null, everything)
    const waiting = reader.next(LONG)
    feed.close()
    expect(await waiting).toBeNull()
    expect(await (await feed.follow(null, everything)).next(LONG)).toBeNull()
  })
})

describe('the feed of events beside open transactions', () => {
  let here: OpenDatabase
  let there: OpenDatabase
  let feed: Feed
  beforeAll(async () => {
    const [one, other] = await openTestDatabases('postgres', 2)
    if (one === undefined || other === undefined) throw new Error('no databases')
    here = one
    there = other
  })
  afterEach(() => feed.close())
  afterAll(async () => {
    await here.close()
    await there.close()
  })

  /** A transaction that has written an event and is not over yet. */
  async function open(name: string) {
    let end: (how: 'commit' | 'rollback') => void = () => {}
    const ended = new Promise<'commit' | 'rollback'>((resolve) => {
      end = resolve
    })
    let id = 0
    let done: Promise<unknown> = Promise.resolve()
    await new Promise<void>((written, failed) => {
      done = there.db
        .transaction(async (tx) => {
          id = (await announce(tx, name))[0] ?? 0
          written()
          if ((await ended) === 'rollback') throw new Error('rolled back')
        })
        .catch((error: Error) => {
          if (error.message !== 'rolled back') failed(error)
        })
    })
    return {
      id,
      async end(how: 'commit' | 'rollback') {
        end(how)
        await done
      },
    }
  }

  it('misses no event that is committed after one with a higher id', async () => {
    feed = feedOn(here)
    const reader = await feed.follow(null, everything)
    const late = await open('late')
    const [early = 0] = await announce(here.db, 'early')
    expect(early).toBeGreaterThan(late.id)
    feed.wake()
    expect(await reader.next(500)).toEqual([])
    await late.end('commit')
    feed.wake()
    expect(await idsOf(reader, 2)).toEqual([late.id, early])
  })

  it('misses none that was written before the first reader came and committed after', async () => {
    feed = feedOn(here)
    const late = await open('late')
    const [early = 0] = await announce(here.db, 'early')
    const reader = await feed.follow(null, everything)
    await late.end('commit')
    feed.wake()
    // What was there already is no news.
    expect(await idsOf(reader, 1)).toEqual([late.id])
    const again = await feed.follow(reader.position, everything)
    const [next = 0] = await announce(here.db, 'next')
    feed.wake()
    const ids = await idsOf(again, reader.position < early ? 2 : 1)
    expect(ids.at(-1)).toBe(next)
  })

  it('waits for no id whose transaction has failed', async () => {
    feed = feedOn(here)
    const reader = await feed.follow(null, everything)
    const failing = await open('never')
    const [early] = await announce(here.db, 'early')
    feed.wake()
    expect(await reader.next(300)).toEqual([])
    await failing.end('rollback')
    feed.wake()
    expect(await idsOf(reader, 1)).toEqual([early])
  })
})
