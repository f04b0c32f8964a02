import { createHash, randomBytes } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { uploads } from '../../src/db/schema.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { createHasher } from '../../src/streams/digest-algorithms.ts'
import { chunkedClient, digest } from '../support/chunked.ts'
import { mediaClient } from '../support/media-client.ts'
import { opaqueStorage } from '../support/opaque-storage.ts'
import { openRaw } from '../support/raw.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { serversOnS3 } from '../support/s3.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { BODY_TYPE, tusClient } from '../support/tus.ts'

const bytes = randomBytes(2_600_000)
const half = 1_234_567
const sha256 = (content: Uint8Array) => `sha256:${digest(content, 'sha256')}`
const field = (content: Uint8Array, algorithm: 'sha256' | 'sha512') =>
  `${algorithm.replace('sha', 'sha-')}=:${createHash(algorithm).update(content).digest('base64')}:`

let server: TestServer
/** From where on objects were streamed from the storage since the test began. */
let streamed: (number | undefined)[] = []

function wrapStorage(disk: Storage): Storage {
  const opaque = opaqueStorage(disk)
  return {
    ...opaque,
    read(key, range) {
      streamed.push(range?.start)
      return opaque.read(key, range)
    },
  }
}

const env = { MEDIA_DIGEST: 'sha256', CHUNKED_CHECKSUM: 'md5' }

beforeAll(async () => {
  server = await startServer({ env, replaced: { wrapStorage } })
})
beforeEach(() => {
  streamed = []
})
afterAll(() => server.close())

async function recordOf(answer: Response): Promise<MediaRecord> {
  const id = answer.headers.get('landfall-media-file')
  expect(id, `${answer.status} ${await answer.clone().text()}`).not.toBeNull()
  return mediaClient(server, server.admin).one(Number(id))
}

const idOf = (url: string) => url.replace(/\/$/, '').split('/').at(-1) ?? ''

async function getState(url: string): Promise<unknown> {
  const found = eq(uploads.id, idOf(url))
  return (await server.database.db.select().from(uploads).where(found))[0]?.digestState
}

async function setState(url: string, state: unknown): Promise<void> {
  const id = idOf(url)
  await server.database.db.execute(
    sql`update uploads set digest_state = ${JSON.stringify(state)}::jsonb where id = ${id}::uuid`,
  )
}

