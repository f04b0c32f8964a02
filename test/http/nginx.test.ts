import { randomBytes } from 'node:crypto'
import { chmod, stat } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { buildPng } from '../support/images.ts'
import { type MediaClient, mediaClient } from '../support/media-client.ts'
import { type Nginx, startNginx } from '../support/nginx.ts'
import { findProgram } from '../support/programs.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, encode, tusClient } from '../support/tus.ts'

const program = findProgram('nginx', {
  for: 'nginx in front of the server (test/http/nginx.test.ts)',
  from: 'apt-get install -y nginx-light',
})

describe.skipIf(program === undefined)('nginx in front, as docs/nginx.md has it', () => {
  const bytes = randomBytes(3_000_000)
  let server: TestServer
  let nginx: Nginx
  let client: MediaClient
  let record: MediaRecord
  /** Files that Landfall has opened to send them. */
  let reads = 0

  beforeAll(async () => {
    server = await startServer({
      env: { SERVE_WITH: 'x-accel-redirect', TRUST_PROXY: 'true' },
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          read(...args) {
            reads++
            return storage.read(...args)
          },
        }),
      },
    })
    await chmod(server.dataDir, 0o755)
    const files = path.join(server.dataDir, 'files')
    nginx = await startNginx(program ?? '', { backend: server.url, files })
    client = mediaClient({ ...server, url: nginx.url }, server.admin)
    record = await client.upload('däta.bin', bytes)
  })
  afterAll(async () => {
    await nginx?.close()
    await server.close()
  })

  const ask = (headers: Record<string, string> = {}, url = record.f, method = 'GET') =>
    fetch(url, { method, headers })
  const bodyOf = async (answer: Response) => Buffer.from(await answer.arrayBuffer())

  it('sends the bytes of a file, of which Landfall reads none', async () => {
    expect(new URL(record.f).origin).toBe(nginx.url)
    reads = 0
    const answer = await ask()
    expect(answer.status).toBe(200)
    expect((await bodyOf(answer)).equals(bytes)).toBe(true)
    const direct = await ask({}, record.f.replace(nginx.url, server.url))
    expect((await bodyOf(direct)).byteLength).toBe(0)
    expect(reads).toBe(0)
  })

  it('keeps the headers that Landfall decided on, each once, and says nothing of the place', async () => {
    const path = new URL(record.f).pathname
    const direct = await ask({ Origin: 'https://app.example' }, server.url + path)
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask({ Origin: 'https://app.example' }, record.f, method)
      await bodyOf(answer)
      for (const name of [
        'content-type',
        'content-disposition',
        'content-security-policy',
        'x-content-type-options',
        'etag',
        'last-modified',
        'cache-control',
        'access-control-allow-origin',
        'access-control-expose-headers',
      ])
        expect([name, answer.headers.get(name)]).toEqual([name, direct.headers.get(name)])
      expect(answer.headers.get('etag')).not.toBeNull()
      // nginx adds its own to ours: a list of the same twice.
      expect(answer.headers.get('accept-ranges')).toMatch(/^bytes(?:, bytes)?$/)
      expect(answer.headers.get('content-length')).toBe(String(bytes.byteLength))
      expect(answer.headers.get('content-encoding')).toBeNull()
      expect(answer.headers.get('x-request-id')).not.toBeNull()
      expect([...answer.headers.keys()].join()).not.toContain('accel')
    }
  })

  it('sends one range, several, the end, and refuses what lies outside', async () => {
    const one = await ask({ Range: 'bytes=1000000-1000099' })
    expect([one.status, one.headers.get('content-range')]).toEqual([
      206,
      `bytes 1000000-1000099/${bytes.byteLength}`,
    ])
    expect((await bodyOf(one)).equals(bytes.subarray(1_000_000, 1_000_100))).toBe(true)
    const end = await ask({ Range: 'bytes=-5' })
    expect((await bodyOf(end)).equals(bytes.subarray(-5))).toBe(true)
    const several = await ask({ Range: 'bytes=0-1,5-6' })
    expect([several.status, several.headers.get('content-type')]).toEqual([
      206,
      expect.stringMatching(/^multipart\/byteranges; boundary=/),
    ])
    await bodyOf(several)
    const outside = await ask({ Range: `bytes=${bytes.byteLength}-` })
    expect([outside.status, outside.headers.get('content-range')]).toEqual([
      416,
      `bytes */${bytes.byteLength}`,
    ])
    await bodyOf(outside)
  })

  it('goes on with a download only while the file is the same one', async () => {
    const { headers } = await ask({}, record.f, 'HEAD')
    const same = [headers.get('etag') ?? '', headers.get('last-modified') ?? '']
    for (const validator of same) {
      const answer = await ask({ Range: 'bytes=10-19', 'If-Range': validator })
      expect([validator, answer.status]).toEqual([validator, 206])
      await bodyOf(answer)
    }
    for (const validator of ['"other"', 'Sun, 01 Jan 2023 00:00:00 GMT']) {
      const answer = await ask({ Range: 'bytes=10-19', 'If-Range': validator })
      expect([validator, answer.status]).toEqual([validator, 200])
      await bodyOf(answer)
    }
  })

  it('answers conditional requests as Landfall does', async () => {
    const { headers } = await ask({}, record.f, 'HEAD')
    const etag = headers.get('etag') ?? ''
    const modified = headers.get('last-modified') ?? ''
    const cases: [Record<string, string>, number][] = [
      [{ 'If-None-Match': etag }, 304],
      [{ 'If-None-Match': '*' }, 304],
      [{ 'If-None-Match': '"other"' }, 200],
      [{ 'If-Modified-Since': modified }, 304],
      [{ 'If-Modified-Since': 'Sun, 01 Jan 2023 00:00:00 GMT' }, 200],
      [{ 'If-Match': etag }, 200],
      [{ 'If-Match': '"other"' }, 412],
      [{ 'If-Unmodified-Since': modified }, 200],
      [{ 'If-Unmodified-Since': 'Sun, 01 Jan 2023 00:00:00 GMT' }, 412],
    ]
    for (const [sent, status] of cases) {
      const answer = await ask(sent)
      expect([sent, answer.status]).toEqual([sent, status])
      const body = await bodyOf(answer)
      if (status === 200) expect(body.equals(bytes)).toBe(true)
    }
  })

  it('lets nobody in by the internal location', async () => {
    const direct = await ask({}, record.f.replace(nginx.url, server.url))
    const place = direct.headers.get('x-accel-redirect') ?? ''
    expect(place).toMatch(/^\/protected-media\//)
    const ways = [
      place,
      `/${place}`,
      place.replace('/protected', '/%70rotected'),
      `/media/..${place}`,
      '/protected-media/',
      '/protected-media/../boot-id',
    ]
    for (const way of ways) {
      const answer = await openRaw(nginx.url)
      answer.send(`GET ${way} HTTP/1.1\r\nHost: test\r\nX-Accel-Redirect: ${place}\r\n\r\n`)
      const { status } = await answer.answer()
      answer.reset()
      expect([way, status]).toEqual([way, 404])
    }
    const lured = await ask({ 'X-Accel-Redirect': place }, `${nginx.url}/media/nobody/x`)
    expect([lured.status, (await bodyOf(lured)).includes('Not found')]).toEqual([404, true])
  })

  it('sends thumbnails and the bytes at the URL of an upload, behind their permissions', async () => {
    const image = await client.upload('a.png', buildPng(200, 100))
    reads = 0
    const thumbnail = await client.call('GET', `/${image.id}/thumbnail?width=80`)
    expect([thumbnail.status, thumbnail.headers.get('content-type')]).toEqual([200, 'image/webp'])
    expect((await bodyOf(thumbnail)).subarray(8, 12).toString()).toBe('WEBP')
    const denied = await client.call('GET', `/${image.id}/thumbnail?width=80`, { as: null })
    expect(denied.status).toBe(401)

    const tus = tusClient(nginx.url, server.admin)
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'hello')
    const answer = await ask({ Authorization: server.admin }, url)
    expect([await answer.text(), answer.headers.get('tus-resumable')]).toEqual(['hello', '1.0.0'])
    expect((await ask({}, url)).status).toBe(401)
    expect(reads).toBe(0)
  })

  it('lets headers through that are longer than its own bounds, both ways', async () => {
    const tus = tusClient(nginx.url, server.admin)
    const metadata = encode({ filename: 'a.bin', description: 'long '.repeat(1_700) })
    expect(metadata.length).toBeGreaterThan(8_192)
    const made = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
    expect(made.status).toBe(201)
    const head = await tus.head(made.headers.get('location') ?? '')
    expect([head.status, head.headers.get('upload-metadata')]).toEqual([200, metadata])
  })

  it('passes an upload through as it arrives: what came before a cut is kept', async () => {
    const tus = tusClient(nginx.url, server.admin)
    const url = await tus.begin(bytes.byteLength)
    const raw = await openRaw(nginx.url)
    raw.send(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        `Host: ${new URL(url).host}`,
        `Authorization: ${server.admin}`,
        'Tus-Resumable: 1.0.0',
        'Upload-Offset: 0',
        `Content-Type: ${BODY_TYPE}`,
        `Content-Length: ${bytes.byteLength}`,
        '\r\n',
      ].join('\r\n'),
    )
    raw.send(bytes.subarray(0, 1_500_000))
    // It is on the disk while the body is still open; no HEAD, which would end the body.
    const stored = path.join(server.dataDir, 'files', storagePathOf(url))
    await expect.poll(async () => (await stat(stored)).size, { timeout: 10_000 }).toBe(1_500_000)
    raw.socket.destroy()
    await expect
      .poll(async () => (await tus.head(url)).headers.get('upload-offset'), { timeout: 10_000 })
      .toBe('1500000')
    const done = await tus.patch(url, 1_500_000, bytes.subarray(1_500_000))
    expect(done.status).toBe(204)
    const answer = await ask({}, done.headers.get('landfall-media-url') ?? '')
    expect((await bodyOf(answer)).equals(bytes)).toBe(true)
  })
})

