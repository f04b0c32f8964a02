import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { BODY_TYPE, encode, tusClient } from '../support/tus.ts'

let server: TestServer
afterEach(() => server.close())

async function start(options: TestServerOptions = {}) {
  server = await startServer(options)
  const user = await server.accounts.add('user')
  return { user, tus: tusClient(server.url, user.authorization) }
}

/** Names of all files of bytes on disk. */
async function stored(): Promise<string[]> {
  const entries = await readdir(path.join(server.dataDir, 'files'), {
    recursive: true,
    withFileTypes: true,
  })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

const hour = 3600_000
const location = (answer: Response) => answer.headers.get('location') ?? ''

describe('expiry', () => {
  it('moves forward with activity, then answers 410, and the sweep removes the bytes', async () => {
    let ahead = 0
    const { tus } = await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const url = await tus.begin(10)
    ahead = 20 * hour
    expect((await tus.patch(url, 0, 'abc')).status).toBe(204)
    ahead = 40 * hour
    expect((await tus.head(url)).status).toBe(200)
    ahead = 45 * hour
    const before = await server.landfall.sweep()
    expect(before.expired).toBe(1)
    expect((await tus.head(url)).status).toBe(410)
    expect((await tus.patch(url, 3, 'd')).status).toBe(410)
    expect(await stored()).toEqual([])
  })

  it('is found by a request before any sweep', async () => {
    let ahead = 0
    const { tus } = await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const url = await tus.begin(10)
    ahead = 25 * hour
    expect((await tus.patch(url, 0, 'abc')).status).toBe(410)
    await server.landfall.sweep()
    expect(await stored()).toEqual([])
  })

  it('removes only unfinished uploads, and forgets ended ones after a month', async () => {
    let ahead = 0
    const { tus } = await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const finished = await tus.begin(5)
    await tus.patch(finished, 0, 'hello')
    const unfinished = await tus.begin(5)
    ahead = 48 * hour
    await server.landfall.sweep()
    expect((await tus.head(finished)).status).toBe(200)
    expect((await tus.head(unfinished)).status).toBe(410)
    ahead += 31 * 24 * hour
    expect((await server.landfall.sweep()).forgotten).toBe(1)
    expect((await tus.head(unfinished)).status).toBe(404)
    expect((await tus.head(finished)).status).toBe(200)
  })
})

describe('quotas', () => {
  it('reserve bytes at creation, refuse with 413, and give back what ends', async () => {
    const { tus } = await start({ env: { USER_MAX_BYTES: '100' } })
    const first = await tus.begin(60)
    const refused = await tus.create({ 'Upload-Length': '50' })
    expect(refused.status).toBe(413)
    expect(await refused.text()).toContain('quota')
    expect((await tus.create({ 'Upload-Length': '40' })).status).toBe(201)
    await tus.remove(first)
    expect((await tus.create({ 'Upload-Length': '60' })).status).toBe(201)
  })

  it('hold under 50 creations at once', async () => {
    const { tus } = await start({ env: { USER_MAX_BYTES: '100', USER_MAX_OPEN_UPLOADS: '7' } })
    const big = await Promise.all(
      Array.from({ length: 50 }, () => tus.create({ 'Upload-Length': '30' })),
    )
    expect(big.filter((answer) => answer.status === 201)).toHaveLength(3)
    const small = await Promise.all(
      Array.from({ length: 20 }, () => tus.create({ 'Upload-Length': '1' })),
    )
    expect(small.filter((answer) => answer.status === 201)).toHaveLength(4)
    const [refused] = small.filter((answer) => answer.status === 429)
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused?.text()).toContain('unfinished')
  })

  it('count finished files until they are removed', async () => {
    const { tus } = await start({ env: { USER_MAX_BYTES: '10' } })
    const url = await tus.begin(8)
    await tus.patch(url, 0, '12345678')
    expect((await tus.create({ 'Upload-Length': '8' })).status).toBe(413)
    await tus.remove(url)
    expect((await tus.create({ 'Upload-Length': '8' })).status).toBe(201)
  })

  it('grow with an upload whose length is not known, and stop it', async () => {
    const { tus } = await start({ env: { USER_MAX_BYTES: '10' } })
    const url = location(await tus.create({ 'Upload-Defer-Length': '1' }))
    expect((await tus.patch(url, 0, '123456')).status).toBe(204)
    const over = await tus.patch(url, 6, '789ab')
    expect(over.status).toBe(413)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('6')
    expect((await tus.patch(url, 6, '', { 'Upload-Length': '11' })).status).toBe(413)
    expect((await tus.patch(url, 6, '789a', { 'Upload-Length': '10' })).status).toBe(204)
    expect((await tus.create({ 'Upload-Length': '1' })).status).toBe(413)
  })
})