describe('a body with a checksum, of an object that cannot be read', () => {
  const algorithms = ['md5', 'sha1', 'sha256', 'sha512', 'crc32', 'crc32c']
  const checksum = (algorithm: string, content: Uint8Array) => {
    const hasher = createHasher(algorithm)
    hasher.update(content)
    return `${algorithm} ${Buffer.from(hasher.digest(), 'hex').toString('base64')}`
  }

  async function patchWithTrailer(url: string, offset: number, body: Buffer, sum: string) {
    const raw = await openRaw(server.url)
    raw.send(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${server.admin}`,
        'Tus-Resumable: 1.0.0',
        `Content-Type: ${BODY_TYPE}`,
        `Upload-Offset: ${offset}`,
        'Transfer-Encoding: chunked',
        'Trailer: Upload-Checksum',
        '',
        `${body.length.toString(16)}\r\n`,
      ].join('\r\n'),
    )
    raw.send(body)
    raw.send(`\r\n0\r\nUpload-Checksum: ${sum}\r\n\r\n`)
    const answer = await raw.answer()
    raw.socket.destroy()
    return answer.status
  }

  it.each(algorithms)('is verified by its header and by its trailer: %s', async (name) => {
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(bytes.length)
    const [first, second] = [bytes.subarray(0, half), bytes.subarray(half)]
    const patch = async (offset: number, body: Buffer, sum: string) =>
      (await tus.patch(url, offset, body, { 'Upload-Checksum': sum })).status
    expect(await patch(0, first, checksum(name, second))).toBe(460)
    expect(await patch(0, first, checksum(name, first))).toBe(204)
    expect(await patchWithTrailer(url, half, second, checksum(name, first))).toBe(460)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe(String(half))
    expect(await patchWithTrailer(url, half, second, checksum(name, second))).toBe(204)
    expect((await recordOf(await tus.patch(url, bytes.length, ''))).digest).toBe(sha256(bytes))
    expect(streamed).toEqual([])
  })
})

describe('the digest of a file that cannot be read before it is finished', () => {
  it('runs along with the requests that bring it, and nothing is read for it', async () => {
    const tus = tusClient(server.url, server.admin)
    const md5 = digest(bytes)
    const url = await tus.begin(bytes.length, { md5 })
    await tus.patch(url, 0, bytes.subarray(0, 1))
    await tus.patch(url, 1, bytes.subarray(1, half))
    await tus.patch(url, half, '')
    const done = await tus.patch(url, half, bytes.subarray(half))
    expect((await recordOf(done)).digest).toBe(sha256(bytes))
    const wrong = await tus.begin(bytes.length, { md5: '0'.repeat(32) })
    expect((await tus.patch(wrong, 0, bytes)).status).toBe(460)
    const head = { 'Upload-Length': '5', 'Content-Type': BODY_TYPE }
    expect((await recordOf(await tus.create(head, 'hello'))).digest).toBe(
      sha256(Buffer.from('hello')),
    )
    const empty = await tus.create({ 'Upload-Length': '0' })
    expect((await recordOf(empty)).digest).toBe(sha256(Buffer.alloc(0)))
    const form = await mediaClient(server, server.admin).upload('form.bin', bytes)
    expect(form.digest).toBe(sha256(bytes))
    expect(streamed).toEqual([])
  })

  it('is there where it was joined from parts: they are read, and the whole once', async () => {
    const tus = tusClient(server.url, server.admin)
    const urls: string[] = []
    for (const part of [bytes.subarray(0, half), bytes.subarray(half)]) {
      const length = String(part.length)
      const answer = await tus.create({ 'Upload-Length': length, 'Upload-Concat': 'partial' })
      urls.push(answer.headers.get('location') ?? '')
      await tus.patch(urls.at(-1) ?? '', 0, part)
    }
    const whole = await tus.create({ 'Upload-Concat': `final;${urls.join(' ')}` })
    expect((await recordOf(whole)).digest).toBe(sha256(bytes))
    expect(streamed).toHaveLength(1)
  })

  it('is there through the IETF door, with Content-Digest, Repr-Digest and the wish for one', async () => {
    const client = resumableClient(server.url, server.admin)
    const [first, second] = [bytes.subarray(0, half), bytes.subarray(half)]
    const url = await client.make(first, bytes.length, {
      headers: {
        'Content-Digest': field(first, 'sha512'),
        'Repr-Digest': field(bytes, 'sha512'),
        'Want-Repr-Digest': 'sha-256=1',
      },
    })
    const bad = { body: second, headers: { 'Content-Digest': field(first, 'sha256') } }
    expect((await client.patch(url, half, true, bad)).status).toBe(400)
    expect(await client.offset(url)).toBe(String(half))
    const good = { body: second, headers: { 'Content-Digest': field(second, 'sha256') } }
    const done = await client.patch(url, half, true, good)
    expect(done.status).toBe(201)
    expect(done.headers['repr-digest']).toBe(`${field(bytes, 'sha512')}, ${field(bytes, 'sha256')}`)
    expect(JSON.parse(done.body).digest).toBe(sha256(bytes))
    const other = await client.make(first, bytes.length, {
      headers: { 'Repr-Digest': field(first, 'sha256') },
    })
    expect((await client.patch(other, half, true, { body: second })).status).toBe(400)
    expect(streamed).toEqual([])
  })

  it('is there through an upload session', async () => {
    const session = sessionClient(server.url, server.admin)
    const token = await session.open()
    expect((await session.add(token, 'a.txt', 'text of a')).status).toBe(200)
    const got = await session.call('GET', `/${token}/files/a.txt`)
    expect(await got.text()).toBe('text of a')
    expect((await session.json('POST', `/${token}/submit`)).status).toBe(200)
    const answer = await mediaClient(server, server.admin).call('GET', '?search=a.txt')
    const { results } = (await answer.json()) as { results: MediaRecord[] }
    expect(results.map((record) => record.digest)).toEqual([sha256(Buffer.from('text of a'))])
  })

  it.each([
    ['is gone', null],
    [
      'is one that another build wrote',
      { at: half, states: { sha256: Buffer.alloc(112, 7).toString('base64') } },
    ],
  ])('is read at the end where its state %s', async (_name, state) => {
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(bytes.length)
    await tus.patch(url, 0, bytes.subarray(0, half))
    await setState(url, state)
    await tus.patch(url, half, bytes.subarray(half, half + 10))
    const done = await tus.patch(url, half + 10, bytes.subarray(half + 10))
    expect((await recordOf(done)).digest).toBe(sha256(bytes))
    expect(streamed.at(-1)).toBe(0)
  })

  it('is read at the end from its last state on, where bytes were stored without it', async () => {
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(bytes.length)
    await tus.patch(url, 0, bytes.subarray(0, half))
    const state = await getState(url)
    await tus.patch(url, half, bytes.subarray(half, half + 10))
    await setState(url, state)
    await tus.patch(url, half + 10, bytes.subarray(half + 10, half + 20))
    const done = await tus.patch(url, half + 20, bytes.subarray(half + 20))
    expect((await recordOf(done)).digest).toBe(sha256(bytes))
    expect(streamed).toEqual([half])
  })
})

describe('a chunked upload that cannot be read before it is finished', () => {
  const put = async (client: ReturnType<typeof chunkedClient>, count: number) => {
    const size = Math.ceil(bytes.length / count)
    const { url } = await client.begin(bytes.subarray(0, size), bytes.length)
    for (let at = size; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size)
      const range = `bytes ${at}-${at + part.length - 1}/${bytes.length}`
      expect((await client.put(url, range, { file: part })).status).toBe(200)
    }
    return url
  }

  it('is completed by the digest that ran along; a wrong one leaves it as it is', async () => {
    const client = chunkedClient(server.url, server.admin)
    const url = await put(client, 7)
    expect((await client.post(url, { md5: '0'.repeat(32) })).status).toBe(400)
    expect((await client.show(url)).status).toBe(1)
    expect((await client.post(url, { md5: digest(bytes) })).status).toBe(200)
    expect(streamed).toEqual([])
    const { media_file, file } = await client.show(url)
    const record = await mediaClient(server, server.admin).one(media_file ?? 0)
    expect(record.digest).toBe(sha256(bytes))
    const served = await fetch(file ?? '')
    expect(digest(new Uint8Array(await served.arrayBuffer()))).toBe(digest(bytes))
  })

  it('is read where the state is gone, with the same answers', async () => {
    const client = chunkedClient(server.url, server.admin)
    const url = await put(client, 3)
    await setState(url, null)
    expect((await client.post(url, { md5: '0'.repeat(32) })).status).toBe(400)
    expect((await client.post(url, { md5: '0'.repeat(32) })).status).toBe(400)
    expect((await client.show(url)).offset).toBe(bytes.length)
    expect((await client.post(url, { md5: digest(bytes) })).status).toBe(200)
    expect(streamed.length).toBeGreaterThan(0)
    const removed = await put(client, 3)
    await setState(removed, null)
    expect((await client.post(removed, { md5: '0'.repeat(32) })).status).toBe(400)
    expect((await client.call('DELETE', removed)).status).toBe(204)
  })
})

// A setting that is refused with STORAGE=s3 (config.test.ts).
it.skipIf(serversOnS3)(
  'a digest whose state cannot be kept is read when all bytes are there',
  async () => {
    const settings = { CHUNKED_CHECKSUM: 'sha512-256' }
    const other = await startServer({ env: settings, replaced: { wrapStorage } })
    try {
      const client = chunkedClient(other.url, other.admin)
      const { url } = await client.begin(bytes.subarray(0, half), bytes.length)
      const range = `bytes ${half}-${bytes.length - 1}/${bytes.length}`
      await client.put(url, range, { file: bytes.subarray(half) })
      expect(streamed).toEqual([])
      const sum = digest(bytes, 'sha512-256')
      expect((await client.post(url, { 'sha512-256': sum })).status).toBe(200)
      expect(streamed).toHaveLength(2)
    } finally {
      await other.close()
    }
  },
)
