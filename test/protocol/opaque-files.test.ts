import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { mediaFiles } from '../../src/db/schema.ts'
import { Fault } from '../../src/errors.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { chunkedClient, digest } from '../support/chunked.ts'
import { createImportHome } from '../support/import.ts'
import { mediaClient } from '../support/media-client.ts'
import { opaqueStorage } from '../support/opaque-storage.ts'
import { createHome, type Home } from '../support/process.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

const bytes = randomBytes(2_600_000)
const sha256 = (content: Uint8Array) => `sha256:${digest(content, 'sha256')}`
const env = { MEDIA_DIGEST: 'sha256' }

let server: TestServer
let disk: TestServer
let readAtFails = false

beforeAll(async () => {
  const wrapStorage = (inner: Storage): Storage => {
    const opaque = opaqueStorage(inner)
    return {
      ...opaque,
      async readAt(key, start, length) {
        if (readAtFails) throw new Fault('unavailable')
        return opaque.readAt(key, start, length)
      },
    }
  }
  server = await startServer({ env, replaced: { wrapStorage } })
  disk = await startServer()
})
afterAll(async () => {
  await server.close()
  await disk.close()
})

it('an import copies what it cannot link, with its digest', async () => {
  const home = await createImportHome('postgres')
  try {
    await home.put('a', bytes)
    const row = { path: 'a', name: 'a', created_at: '2020-01-01T00:00:00Z', username: '' }
    const csv = await home.csv('files.csv', [row])
    const how = { env, replaced: { wrapStorage: opaqueStorage } }
    const linked = await home.run([csv, '--link'], how)
    expect([linked.code === 0, linked.stderr]).toEqual([
      false,
      '--link: this storage can only copy.',
    ])
    expect((await home.run([csv], how)).code).toBe(0)
    const [found] = await home.database.db.select().from(mediaFiles)
    expect([found?.digest, found?.size]).toEqual([sha256(bytes), bytes.length])
  } finally {
    await home.remove()
  }
})

describe('a file that the inspector cannot open', () => {
  const picture = () =>
    sharp({ create: { width: 400, height: 200, channels: 3, background: '#369' } })
      .png()
      .toBuffer()

  it('has its type, its size, and a thumbnail that leaves no copy behind', async () => {
    const client = mediaClient(server, server.admin)
    const record = await client.upload('picture', await picture())
    expect(record).toMatchObject({ type: 'image', mime_type: 'image/png', width: 400, height: 200 })
    const answer = await client.call('GET', `/${record.id}/thumbnail?width=80`)
    expect(answer.status).toBe(200)
    const { format, width } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata()
    expect([format, width]).toEqual(['webp', 80])
    expect(await readdir(path.join(server.dataDir, 'tmp'))).toEqual([])
    for (const name of ['fixture.mp4', 'fixture.zip', 'fixture.docx', 'fixture.heic']) {
      const content = await readFile(new URL(`../fixtures/${name}`, import.meta.url))
      const [here, there] = await Promise.all([
        client.upload(name, content),
        mediaClient(disk, disk.admin).upload(name, content),
      ])
      for (const key of ['type', 'mime_type', 'width', 'height', 'mode'] as const)
        expect(here[key], `${name} ${key}`).toBe(there[key])
    }
  })

  it('waits for the storage where that is away, and is not refused', async () => {
    const tus = tusClient(server.url, server.admin)
    const png = await picture()
    const url = await tus.begin(png.length)
    readAtFails = true
    for (let attempt = 0; attempt < 3; attempt++)
      expect(
        (await tus.patch(url, attempt === 0 ? 0 : png.length, attempt === 0 ? png : '')).status,
      ).toBe(423)
    readAtFails = false
    const done = await tus.patch(url, png.length, '')
    const id = Number(done.headers.get('landfall-media-file'))
    const record = await mediaClient(server, server.admin).one(id)
    expect([record.type, record.width]).toEqual(['image', 400])
  })
})

describe('a digest over several lives of the server', () => {
  let home: Home
  afterEach(() => home.remove())

  it('of a chunked upload is right after a kill between its chunks', async () => {
    home = await createHome('postgres')
    const settings = { MEDIA_DIGEST: 'sha256', CHUNKED_CHECKSUM: 'sha256', OPAQUE_STORAGE: 'true' }
    const admin = `Token ${ADMIN_KEY}`
    let running = await home.start(settings)
    const size = Math.ceil(bytes.length / 4)
    const begun = await chunkedClient(running.url, admin).begin(
      bytes.subarray(0, size),
      bytes.length,
    )
    for (let at = size; at < bytes.length; at += size) {
      if (at === 2 * size) {
        running.kill('SIGKILL')
        await running.ended
        running = await home.start(settings)
      }
      const part = bytes.subarray(at, at + size)
      const range = `bytes ${at}-${at + part.length - 1}/${bytes.length}`
      const answer = await chunkedClient(running.url, admin).put(begun.id, range, { file: part })
      expect(answer.status).toBe(200)
    }
    const client = chunkedClient(running.url, admin)
    expect((await client.post(begun.id, { sha256: digest(bytes, 'sha256') })).status).toBe(200)
    const { media_file } = await client.show(begun.id)
    const found = await fetch(`${running.url}/api/media/files/${media_file}`, {
      headers: { Authorization: admin },
    })
    expect(((await found.json()) as MediaRecord).digest).toBe(sha256(bytes))
  })
})
