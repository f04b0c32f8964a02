import { eq, sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Database, type OpenDatabase, rows } from '../../src/db/database.ts'
import { mediaFiles, users } from '../../src/db/schema.ts'
import { mediaChanges, mediaCounts } from '../../src/db/schema-counts.ts'
import { where } from '../../src/media/conditions.ts'
import { addUpChanges, countFiles, countOf } from '../../src/media/counts.ts'
import { type Condition, parseMediaQuery } from '../../src/media/filters.ts'
import { groupedIds } from '../../src/media/groups.ts'
import { orderBy, sortKeys } from '../../src/media/ordering.ts'
import { createMediaRepo } from '../../src/media/repo.ts'
import { databaseKinds, openTestDatabase, openTestDatabases } from '../support/database.ts'
import { insertManyMedia } from '../support/many-media.ts'
import { insertMedia } from '../support/media-rows.ts'

const parse = (query: string) => parseMediaQuery(new URLSearchParams(query))

/** Both counts by one statement, and so of the same moment. */
async function compare(db: Database, conditions: Condition[]) {
  const [row] = await rows<{ counted: number; there: number }>(
    db,
    sql`select ${countOf(conditions)}::int as counted,
      (select count(*)::int from ${mediaFiles} where ${where(conditions) ?? sql`true`}) as there`,
  )
  if (row === undefined) throw new Error('no counts')
  return row
}

async function fill(db: Database, total: number): Promise<void> {
  for (const statement of insertManyMedia({ total, users: 20 })) await db.execute(statement)
}