describe.skipIf(program === undefined).each(['signed', 'private'])(
  'nginx in front of MEDIA_ACCESS=%s',
  (mode) => {
    const bytes = randomBytes(100_000)
    let server: TestServer
    let nginx: Nginx
    let client: MediaClient
    let record: MediaRecord
    let aheadMs = 0

    beforeAll(async () => {
      server = await startServer({
        env: { SERVE_WITH: 'x-accel-redirect', TRUST_PROXY: 'true', MEDIA_ACCESS: mode },
        replaced: { now: () => new Date(Date.now() + aheadMs) },
      })
      await chmod(server.dataDir, 0o755)
      const files = path.join(server.dataDir, 'files')
      nginx = await startNginx(program ?? '', { backend: server.url, files })
      client = mediaClient({ ...server, url: nginx.url }, server.admin)
      record = await client.upload('a.bin', bytes)
    })
    afterAll(async () => {
      await nginx?.close()
      await server.close()
    })

    async function ask(url: string, headers: Record<string, string> = {}, method = 'GET') {
      const answer = await fetch(url, { method, headers })
      return { answer, status: answer.status, body: Buffer.from(await answer.arrayBuffer()) }
    }

    it('it sends bytes, ranges and heads to whom a link lets in, and to nobody when it has ended', async () => {
      const made = await client.call('POST', `/${record.id}/links`, { body: '{"expires_in":600}' })
      const { url } = (await made.json()) as { url: string }
      expect(new URL(url).origin).toBe(nginx.url)
      const whole = await ask(url)
      expect([whole.status, whole.body.equals(bytes)]).toEqual([200, true])
      const cache = /^private, max-age=(\d+), immutable$/.exec(
        whole.answer.headers.get('cache-control') ?? '',
      )
      expect(Number(cache?.[1])).toBeGreaterThan(500)
      expect(Number(cache?.[1])).toBeLessThanOrEqual(601)
      const range = await ask(url, { Range: 'bytes=10-19' })
      expect([range.status, range.body.equals(bytes.subarray(10, 20))]).toEqual([206, true])
      const head = await ask(url, {}, 'HEAD')
      expect([head.status, head.answer.headers.get('content-length')]).toEqual([200, '100000'])
      const etag = whole.answer.headers.get('etag') ?? ''
      expect((await ask(url, { 'If-None-Match': etag })).status).toBe(304)
      expect((await ask(`${url}&download=1`)).answer.headers.get('content-disposition')).toMatch(
        /^attachment/,
      )

      aheadMs = 3_600_000
      const ended = await ask(url, { Range: 'bytes=10-19' })
      expect([ended.status, ended.body.toString()]).toEqual([
        410,
        '{"detail":"This link has ended: ask for a new one."}',
      ])
      aheadMs = 0
    })

    it('it sends nothing at a URL without a link, but to a token where that counts', async () => {
      const plain = record.f.split('?')[0] ?? ''
      const tampered = `${plain}?expires=4000000000&signature=${'x'.repeat(43)}`
      for (const url of [plain, tampered])
        expect((await ask(url)).status).toBe(mode === 'signed' ? 404 : 401)
      const byToken = await ask(plain, { Authorization: server.admin })
      expect([byToken.status, byToken.body.equals(bytes)]).toEqual(
        mode === 'signed' ? [404, false] : [200, true],
      )
    })
  },
)

function storagePathOf(url: string): string {
  const id = url.slice(url.lastIndexOf('/') + 1)
  return path.join(id.slice(0, 2), id)
}
