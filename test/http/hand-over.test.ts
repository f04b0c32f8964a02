import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { buildPng } from '../support/images.ts'
import { mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

let server: TestServer
let record: MediaRecord
/** `GET /files/{id}` of the same bytes. */
let upload: string

async function begin(env: Record<string, string>): Promise<void> {
  server = await startServer({ env })
  record = await mediaClient(server, server.admin).upload('ä b.txt', Buffer.from('some text'))
  const tus = tusClient(server.url, server.admin)
  upload = await tus.begin(9, { filename: 'ä b.txt' })
  await tus.patch(upload, 0, 'some text')
}

/** Never follows: what we say is looked at, not what is there. */
const ask = (url: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(url, { method, headers, redirect: 'manual' })

const storagePath = '[\\da-f]{2}/[\\da-f]{8}-[\\da-f-]{27}'

describe('x-accel-redirect', () => {
  beforeAll(() => begin({ SERVE_WITH: 'x-accel-redirect', X_ACCEL_PREFIX: '/behind/' }))
  afterAll(() => server.close())

  it.each(['GET', 'HEAD'])(
    'answers %s with where the bytes are, and none of them',
    async (method) => {
      const answer = await ask(record.f, {}, method)
      expect(answer.status).toBe(200)
      expect(await answer.text()).toBe('')
      expect(answer.headers.get('content-length')).toBe('0')
      expect(answer.headers.get('x-accel-redirect')).toMatch(new RegExp(`^/behind/${storagePath}$`))
    },
  )

  it('says what the file is and how it may be used, as it does with the bytes', async () => {
    const { headers } = await ask(record.f)
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `inline; filename="? b.txt"; filename*=UTF-8''%C3%A4%20b.txt`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=86400, immutable',
      'last-modified': new Date(record.created_at).toUTCString(),
    })
    expect(headers.get('etag')).toMatch(/^"[\w-]{22}"$/)
    const download = await ask(`${record.f}?download=1`)
    expect(download.headers.get('content-disposition')).toMatch(/^attachment/)
  })

  it('leaves ranges to the proxy', async () => {
    for (const range of ['bytes=2-4', 'bytes=900-']) {
      const answer = await ask(record.f, { Range: range })
      expect([answer.status, answer.headers.has('x-accel-redirect')]).toEqual([200, true])
    }
  })

  it('answers conditional requests itself', async () => {
    const etag = (await ask(record.f)).headers.get('etag') ?? ''
    const known = await ask(record.f, { 'If-None-Match': etag })
    expect([known.status, known.headers.has('x-accel-redirect')]).toEqual([304, false])
    const other = await ask(record.f, { 'If-None-Match': '"other"' })
    expect(other.headers.has('x-accel-redirect')).toBe(true)
    const failed = await ask(record.f, { 'If-Match': '"other"' })
    expect([failed.status, failed.headers.has('x-accel-redirect')]).toEqual([412, false])
  })

  it('sends the bytes where a guard holds that nginx would take for broken', async () => {
    const etag = (await ask(record.f)).headers.get('etag') ?? ''
    const since = new Date().toUTCString()
    const guards: Record<string, string>[] = [
      { 'If-Match': etag },
      { 'If-Unmodified-Since': since },
    ]
    for (const guard of guards) {
      const answer = await ask(record.f, { ...guard, Range: 'bytes=5-' })
      expect([answer.status, await answer.text()]).toEqual([206, 'text'])
      expect(answer.headers.has('x-accel-redirect')).toBe(false)
    }
  })

  it('heeds no X-Accel header of a client', async () => {
    const sent = {
      'X-Accel-Redirect': '/etc/passwd',
      'X-Accel-Mapping': '/=/etc/',
      'X-Sendfile-Type': 'X-Accel-Redirect',
      'X-Accel-Buffering': 'no',
    }
    const plain = await ask(record.f)
    const answer = await ask(record.f, sent)
    expect(answer.headers.get('x-accel-redirect')).toBe(plain.headers.get('x-accel-redirect'))
    expect(JSON.stringify([...answer.headers])).not.toMatch(/passwd|mapping|buffering/i)
    for (const path of ['/api/media/files', '/media/none/x', '/'])
      expect((await ask(server.url + path, sent)).headers.has('x-accel-redirect')).toBe(false)
  })

  it('holds for the URL of the upload and for thumbnails, behind their permissions', async () => {
    const { headers } = await ask(upload, { Authorization: server.admin })
    expect(headers.get('x-accel-redirect')).toMatch(new RegExp(`^/behind/${storagePath}$`))
    expect(headers.get('cache-control')).toBe('private, no-cache')
    const denied = await ask(upload, { Authorization: 'Token wrong-wrong-wrong-wrong' })
    expect([denied.status, denied.headers.has('x-accel-redirect')]).toEqual([401, false])

    const image = await mediaClient(server, server.admin).upload('a.png', buildPng(200, 100))
    const url = `${server.url}/api/media/files/${image.id}/thumbnail?width=80`
    const thumbnail = await ask(url, { Authorization: server.admin })
    expect(thumbnail.headers.get('x-accel-redirect')).toMatch(
      new RegExp(`^/behind/${storagePath}\\.w80\\.webp$`),
    )
    expect(thumbnail.headers.get('content-type')).toBe('image/webp')
    expect((await ask(url)).headers.has('x-accel-redirect')).toBe(false)
  })
})

describe('redirect', () => {
  beforeAll(() =>
    begin({ SERVE_WITH: 'redirect', MEDIA_URL: 'https://media.example/some%20place/' }),
  )
  afterAll(() => server.close())

  it.each(['GET', 'HEAD'])('answers %s with 302 to where the bytes are', async (method) => {
    for (const url of [record.f, `${record.f}?download=1`]) {
      const answer = await ask(url, {}, method)
      expect([answer.status, await answer.text()]).toEqual([302, ''])
      expect(answer.headers.get('location')).toMatch(
        new RegExp(`^https://media\\.example/some%20place/${storagePath}$`),
      )
      expect(answer.headers.get('cache-control')).toBe('no-store')
    }
  })

  it('ignores ranges and conditions, which are for the place it names', async () => {
    const sent: Record<string, string>[] = [
      { 'If-None-Match': '*' },
      { 'If-Match': '"x"' },
      { Range: 'bytes=0-1' },
    ]
    for (const headers of sent) expect((await ask(record.f, headers)).status).toBe(302)
  })

  it('goes nowhere else, whatever is asked for', async () => {
    const key = new URL(record.f).pathname.split('/')[2]
    const hosts = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example' }
    for (const name of [
      '//evil.example',
      '%2f%2fevil.example',
      '..%2f..',
      'x?url=//evil.example',
    ]) {
      const answer = await ask(`${server.url}/media/${key}/${name}`, hosts)
      if (answer.status === 302)
        expect(answer.headers.get('location')).toMatch(/^https:\/\/media\.example\/some%20place\//)
      expect(answer.headers.get('location') ?? '').not.toContain('evil')
    }
    expect((await ask(`${server.url}/media/nobody/x`)).status).toBe(404)
  })

  it('holds for the URL of the upload, behind its permission', async () => {
    expect((await ask(upload, { Authorization: server.admin })).status).toBe(302)
    expect((await ask(upload, { Authorization: 'Token wrong-wrong-wrong-wrong' })).status).toBe(401)
  })
})