/** Values at and around the edges of buckets, and those that files have. */
const integer = fc.oneof(
  fc.constantFrom(-1, 0, 1, 99, 100, 101, 320, 999, 1000, 1001, 1919, 1920, 9999, 10_000, 100_999),
  fc.integer({ min: 0, max: 2000 }),
  fc.integer({ min: 0, max: 3_000_000 }),
  fc.constantFrom(
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775809',
    '9'.repeat(30),
  ),
)
const day = fc.date({
  min: new Date('2022-12-30'),
  max: new Date('2026-01-02'),
  noInvalidDate: true,
})
const time = fc.oneof(
  day.map((date) => date.toISOString().slice(0, 10)),
  day.map((date) => date.toISOString()),
  day.map((date) => `${date.toISOString().slice(0, 13)}:00:00Z`),
  fc.constantFrom(
    '0001-01-01',
    '9999-12-31',
    '9999-12-31T23:59:59.999999Z',
    '2024-05-06T07:59:59.999999Z',
  ),
)
const integers = ['size', 'width', 'height', 'id'].flatMap((name) => [`${name}_min`, `${name}_max`])
const times = ['created_from', 'created_to', 'updated_from', 'updated_to']
const filter = fc.oneof(
  fc.tuple(fc.constantFrom(...integers, 'user_id'), integer),
  fc.tuple(fc.constantFrom(...times), time),
  fc.tuple(
    fc.constantFrom('created_date', 'updated_date'),
    day.map((date) => date.toISOString().slice(0, 10)),
  ),
  fc.tuple(fc.constant('type'), fc.constantFrom('image', 'pdf,video', 'audio', 'other,image')),
)
const query = fc
  .array(filter, { minLength: 1, maxLength: 2 })
  .map((pairs) => pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&'))

describe.each(databaseKinds)('the counts of media files on the %s database', (kind) => {
  let open: OpenDatabase
  let db: Database
  beforeAll(async () => {
    open = await openTestDatabase(kind)
    db = open.db
    await fill(db, 700)
    // Some of it is added up, some changed after that, some only noted.
    await addUpChanges(db, 300)
    await db
      .update(mediaFiles)
      .set({ size: 1920, updatedAt: '2025-12-31T23:59:59.999999Z' })
      .where(sql`id % 10 = 3`)
    await db
      .update(mediaFiles)
      .set({ type: 'other', width: null, userId: null })
      .where(sql`id % 10 = 4`)
    await db.delete(mediaFiles).where(sql`id % 10 = 5`)
  })
  afterAll(() => open.close())

  it('are those of the table, whatever is asked for', async () => {
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const { counted, there } = await compare(db, parse(asked).conditions)
        expect(counted, asked).toBe(there)
      }),
      { numRuns: 150 },
    )
  })

  it('know a time after which none of the files was created', async () => {
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const { conditions } = parse(asked)
        const { count, newest } = await countFiles(db, conditions)
        if (count === 0 || newest === null) return
        const [later] = await rows(
          db,
          sql`select id from ${mediaFiles} where ${where(conditions)}
            and created_at > ${newest}::timestamptz limit 1`,
        )
        expect(later, asked).toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })

  it('find the same pages as sorting everything does', async () => {
    const repo = createMediaRepo(db)
    const pages = fc.record({
      by: fc.constantFrom(...sortKeys),
      sign: fc.constantFrom('', '-'),
      limit: fc.integer({ min: 1, max: 40 }),
      offset: fc.integer({ min: 0, max: 700 }),
      filtered: fc.option(query, { nil: '', freq: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(pages, async ({ by, sign, limit, offset, filtered }) => {
        const asked = `ordering=${sign}${by}&limit=${limit}&offset=${offset}&${filtered}`
        const { conditions, ordering } = parse(asked)
        const sorted = await db
          .select({ id: mediaFiles.id })
          .from(mediaFiles)
          .leftJoin(users, eq(users.id, mediaFiles.userId))
          .where(where(conditions))
          .orderBy(...orderBy(ordering))
          .limit(limit)
          .offset(offset)
        const { rows: page } = await repo.list(parse(asked))
        expect(
          page.map(({ id }) => id),
          asked,
        ).toEqual(sorted.map(({ id }) => id))
      }),
      { numRuns: 150 },
    )
  })

  it('take nothing twice and forget nothing when they are added up', async () => {
    const before = await compare(db, [])
    expect(await addUpChanges(db, 7)).toBeGreaterThan(0)
    expect(await db.$count(mediaChanges)).toBe(0)
    expect(await compare(db, [])).toEqual(before)
    expect(before.counted).toBe(before.there)
    expect(await addUpChanges(db)).toBe(0)
  })

  it('find the files of users alike by user and through the list', async () => {
    for (const by of sortKeys.filter((name) => name.startsWith('user__'))) {
      for (const offset of [0, 30, 300, 600]) {
        const [order] = parse(`ordering=-${by}`).ordering
        if (order === undefined) throw new Error('no order')
        const find = async (many: number) => {
          const page = groupedIds(order, { offset, limit: 40 }, { many })
          return (await rows<{ id: string }>(db, page ?? sql``)).map(({ id }) => Number(id)).sort()
        }
        expect(await find(0), `${by} from ${offset}`).toEqual(await find(1_000_000))
      }
    }
  })

  it('find the first pages by user without counts as with them', async () => {
    for (const ordering of ['user__id', '-user__id']) {
      for (const offset of [0, 30, 300, 600]) {
        const [order] = parse(`ordering=${ordering}`).ordering
        if (order === undefined) throw new Error('no order')
        const find = async (first: number) => {
          const page = groupedIds(order, { offset, limit: 40 }, { first })
          return (await rows<{ id: string }>(db, page ?? sql``)).map(({ id }) => Number(id)).sort()
        }
        expect(await find(0), `${ordering} from ${offset}`).toEqual(await find(1_000_000))
      }
    }
  })

  it('see what is written by whoever has another search path, as a restore has', async () => {
    const before = await compare(db, [])
    await db.transaction(async (tx) => {
      await tx.execute(sql`set local search_path = ''`)
      await tx.execute(sql`update public.media_files set size = size + 1
        where id = (select min(id) from public.media_files)`)
    })
    expect(await compare(db, [])).toEqual(before)
    const [row] = await rows<{ changes: number }>(
      db,
      sql`select count(*)::int as changes from media_changes where sign = 1`,
    )
    expect(row?.changes).toBeGreaterThan(0)
  })

  // The last one: it leaves nothing to the others.
  it('are empty with the table', async () => {
    await insertMedia(db)
    await db.execute('truncate media_files')
    expect(await compare(db, [])).toEqual({ counted: 0, there: 0 })
    expect(await db.$count(mediaCounts)).toBe(0)
  })
})

describe('a page behind the middle', () => {
  it('is one of the moment in which it was counted, whatever is added meanwhile', async () => {
    const [reader, writer] = await openTestDatabases('postgres', 2)
    if (!reader || !writer) throw new Error('two servers')
    try {
      for (let n = 0; n < 30; n++) await insertMedia(writer.db)
      let files = 0
      /** After the count and before the page, a file comes. */
      const between = (db: Database): Database =>
        new Proxy(db, {
          get(target, name) {
            const value = Reflect.get(target, name)
            if (typeof value !== 'function') return value
            if (name === 'transaction')
              return (work: (tx: Database) => unknown, how: object) =>
                target.transaction((tx) => work(between(tx)) as Promise<unknown>, how)
            return (...args: unknown[]) => {
              const result = value.apply(target, args)
              if (name !== 'execute') return result
              return result.then(async (counted: unknown) => {
                if (files++ === 0) await insertMedia(writer.db)
                return counted
              })
            }
          },
        })
      const list = async (query: string) => {
        const { rows: found } = await createMediaRepo(between(reader.db)).list(parse(query))
        return found.map(({ id }) => id)
      }
      const page = await list('ordering=id&limit=5&offset=20')
      const all = await list('ordering=id&limit=100')
      expect(page).toEqual(all.slice(20, 25))
      expect(all).toHaveLength(31)
    } finally {
      await reader.close()
      await writer.close()
    }
  })
})

describe('while servers write and add up at the same time', () => {
  let servers: OpenDatabase[] = []
  afterEach(async () => {
    for (const server of servers) await server.close()
  })

  it('every look at the counts sees what the table has in that moment', async () => {
    servers = await openTestDatabases('postgres', 3)
    const [first, second, third] = servers
    if (!first || !second || !third) throw new Error('three servers')
    let writing = true
    const write = async ({ db }: OpenDatabase, size: number) => {
      for (let n = 0; n < 60; n++) {
        const { id } = await insertMedia(db, { size: size + n, type: n % 2 ? 'image' : 'pdf' })
        if (n % 3 === 0) await db.delete(mediaFiles).where(eq(mediaFiles.id, id))
        if (n % 5 === 0) await db.update(mediaFiles).set({ size }).where(eq(mediaFiles.id, id))
      }
    }
    const repeat = async (work: () => Promise<unknown>) => {
      do await work()
      while (writing)
    }
    const look = async (db: Database, asked: string) => {
      const { counted, there } = await compare(db, parse(asked).conditions)
      expect(counted, asked).toBe(there)
    }
    const others = [
      repeat(() => addUpChanges(first.db, 5)),
      repeat(() => addUpChanges(second.db, 50)),
      repeat(() => look(third.db, '')),
      repeat(() => look(third.db, 'type=image')),
      repeat(() => look(second.db, 'size_min=1010&size_max=20001')),
    ]
    await Promise.all([
      write(first, 1000),
      write(first, 20_000),
      write(second, 1),
      write(third, 1000),
    ])
    writing = false
    await Promise.all(others)
    await addUpChanges(first.db)
    await look(first.db, '')
    expect(await first.db.$count(mediaChanges)).toBe(0)
    // Four writers, each of which removed every third of its sixty files.
    expect((await countFiles(first.db, [])).count).toBe(4 * 40)
  })
})