describe('accepted formats', () => {
  it('refuse by the declared name or type at creation', async () => {
    const { tus } = await start({ env: { ACCEPTED_FILE_FORMATS: 'image' } })
    const declared = (metadata: Record<string, string>) =>
      tus.create({ 'Upload-Length': '5', 'Upload-Metadata': encode(metadata) })
    expect((await declared({ filename: 'a.mp4', filetype: 'video/mp4' })).status).toBe(415)
    expect((await declared({ filename: 'a.png', filetype: 'image/png' })).status).toBe(201)
    expect((await tus.create({ 'Upload-Length': '5' })).status).toBe(201)
  })

  it('refuse by the first bytes, before the rest is sent', async () => {
    const { tus, user } = await start({ env: { ACCEPTED_FILE_FORMATS: 'image' } })
    const url = await tus.begin(1_000_000_000, { filename: 'pretends.png' })
    const raw = await openRaw(server.url)
    raw.send(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${user.authorization}`,
        'Tus-Resumable: 1.0.0',
        `Content-Type: ${BODY_TYPE}`,
        'Upload-Offset: 0',
        'Content-Length: 1000000000',
        '',
        '',
      ].join('\r\n'),
    )
    raw.send(Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(8_000, 'x')]))
    const answer = await raw.answer()
    expect(answer.status).toBe(415)
    await raw.closed
    expect((await tus.head(url)).status).toBe(415)
    expect(await stored()).toEqual([])
  })

  it('refuse a small file by its content at the end', async () => {
    const { tus } = await start({ env: { ACCEPTED_FILE_FORMATS: 'image' } })
    const url = await tus.begin(9)
    expect((await tus.patch(url, 0, '%PDF-1.7\n')).status).toBe(415)
    expect((await tus.patch(url, 9, '')).status).toBe(415)
    expect(await stored()).toEqual([])
  })
})

describe('anonymous uploads', () => {
  it('are open to whoever knows their id, when they are allowed', async () => {
    const { tus } = await start({ env: { ALLOW_ANONYMOUS_UPLOADS: 'true' } })
    const nobody = tusClient(server.url)
    const url = await nobody.begin(10)
    expect((await nobody.patch(url, 0, 'hello')).status).toBe(204)
    expect((await nobody.head(url)).status).toBe(200)
    const owned = await tus.begin(5)
    expect((await nobody.head(owned)).status).toBe(404)
    expect((await nobody.patch(url, 5, 'world')).status).toBe(204)
    const list = await fetch(`${server.url}/api/media/files`, {
      headers: { Authorization: server.admin },
    })
    expect(((await list.json()) as { results: object[] }).results).toMatchObject([{ user: null }])
    expect((await nobody.remove(url)).status).toBe(204)
  })
})

describe('a body', () => {
  const request = (url: string, authorization: string, length: number) =>
    [
      `PATCH ${new URL(url).pathname} HTTP/1.1`,
      'Host: x',
      `Authorization: ${authorization}`,
      'Tus-Resumable: 1.0.0',
      `Content-Type: ${BODY_TYPE}`,
      'Upload-Offset: 0',
      `Content-Length: ${length}`,
      '',
      '',
    ].join('\r\n')

  it('that sends nothing for the idle time is cut, and what arrived is kept', async () => {
    const { tus, user } = await start({ env: { UPLOAD_IDLE_TIMEOUT: '300ms' } })
    const url = await tus.begin(10)
    const raw = await openRaw(server.url)
    raw.send(request(url, user.authorization, 10))
    raw.send('abc')
    await raw.closed
    await expect(raw.answer()).rejects.toThrow('ended')
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('3')
  })

  it('that runs while the server stops is stored, and answered 503 with its offset', async () => {
    const { tus, user } = await start()
    const url = await tus.begin(10)
    const raw = await openRaw(server.url)
    raw.send(request(url, user.authorization, 10))
    raw.send('abcd')
    const id = url.slice(url.lastIndexOf('/') + 1)
    const file = path.join(server.dataDir, 'files', id.slice(0, 2), id)
    await expect.poll(async () => (await stat(file)).size).toBe(4)
    const closing = server.landfall.close()
    const answer = await raw.answer()
    expect(answer.status).toBe(503)
    expect(answer.headers['upload-offset']).toBe('4')
    await closing
  })
})

describe('under contention', () => {
  it('200 requests on one upload never mix bytes, and it can be finished', async () => {
    const { tus } = await start()
    const url = await tus.begin(1000)
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        tus.patch(url, 0, String.fromCharCode(97 + (n % 26)).repeat(100)).catch(() => null),
      ),
    )
    const statuses = answers.map((answer) => answer?.status)
    for (const status of statuses) expect([204, 409, 423]).toContain(status)
    const offset = Number((await tus.head(url)).headers.get('upload-offset'))
    expect(offset).toBeLessThanOrEqual(100)
    const done = await tus.patch(url, offset, '#'.repeat(1000 - offset))
    expect(done.status).toBe(204)
    const bytes = await (await fetch(done.headers.get('landfall-media-url') ?? '')).text()
    expect(bytes).toMatch(/^([a-z])\1*#+$/)
    expect(bytes.indexOf('#')).toBe(offset)
  })

  it('two requests that finish one upload make one record', async () => {
    const { tus } = await start()
    const url = await tus.begin(5)
    const answers = await Promise.all([
      tus.patch(url, 0, 'hello'),
      tus.patch(url, 0, 'hello'),
      tus.patch(url, 0, 'hello'),
    ])
    expect(answers.some((answer) => answer.status === 204 || answer.status === 423)).toBe(true)
    const offset = Number((await tus.head(url)).headers.get('upload-offset'))
    await tus.patch(url, offset, 'hello'.slice(offset))
    const list = await fetch(`${server.url}/api/media/files`, {
      headers: { Authorization: server.admin },
    })
    expect(((await list.json()) as { count: number }).count).toBe(1)
  })
})
