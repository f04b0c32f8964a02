import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, encode, TUS, type TusClient, tusClient } from '../support/tus.ts'

/** What tus 1.0.0 asks for and the tests of the door do not show; README.md has the whole list. */
let server: TestServer
let limited: TestServer
let tus: TusClient
let authorization: string
let ahead = 0

beforeAll(async () => {
  const replaced = { now: () => new Date(Date.now() + ahead) }
  server = await startServer({ replaced })
  limited = await startServer({ env: { UPLOAD_MAX_SIZE: '1000' }, replaced })
  ;({ authorization } = await server.accounts.add('user'))
  tus = tusClient(server.url, authorization)
})
afterAll(() => Promise.all([server.close(), limited.close()]))

const location = (answer: Response) => answer.headers.get('location') ?? ''
const options = (headers: Record<string, string> = {}, base = server.url) =>
  fetch(`${base}/files/`, { method: 'OPTIONS', headers })

describe('core', () => {
  it('Tus-Resumable: 1.0.0 stands on every answer, whatever its status', async () => {
    const url = await tus.begin(5)
    const finished = await tus.begin(0)
    const headers = { ...TUS, Authorization: authorization }
    const body = { 'Content-Type': BODY_TYPE, 'Upload-Offset': '0' }
    const requests: [status: number, url: string, init: RequestInit][] = [
      [201, '/files/', { method: 'POST', headers: { ...headers, 'Upload-Length': '5' } }],
      [400, '/files/', { method: 'POST', headers }],
      [401, url, { method: 'PATCH', headers: { ...TUS, ...body } }],
      [412, '/files/', { method: 'POST' }],
      [405, '/files/', { method: 'PUT', headers }],
      [405, url, { method: 'POST', headers }],
      [200, url, { method: 'HEAD', headers }],
      [415, url, { method: 'PATCH', headers }],
      [404, '/files/nothing', { method: 'HEAD', headers }],
      [404, '/files/nothing', { method: 'GET', headers }],
      [404, '/files/a/b', { method: 'GET', headers }],
      [200, finished, { method: 'GET', headers: { Authorization: authorization } }],
      [416, finished, { method: 'GET', headers: { ...headers, Range: 'bytes=9-' } }],
      [204, url, { method: 'DELETE', headers }],
      [410, url, { method: 'GET', headers }],
    ]
    for (const [status, target, init] of requests) {
      const answer = await fetch(new URL(target, server.url), init)
      const shown = [init.method, target, answer.status, answer.headers.get('tus-resumable')]
      expect(shown).toEqual([init.method, target, status, '1.0.0'])
    }
  })

  it('OPTIONS does not look at Tus-Resumable and lists the versions', async () => {
    for (const version of ['1.0.0', '0.2.2', 'nonsense']) {
      const answer = await options({ 'Tus-Resumable': version })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('tus-version')).toBe('1.0.0')
    }
  })

  it('Tus-Max-Size is there where there is a limit, and only there', async () => {
    expect((await options({}, limited.url)).headers.get('tus-max-size')).toBe('1000')
    expect((await options()).headers.get('tus-max-size')).toBeNull()
  })

  it('HEAD has no Upload-Offset where there is no upload to go on with', async () => {
    const removed = await tus.begin(5)
    await tus.remove(removed)
    const expired = await tus.begin(5)
    const stranger = tusClient(server.url, (await server.accounts.add('user')).authorization)
    const foreign = location(await stranger.create({ 'Upload-Length': '5' }))
    const unknown = `${server.url}/files/00000000-0000-4000-8000-000000000000`
    ahead = 25 * 3600_000
    try {
      for (const [url, status] of [
        [unknown, 404],
        [foreign, 404],
        [removed, 410],
        [expired, 410],
      ] as const) {
        const head = await tus.head(url)
        expect([head.status, head.headers.get('upload-offset')]).toEqual([status, null])
      }
    } finally {
      ahead = 0
    }
  })

  it('HEAD of a finished upload still has offset and length', async () => {
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'hello')
    const head = await tus.head(url)
    expect(head.headers.get('upload-offset')).toBe('5')
    expect(head.headers.get('upload-length')).toBe('5')
    expect(head.headers.get('cache-control')).toBe('no-store')
  })

  it('the offset after a PATCH is the one before it and the bytes of its body', async () => {
    const url = await tus.begin(12)
    let offset = 0
    for (const body of ['h', '', 'ello', ' world', '!']) {
      const answer = await tus.patch(url, offset, body)
      offset += body.length
      expect([answer.status, answer.headers.get('upload-offset')]).toEqual([204, String(offset)])
    }
  })

  it('PATCH of what does not exist is 404, of what has expired 410', async () => {
    const expired = await tus.begin(5)
    const unknown = `${server.url}/files/00000000-0000-4000-8000-000000000000`
    expect((await tus.patch(unknown, 0, 'hello')).status).toBe(404)
    ahead = 25 * 3600_000
    const answer = await tus.patch(expired, 0, 'hello')
    ahead = 0
    expect(answer.status).toBe(410)
  })
})

