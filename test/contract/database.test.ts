import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OpenDatabase, rows } from '../../src/db/database.ts'
import { isUniqueViolation } from '../../src/db/retry.ts'
import { users } from '../../src/db/schema.ts'
import { databaseKinds, openTestDatabase } from '../support/database.ts'

describe.each(databaseKinds)('the %s database', (kind) => {
  let open: OpenDatabase
  beforeAll(async () => {
    open = await openTestDatabase(kind)
  })
  afterAll(() => open.close())

  it('keeps microseconds and reads times back in UTC', async () => {
    const createdAt = '2026-03-04T05:06:07.123456Z'
    const [user] = await open.db
      .insert(users)
      .values({ username: 'micro', role: 'user', createdAt })
      .returning()
    expect(user?.createdAt).toBe('2026-03-04 05:06:07.123456+00')
  })

  it('gives rows of a hand-written statement in one shape', async () => {
    expect(await rows(open.db, sql`select 1 as one union all select 2`)).toEqual([
      { one: 1 },
      { one: 2 },
    ])
  })

  it('tells a unique violation from other errors', async () => {
    const row = { username: 'twice', role: 'user' as const, createdAt: '2026-01-01T00:00:00Z' }
    await open.db.insert(users).values(row)
    const again = await open.db
      .insert(users)
      .values(row)
      .catch((error: unknown) => error)
    expect(isUniqueViolation(again)).toBe(true)
    const wrong = await open.db.execute(sql`select 1/0`).catch((error: unknown) => error)
    expect(isUniqueViolation(wrong)).toBe(false)
  })

  it('undoes a transaction that throws', async () => {
    const row = { username: 'undone', role: 'user' as const, createdAt: '2026-01-01T00:00:00Z' }
    await expect(
      open.db.transaction(async (tx) => {
        await tx.insert(users).values(row)
        throw new Error('stop')
      }),
    ).rejects.toThrow('stop')
    expect(await rows(open.db, sql`select id from users where username = 'undone'`)).toEqual([])
  })
})
