import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mediaFiles } from '../../src/db/schema.ts'
import { s3Objects } from '../../src/db/schema-s3.ts'
import { requireKept, requireTidy } from '../support/aftermath.ts'
import { chunk, chunkedClient, digest } from '../support/chunked.ts'
import { createImportHome } from '../support/import.ts'
import { createLedger } from '../support/ledger.ts'
import { file, form, formClient } from '../support/multipart.ts'
import { bringOne } from '../support/one-upload.ts'
import { PARTIAL, resumableClient } from '../support/resumable-http.ts'
import { createBucket, hasS3, type TestBucket } from '../support/s3.ts'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { doorNames, trafficEnv } from '../support/traffic.ts'
import { tusClient } from '../support/tus.ts'

const text = 'some text, and a little more of it'
const checkOfChunks = { md5: digest(text) }

describe.skipIf(!hasS3).each(['postgres', 'embedded'] as const)('a server on S3, %s', (kind) => {
  let bucket: TestBucket
  let proxy: S3Proxy
  let server: TestServer

  beforeAll(async () => {
    proxy = await startS3Proxy()
    bucket = await createBucket(proxy.url)
    const env = { ...trafficEnv, ...bucket.env, S3_PREFIX: 'in-here', MEDIA_DIGEST: 'sha256' }
    server = await startServer({ database: kind, env })
  })
  afterAll(async () => {
    await server.close()
    bucket.client.destroy()
    await proxy.close()
  })

  /** What the store was asked to write, without what is derived from the file. */
  const writes = () => proxy.requests.filter((name) => !/^(?:GET|HEAD) |\.json$/.test(name))

  const doors: Record<string, () => Promise<unknown>> = {
    async tus() {
      const tus = tusClient(server.url, server.admin)
      await tus.patch(await tus.begin(text.length), 0, text)
    },
    async ietf() {
      const headers = { 'Upload-Complete': '?1', 'Content-Type': PARTIAL }
      await resumableClient(server.url, server.admin).ask('POST', '/files/', {
        headers,
        body: text,
      })
    },
    async chunked() {
      const client = chunkedClient(server.url, server.admin)
      const { id } = await client.begin(Buffer.from(text), text.length)
      await client.post(id, checkOfChunks)
    },
    'chunked, whole': async () => {
      const client = chunkedClient(server.url, server.admin)
      await client.post('', { file: chunk(text), ...checkOfChunks })
    },
    async session() {
      const client = sessionClient(server.url, server.admin)
      await client.add(await client.open(), 'a.txt', text)
    },
    multipart: () => formClient(server, server.admin).post(form(file('a.txt', text))),
  }

  it('takes files of several parts through every door, and keeps nothing else', async () => {
    const ledger = createLedger(7)
    const sending = { url: server.url, authorization: server.admin, ledger, seed: 20 }
    const largest = kind === 'postgres' ? 24_000_000 : 12_000_000
    for (const door of doorNames) await bringOne({ ...sending, door, largest })
    // One part of 8 MiB holds no such file.
    expect(Math.max(...ledger.attempts.map(({ size }) => size))).toBeGreaterThan(largest / 2)
    const found = await requireKept(server.url, server.admin, ledger)
    expect(found.records).toBeGreaterThanOrEqual(doorNames.length - 1)
    await server.landfall.sweep()
    const { db } = server.database
    await requireTidy(
      db,
      (await bucket.keys()).map((key) => key.replace(/^in-here\//, '')),
    )
    expect(await bucket.openMultiparts()).toEqual([])
    expect(await db.select().from(s3Objects)).toEqual([])
  })

  it.each(Object.keys(doors))(
    'a small file through %s is one request to the store',
    async (door) => {
      proxy.reset()
      await doors[door]?.()
      expect(writes()).toEqual([expect.stringMatching(/^PUT [\w/.-]+$/)])
    },
  )

  it('takes over files that are imported, copied into the store', async () => {
    const home = await createImportHome(kind)
    const { env } = await createBucket()
    try {
      const content = { small: Buffer.from(text), large: Buffer.alloc(9_000_000, 'l') }
      for (const [name, bytes] of Object.entries(content)) await home.put(name, bytes)
      const rows = Object.keys(content).map((name) => ({
        path: name,
        name,
        created_at: '2020-01-01T00:00:00Z',
        username: '',
      }))
      const { code } = await home.run([await home.csv('files.csv', rows)], { env })
      expect(code).toBe(0)
      const found = await home.database.db.select().from(mediaFiles)
      expect(found.map(({ size }) => size).sort()).toEqual([text.length, 9_000_000].sort())
      expect(await home.database.db.select().from(s3Objects)).toEqual([])
    } finally {
      await home.remove()
    }
  })

  it('is not ready while the store does not answer', async () => {
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    proxy.next(/^HEAD $/, { answer: { status: 403, code: 'AccessDenied' } })
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
  })
})
