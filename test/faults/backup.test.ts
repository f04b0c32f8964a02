import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { compose, type Landfall } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import type { RebuildOptions } from '../../src/media/rebuild.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { backUp } from '../support/backup.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

/** docs/operations.md, "Backup" and "Restore", step by step. */
const authorization = `Token ${ADMIN_KEY}`
const bytes = randomBytes(200_000)

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'landfall-backup-'))
  undo.push(() => rm(made, { recursive: true, force: true }))
  return made
}

async function database(): Promise<string> {
  const { url, drop } = await createPostgresDatabase()
  undo.push(drop)
  return url
}

async function open(env: Record<string, string>): Promise<Landfall> {
  const config = readConfig({ PORT: '0', ADMIN_TOKEN: ADMIN_KEY, ...env })
  const landfall = await compose(config, { log: createLog({ level: 'silent' }) })
  undo.push(() => landfall.close().catch(() => {}))
  return landfall
}

async function serve(env: Record<string, string>) {
  const landfall = await open(env)
  const { url } = await landfall.listen()
  const tus = tusClient(url, authorization)
  return {
    landfall,
    url,
    tus,
    /** A finished upload; answers the path of its URL. */
    async put(name: string): Promise<string> {
      const made = await tus.begin(bytes.length, { filename: name })
      expect((await tus.patch(made, 0, bytes)).status).toBe(204)
      return new URL(made).pathname
    },
    async list() {
      const answer = await fetch(`${url}/api/media/files?ordering=name`, {
        headers: { Authorization: authorization },
      })
      return ((await answer.json()) as { results: { name: string; f: string }[] }).results
    },
    /** What is under the URL of a record, by the path that it had before. */
    async bytesOf(f: string): Promise<Buffer> {
      const answer = await fetch(url + new URL(f).pathname)
      return Buffer.from(await answer.arrayBuffer())
    },
    /** Goes on with an upload where HEAD says. */
    async goOn(at: string): Promise<number> {
      const offset = Number((await tus.head(url + at)).headers.get('upload-offset'))
      expect((await tus.patch(url + at, offset, bytes.subarray(offset))).status).toBe(204)
      return offset
    },
  }
}

async function rebuild(env: Record<string, string>) {
  const landfall = await open(env)
  const problems: Parameters<RebuildOptions['onProblem']>[] = []
  const sum = await landfall.rebuild({ onProblem: (...problem) => problems.push(problem) })
  await landfall.close()
  return { sum, problems }
}

describe('a backup of Postgres and files, taken while the server works', () => {
  it('brings back every record of it, its bytes, and uploads at an offset that is true', async () => {
    const manifests = { MEDIA_MANIFESTS: 'true' }
    const before = { DATA_DIR: await folder(), DATABASE_URL: await database(), ...manifests }
    const server = await serve(before)
    const kept = await server.put('kept')
    const removed = await server.put('removed')
    const half = new URL(await server.tus.begin(bytes.length, { filename: 'half' })).pathname
    const almost = new URL(await server.tus.begin(bytes.length, { filename: 'almost' })).pathname
    for (const at of [half, almost])
      await server.tus.patch(server.url + at, 0, bytes.subarray(0, 100_000))
    const urls = await server.list()

    // As if requests were at work on both in this moment.
    const { db, close } = await openPostgres({ url: before.DATABASE_URL, migrate: false })
    await db.execute(`update uploads set lock_owner = servers.id from servers where door = 'tus'`)
    // The database first; what happens between the two is in one of them only.
    const backup = await backUp(before.DATABASE_URL)
    await close()
    await server.tus.patch(server.url + half, 100_000, bytes.subarray(100_000, 150_000))
    await server.goOn(almost)
    await server.put('late')
    await server.tus.remove(server.url + removed)
    const after = { DATA_DIR: await folder(), DATABASE_URL: await database(), ...manifests }
    await cp(path.join(before.DATA_DIR, 'files'), path.join(after.DATA_DIR, 'files'), {
      recursive: true,
    })
    await server.landfall.close()

    await backup.restore(after.DATABASE_URL)
    const { sum, problems } = await rebuild(after)
    // Finished after the database was read, and found by their manifests.
    expect([sum.made, sum.present]).toEqual([2, 1])
    const gone = path.basename(removed)
    expect(problems).toEqual([[`${gone.slice(0, 2)}/${gone}`, 'bytes-missing']])

    const restored = await serve(after)
    const listed = await restored.list()
    expect(listed.map(({ name }) => name)).toEqual(['almost', 'kept', 'late', 'removed'])
    const { f: keptAt = '' } = urls.find(({ name }) => name === 'kept') ?? {}
    expect((await restored.bytesOf(keptAt)).equals(bytes)).toBe(true)
    expect(new URL(listed[1]?.f ?? '').pathname).toBe(new URL(keptAt).pathname)
    expect((await restored.tus.head(restored.url + kept)).status).toBe(200)
    // Fewer bytes than the client was told of later, and no byte that is not there.
    expect(await restored.goOn(half)).toBe(100_000)
    for (const { name, f } of await restored.list())
      if (name !== 'removed') expect((await restored.bytesOf(f)).equals(bytes)).toBe(true)
  })

  it('without manifests loses only what was finished after it began', async () => {
    const before = { DATA_DIR: await folder(), DATABASE_URL: await database() }
    const server = await serve(before)
    await server.put('kept')
    const half = new URL(await server.tus.begin(bytes.length, { filename: 'half' })).pathname
    await server.tus.patch(server.url + half, 0, bytes.subarray(0, 100_000))
    const backup = await backUp(before.DATABASE_URL)
    await server.goOn(half)
    const after = { DATA_DIR: await folder(), DATABASE_URL: await database() }
    await cp(path.join(before.DATA_DIR, 'files'), path.join(after.DATA_DIR, 'files'), {
      recursive: true,
    })
    await server.landfall.close()
    await backup.restore(after.DATABASE_URL)
    const restored = await serve(after)
    expect((await restored.list()).map(({ name }) => name)).toEqual(['kept'])
    expect(await restored.goOn(half)).toBe(100_000)
    for (const { f } of await restored.list())
      expect((await restored.bytesOf(f)).equals(bytes)).toBe(true)
  })
})

describe('a copy of DATA_DIR with the embedded database, taken while the server stood still', () => {
  it('is the same server again', async () => {
    const before = await folder()
    const server = await serve({ DATA_DIR: before })
    await server.put('kept')
    const half = new URL(await server.tus.begin(bytes.length, { filename: 'half' })).pathname
    await server.tus.patch(server.url + half, 0, bytes.subarray(0, 100_000))
    const [record] = await server.list()
    await server.landfall.close()
    const after = await folder()
    await cp(before, after, { recursive: true })
    const restored = await serve({ DATA_DIR: after })
    expect((await restored.bytesOf(record?.f ?? '')).equals(bytes)).toBe(true)
    expect(await restored.goOn(half)).toBe(100_000)
    expect((await restored.list()).map(({ name }) => name)).toEqual(['half', 'kept'])
  })
})
