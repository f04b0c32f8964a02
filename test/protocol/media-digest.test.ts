import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { mediaClient } from '../support/media-client.ts'
import { createHome, type Home } from '../support/process.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

const bytes = randomBytes(2_600_000)
const digestOf = (content: Uint8Array) =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`
const env = { MEDIA_DIGEST: 'sha256' }
const admin = `Token ${ADMIN_KEY}`

async function recordOf(base: string, answer: Response): Promise<MediaRecord> {
  const id = answer.headers.get('landfall-media-file')
  const headers = { Authorization: admin }
  return (await fetch(`${base}/api/media/files/${id}`, { headers })).json() as Promise<MediaRecord>
}

describe('with MEDIA_DIGEST', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ env })
  })
  afterAll(() => server.close())

  it('a record has the digest of a file that came in several requests', async () => {
    const tus = tusClient(server.url, admin)
    const url = await tus.begin(bytes.length)
    await tus.patch(url, 0, bytes.subarray(0, 1))
    await tus.patch(url, 1, bytes.subarray(1, 1_200_000))
    await tus.patch(url, 1_200_000, '')
    const done = await tus.patch(url, 1_200_000, bytes.subarray(1_200_000))
    expect((await recordOf(server.url, done)).digest).toBe(digestOf(bytes))
  })

  it('a record has it that came with its creation, and one of nothing at all', async () => {
    const tus = tusClient(server.url, admin)
    const created = await tus.create(
      { 'Upload-Length': '5', 'Content-Type': 'application/offset+octet-stream' },
      'hello',
    )
    expect((await recordOf(server.url, created)).digest).toBe(digestOf(Buffer.from('hello')))
    const empty = await tus.create({ 'Upload-Length': '0' })
    expect((await recordOf(server.url, empty)).digest).toBe(digestOf(Buffer.alloc(0)))
  })

  it('a record has it that came as a form', async () => {
    const record = await mediaClient(server, admin).upload('form.bin', bytes)
    expect(record.digest).toBe(digestOf(bytes))
  })

  it('a record has it that was joined from parts', async () => {
    const tus = tusClient(server.url, admin)
    const parts = [bytes.subarray(0, 700_000), bytes.subarray(700_000)]
    const urls: string[] = []
    for (const part of parts) {
      const length = String(part.length)
      const answer = await tus.create({ 'Upload-Length': length, 'Upload-Concat': 'partial' })
      const url = answer.headers.get('location') ?? ''
      await tus.patch(url, 0, part)
      urls.push(url)
    }
    const whole = await tus.create({ 'Upload-Concat': `final;${urls.join(' ')}` })
    expect((await recordOf(server.url, whole)).digest).toBe(digestOf(bytes))
  })

  it('an announced digest is verified beside it', async () => {
    const tus = tusClient(server.url, admin)
    const md5 = createHash('md5').update(bytes).digest('hex')
    const url = await tus.begin(bytes.length, { md5 })
    const done = await tus.patch(url, 0, bytes)
    expect((await recordOf(server.url, done)).digest).toBe(digestOf(bytes))
    const wrong = await tus.begin(bytes.length, { md5: '0'.repeat(32) })
    expect((await tus.patch(wrong, 0, bytes)).status).toBe(460)
  })
})

describe('without MEDIA_DIGEST', () => {
  it('a record has no digest', async () => {
    const server = await startServer()
    const record = await mediaClient(server, admin).upload('form.bin', Buffer.from('text'))
    await server.close()
    expect(record.digest).toBeNull()
  })
})

describe('a digest over several lives of the server', () => {
  let home: Home
  afterEach(() => home.remove())

  it.each(['SIGTERM', 'SIGKILL'] as const)('is right after %s in the middle', async (signal) => {
    home = await createHome('postgres')
    let server = await home.start(env)
    const tus = tusClient(server.url, admin)
    const path = new URL(await tus.begin(bytes.length)).pathname
    for (const [from, to] of [
      [0, 900_000],
      [900_000, 1_700_001],
    ] as const) {
      const patched = await tus.patch(server.url + path, from, bytes.subarray(from, to))
      expect(patched.status).toBe(204)
      server.kill(signal)
      await server.ended
      server = await home.start(env)
    }
    const head = await tus.head(server.url + path)
    expect(head.headers.get('upload-offset')).toBe('1700001')
    const done = await tus.patch(server.url + path, 1_700_001, bytes.subarray(1_700_001))
    expect((await recordOf(server.url, done)).digest).toBe(digestOf(bytes))
  })

  it('counts what was written and never recorded', async () => {
    home = await createHome('postgres')
    const first = await home.start({ ...env, CRASH_AT: 'bytes-synced:2' })
    const tus = tusClient(first.url, admin)
    const path = new URL(await tus.begin(bytes.length)).pathname
    await tus.patch(first.url + path, 0, bytes.subarray(0, 500_000))
    await tus.patch(first.url + path, 500_000, bytes.subarray(500_000, 900_000)).catch(() => {})
    await first.ended
    const second = await home.start(env)
    const head = await tus.head(second.url + path)
    expect(head.headers.get('upload-offset')).toBe('900000')
    const done = await tus.patch(second.url + path, 900_000, bytes.subarray(900_000))
    expect((await recordOf(second.url, done)).digest).toBe(digestOf(bytes))
  })
})
