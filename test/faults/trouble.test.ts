import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../../src/db/postgres.ts'
import { Fault } from '../../src/errors.ts'
import type { Appender, Storage } from '../../src/storage/storage.ts'
import type { Step } from '../../src/uploads/core.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { startProxy } from '../support/proxy.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

let server: TestServer
let after: (() => Promise<void>)[] = []
afterEach(async () => {
  await server.close()
  for (const undo of after) await undo()
  after = []
})

/** Operations of the disk that fail from now on, with this reason. */
interface DiskTrouble {
  create?: Fault
  write?: Fault
  sync?: Fault
  remove?: Fault
}

function troubled(trouble: DiskTrouble) {
  const failing = (fault: Fault | undefined) => {
    if (fault) throw fault
  }
  return (storage: Storage): Storage => ({
    ...storage,
    async create(key) {
      failing(trouble.create)
      await storage.create(key)
    },
    async remove(key) {
      failing(trouble.remove)
      await storage.remove(key)
    },
    async append(key, offset) {
      const appender = await storage.append(key, offset)
      return {
        ...appender,
        async write(buffers) {
          failing(trouble.write)
          await appender.write(buffers)
        },
        async sync() {
          failing(trouble.sync)
          await appender.sync()
        },
      } satisfies Appender
    },
  })
}

async function startTroubled(trouble: DiskTrouble) {
  server = await startServer({ replaced: { wrapStorage: troubled(trouble) } })
  const user = await server.accounts.add('user')
  return tusClient(server.url, user.authorization)
}

async function files(): Promise<string[]> {
  const entries = await readdir(path.join(server.dataDir, 'files'), {
    recursive: true,
    withFileTypes: true,
  })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

async function records(): Promise<number> {
  const answer = await fetch(`${server.url}/api/media/files`, {
    headers: { Authorization: server.admin },
  })
  return ((await answer.json()) as { count: number }).count
}

describe('a disk in trouble', () => {
  it('that is full answers 507 with an honest offset, and the upload goes on later', async () => {
    const trouble: DiskTrouble = {}
    const tus = await startTroubled(trouble)
    const url = await tus.begin(10)
    await tus.patch(url, 0, 'abc')
    trouble.write = new Fault('storage-full')
    const full = await tus.patch(url, 3, 'defghij')
    expect(full.status).toBe(507)
    expect(full.headers.get('upload-offset')).toBe('3')
    delete trouble.write
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('3')
    const done = await tus.patch(url, 3, 'defghij')
    expect(await (await fetch(done.headers.get('landfall-media-url') ?? '')).text()).toBe(
      'abcdefghij',
    )
  })

  it('that cannot sync answers 503, and what it covered is not counted', async () => {
    const trouble: DiskTrouble = {}
    const tus = await startTroubled(trouble)
    const url = await tus.begin(10)
    await tus.patch(url, 0, 'abc')
    trouble.sync = new Fault('unavailable')
    const failed = await tus.patch(url, 3, 'defghij')
    expect(failed.status).toBe(503)
    expect(failed.headers.get('upload-offset')).toBe('3')
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('3')
    expect(await records()).toBe(0)
    delete trouble.sync
    expect((await tus.patch(url, 3, 'defghij')).status).toBe(204)
    expect(await records()).toBe(1)
  })

  it('that cannot create answers 503 and leaves no row, no file and no quota taken', async () => {
    const trouble: DiskTrouble = { create: new Fault('unavailable') }
    const tus = await startTroubled(trouble)
    expect((await tus.create({ 'Upload-Length': '5' })).status).toBe(503)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(/^landfall_open_uploads 0$/m)
    expect(await files()).toEqual([])
    delete trouble.create
    expect((await tus.create({ 'Upload-Length': '5' })).status).toBe(201)
  })

  it('that cannot remove does not fail a DELETE; the sweep removes later', async () => {
    const trouble: DiskTrouble = {}
    const tus = await startTroubled(trouble)
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'hello')
    trouble.remove = new Fault('unavailable')
    expect((await tus.remove(url)).status).toBe(204)
    expect(await files()).toHaveLength(1)
    expect((await server.landfall.sweep()).unlinked).toBe(0)
    delete trouble.remove
    expect((await server.landfall.sweep()).unlinked).toBe(1)
    expect(await files()).toEqual([])
  })
})

describe('a database that goes away', () => {
  /** A server whose way to Postgres leads through a proxy, and what to do at its steps. */
  async function startBehindProxy(at: (step: Step) => void) {
    const { url, drop } = await createPostgresDatabase()
    const proxy = await startProxy()
    proxy.pointTo(url)
    const through = new URL(url)
    through.host = new URL(proxy.url).host
    const database = await openPostgres({ url: through.href, migrate: false })
    after.push(proxy.close, drop)
    server = await startServer({ replaced: { database, at } })
    const user = await server.accounts.add('user')
    return { proxy, tus: tusClient(server.url, user.authorization) }
  }

  it('during promotion: 423 until it is back, then one record and all tries left', async () => {
    let onComplete = () => {}
    const { proxy, tus } = await startBehindProxy((step) => {
      if (step === 'complete') onComplete()
    })
    onComplete = () => proxy.down()
    const url = await tus.begin(5)
    expect((await tus.patch(url, 0, 'hello')).status).toBe(423)
    expect((await tus.head(url)).status).toBe(423)
    expect((await tus.head(url)).status).toBe(423)
    expect((await tus.patch(url, 5, '')).status).toBe(503)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    proxy.up()
    await expect.poll(async () => (await tus.head(url)).status, { timeout: 10_000 }).toBe(200)
    const head = await tus.head(url)
    expect(head.headers.get('upload-offset')).toBe('5')
    expect(head.headers.get('landfall-media-file')).not.toBeNull()
    expect(await records()).toBe(1)
  })

  it('before the offset is recorded: an honest error, and the upload goes on', async () => {
    let onSynced = () => {}
    const { proxy, tus } = await startBehindProxy((step) => {
      if (step === 'bytes-synced') onSynced()
    })
    const url = await tus.begin(10)
    onSynced = () => proxy.down()
    const failed = await tus.patch(url, 0, 'abc')
    expect(failed.status).toBe(503)
    expect(await failed.text()).not.toMatch(/ECONN|update|select|127\.0\.0\.1/i)
    onSynced = () => {}
    proxy.up()
    await expect.poll(async () => (await tus.head(url)).status, { timeout: 10_000 }).toBe(200)
    const offset = Number((await tus.head(url)).headers.get('upload-offset'))
    expect((await tus.patch(url, offset, 'abcdefghij'.slice(offset))).status).toBe(204)
    expect(await records()).toBe(1)
  })
})
