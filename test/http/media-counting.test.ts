import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { rows } from '../../src/db/database.ts'
import { mediaChanges, mediaCounts } from '../../src/db/schema-counts.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { insertManyMedia } from '../support/many-media.ts'
import { insertMedia } from '../support/media-rows.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer | undefined
afterEach(() => server?.close())

describe('a server', () => {
  it('adds up what changed in the library, and its listings count the same', async () => {
    server = await startServer({ replicas: 1 })
    const { database, url, admin } = server
    const count = async () => {
      const answer = await fetch(`${url}/api/media/files`, { headers: { Authorization: admin } })
      return ((await answer.json()) as { count: number }).count
    }
    for (let n = 0; n < 3; n++) await insertMedia(database.db)
    expect(await count()).toBe(3)
    await vi.waitFor(
      async () => {
        expect(await database.db.$count(mediaChanges)).toBe(0)
        expect(await database.db.$count(mediaCounts)).toBeGreaterThan(0)
      },
      { timeout: 30_000, interval: 100 },
    )
    expect(await count()).toBe(3)
  })

  it('with the embedded database leaves no room behind for what it has added up', async () => {
    server = await startServer({ database: 'embedded' })
    const { db } = server.database
    for (const statement of insertManyMedia({ total: 11_000, users: 20 }))
      await db.execute(statement)
    const bytes = async () => {
      const [found] = await rows<{ bytes: number }>(
        db,
        sql`select pg_relation_size('media_changes')::int as bytes`,
      )
      return found?.bytes
    }
    expect(await bytes()).toBeGreaterThan(0)
    await vi.waitFor(async () => expect(await bytes()).toBe(0), { timeout: 30_000, interval: 200 })
  })
})

describe('a server on a Postgres without the index for searches', () => {
  const warned = (each: TestServer) =>
    each.logged.filter(({ msg }) => String(msg).includes('no index for searches'))

  it('says so once at its start', async () => {
    server = await startServer({ replicas: 1 })
    expect(warned(server)).toEqual([])
    const { db } = server.database
    await db.execute(sql`drop index media_files_search`)
    const landfall = await compose(readConfig({ DATA_DIR: server.dataDir, PORT: '0' }), {
      database: { ...server.database, close: async () => {} },
      log: createLog({ destination: { write: (line) => server?.logged.push(JSON.parse(line)) } }),
    })
    await landfall.listen()
    await landfall.close()
    expect(warned(server)).toMatchObject([{ level: 'warn' }])
  })
})