describe('creation', () => {
  it('Upload-Defer-Length is nowhere where the length is known', async () => {
    const created = await tus.create({ 'Upload-Length': '5' })
    const patched = await tus.patch(location(created), 0, 'he')
    const head = await tus.head(location(created))
    for (const answer of [created, patched, head])
      expect(answer.headers.get('upload-defer-length')).toBeNull()
    expect(head.headers.get('upload-length')).toBe('5')
  })

  it('metadata with empty values and without a space comes back as it was', async () => {
    const metadata = 'filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential'
    const answer = await tus.create({ 'Upload-Length': '100', 'Upload-Metadata': metadata })
    const url = location(answer)
    expect((await tus.head(url)).headers.get('upload-metadata')).toBe(metadata)
    await tus.patch(url, 0, 'x'.repeat(100))
    expect((await tus.head(url)).headers.get('upload-metadata')).toBe(metadata)
  })

  it('an upload without metadata has none', async () => {
    expect((await tus.head(await tus.begin(5))).headers.get('upload-metadata')).toBeNull()
  })
})

describe('expiration', () => {
  it('Upload-Expires is an HTTP date on POST, HEAD and every PATCH that does not finish', async () => {
    const date =
      /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/
    const headers = { 'Upload-Length': '9', 'Content-Type': BODY_TYPE }
    const created = await tus.create(headers, 'abc')
    const url = location(created)
    const answers = [created, await tus.head(url), await tus.patch(url, 3, 'def')]
    for (const answer of answers) expect(answer.headers.get('upload-expires')).toMatch(date)
    const last = await tus.patch(url, 6, 'ghi')
    expect(last.headers.get('upload-expires')).toBeNull()
    expect((await tus.head(url)).headers.get('upload-expires')).toBeNull()
  })
})

describe('checksum', () => {
  it('algorithms are listed in lower-case ASCII, and sha1 is one of them', async () => {
    const listed = (await options()).headers.get('tus-checksum-algorithm')?.split(',') ?? []
    expect(listed).toContain('sha1')
    for (const name of listed) expect(name).toMatch(/^[!-@[-~]+$/)
  })

  it('the example of the specification is accepted', async () => {
    const url = await tus.begin(11)
    const sum = { 'Upload-Checksum': 'sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=' }
    const wrong = await tus.patch(url, 0, 'hello w0rld', sum)
    expect(wrong.status).toBe(460)
    const answer = await tus.patch(url, 0, 'hello world', sum)
    expect([answer.status, answer.headers.get('upload-offset')]).toEqual([204, '11'])
  })
})

describe('termination', () => {
  it('of finished, unfinished and partial uploads is 204, and 410 from then on', async () => {
    const finished = await tus.begin(0)
    const partial = location(await tus.create({ 'Upload-Concat': 'partial', 'Upload-Length': '0' }))
    const final = location(await tus.create({ 'Upload-Concat': `final;${partial}` }))
    for (const url of [finished, await tus.begin(5), final, partial]) {
      expect((await tus.remove(url)).status).toBe(204)
      expect((await tus.head(url)).status).toBe(410)
      expect((await tus.patch(url, 0, 'hello')).status).toBe(url === final ? 403 : 410)
      expect((await tus.remove(url)).status).toBe(410)
    }
  })
})

describe('concatenation', () => {
  const partial = async (body: string, metadata: Record<string, string> = {}) => {
    const created = await tus.create({
      'Upload-Concat': 'partial',
      'Upload-Length': String(body.length),
      ...(Object.keys(metadata).length > 0 && { 'Upload-Metadata': encode(metadata) }),
    })
    await tus.patch(location(created), 0, body)
    return new URL(location(created)).pathname
  }

  it('the example of the specification gives `hello world`', async () => {
    const parts = [await partial('hello'), await partial(' world')]
    const concat = `final;${parts.join(' ')}`
    const created = await tus.create({ 'Upload-Concat': concat })
    expect(created.status).toBe(201)
    const head = await tus.head(location(created))
    expect(head.headers.get('upload-length')).toBe('11')
    expect(head.headers.get('upload-offset')).toBe('11')
    expect(head.headers.get('upload-concat')).toBe(concat)
    const bytes = await fetch(location(created), { headers: { Authorization: authorization } })
    expect(await bytes.text()).toBe('hello world')
  })

  it('a final upload has its own metadata and none of its parts', async () => {
    const url = await partial('hello', { filename: 'part.txt', description: 'a part' })
    const plain = await tus.create({ 'Upload-Concat': `final;${url}` })
    expect((await tus.head(location(plain))).headers.get('upload-metadata')).toBeNull()
    const own = encode({ filename: 'whole.txt' })
    const named = await tus.create({ 'Upload-Concat': `final;${url}`, 'Upload-Metadata': own })
    expect((await tus.head(location(named))).headers.get('upload-metadata')).toBe(own)
    const part = await tus.head(server.url + url)
    expect(part.headers.get('upload-metadata')).toBe(
      encode({ filename: 'part.txt', description: 'a part' }),
    )
    const answer = await fetch(plain.headers.get('landfall-media-url') ?? '')
    expect(answer.headers.get('content-disposition')).not.toContain('part.txt')
  })
})
