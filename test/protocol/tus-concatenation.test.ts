import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { BODY_TYPE, encode, TUS, type TusClient, tusClient } from '../support/tus.ts'

let shared: TestServer
let server: TestServer
let user: { id: number; authorization: string }
let tus: TusClient
let filesBefore: number

beforeAll(async () => {
  shared = await startServer()
})
afterAll(() => shared.close())
afterEach(async () => {
  if (server !== shared) await server.close()
})

/** A user of their own for each test, on a server of its own where that has to be another one. */
async function start(options?: TestServerOptions) {
  server = options === undefined ? shared : await startServer(options)
  user = await server.accounts.add('user')
  tus = tusClient(server.url, user.authorization)
  filesBefore = await filesOnDisk()
}

const hour = 3600_000
const location = (answer: Response) => answer.headers.get('location') ?? ''
const pathOf = (url: string) => new URL(url).pathname

/** A partial upload of these bytes, or of so many that are still to come. */
async function part(content: string | Buffer | number): Promise<string> {
  const length = typeof content === 'number' ? content : Buffer.byteLength(content)
  const created = await tus.create({ 'Upload-Concat': 'partial', 'Upload-Length': String(length) })
  expect(created.status).toBe(201)
  const url = location(created)
  if (typeof content !== 'number' && length > 0)
    expect((await tus.patch(url, 0, content)).status).toBe(204)
  return url
}

const final = (urls: readonly string[], headers: Record<string, string> = {}) =>
  tus.create({ 'Upload-Concat': `final;${urls.join(' ')}`, ...headers })

const get = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { Authorization: user.authorization, ...headers } })

async function listed(): Promise<{ name: string; size: number }[]> {
  const answer = await fetch(`${server.url}/api/media/files?user_id=${user.id}&limit=1000`, {
    headers: { Authorization: server.admin },
  })
  return ((await answer.json()) as { results: { name: string; size: number }[] }).results
}

/** Files of bytes that this test has made. */
async function files(): Promise<number> {
  return (await filesOnDisk()) - filesBefore
}

async function filesOnDisk(): Promise<number> {
  const folder = path.join(server.dataDir, 'files')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).length
}

describe('a final upload of finished parts', () => {
  it('has the bytes of its parts in order and is one record, which the parts are not', async () => {
    await start()
    const pieces = [randomBytes(100_000), randomBytes(1), randomBytes(2_000_000)]
    const urls = await Promise.all(pieces.map(part))
    expect(await listed()).toEqual([])
    const metadata = encode({ filename: 'joined.bin', description: 'of three' })
    const created = await final(urls, { 'Upload-Metadata': metadata })
    expect(created.status).toBe(201)
    expect(created.headers.get('tus-resumable')).toBe('1.0.0')
    expect(created.headers.get('upload-expires')).toBeNull()
    expect(created.headers.get('landfall-media-file')).not.toBeNull()
    const whole = Buffer.concat(pieces)
    const stored = await fetch(created.headers.get('landfall-media-url') ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(whole)).toBe(true)
    expect(await listed()).toMatchObject([
      { name: 'joined.bin', description: 'of three', size: whole.length },
    ])
    const head = await tus.head(location(created))
    expect(head.status).toBe(200)
    expect(head.headers.get('upload-offset')).toBe(String(whole.length))
    expect(head.headers.get('upload-length')).toBe(String(whole.length))
    expect(head.headers.get('upload-concat')).toBe(`final;${urls.join(' ')}`)
    expect(head.headers.get('upload-metadata')).toBe(metadata)
    expect(head.headers.get('landfall-media-file')).toBe(created.headers.get('landfall-media-file'))
  })

  it('takes absolute and relative URLs, whatever host they name, and a part twice', async () => {
    await start()
    const [a, b] = [await part('he'), await part('l')]
    const id = b.slice(b.lastIndexOf('/') + 1)
    const c = await part('o')
    const urls = [a, pathOf(b), id, `https://elsewhere.example${pathOf(c)}/?token=x`]
    const created = await final(urls)
    expect(created.status).toBe(201)
    expect(await (await get(location(created))).text()).toBe('hello')
    expect((await tus.head(location(created))).headers.get('upload-concat')).toBe(
      `final;${urls.join(' ')}`,
    )
  })

  it('can be made of the same parts again, until they expire', async () => {
    let ahead = 0
    await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const urls = [await part('ab'), await part('cd')]
    const first = location(await final(urls))
    ahead = 20 * hour
    const second = location(await final([...urls].reverse()))
    ahead = 25 * hour
    expect((await final(urls)).status).toBe(410)
    await server.landfall.sweep()
    expect(await (await get(first)).text()).toBe('abcd')
    expect(await (await get(second)).text()).toBe('cdab')
    expect(await files()).toBe(2)
    expect((await tus.head(urls[0] ?? '')).status).toBe(410)
  })

  it('of nothing but empty parts is an empty file', async () => {
    await start()
    const empty = await part('')
    const created = await final([empty, empty])
    expect(created.status).toBe(201)
    const head = await tus.head(location(created))
    expect(head.headers.get('upload-offset')).toBe('0')
    expect(head.headers.get('upload-length')).toBe('0')
    expect(await listed()).toMatchObject([{ size: 0 }])
  })

  it('is verified by a digest in its metadata', async () => {
    await start()
    const urls = [await part('hello '), await part('world')]
    const sha256 = 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9'
    const good = await final(urls, { 'Upload-Metadata': encode({ sha256 }) })
    expect(good.status).toBe(201)
    const bad = await final([...urls].reverse(), { 'Upload-Metadata': encode({ sha256 }) })
    expect(bad.status).toBe(460)
    expect(await listed()).toHaveLength(1)
    expect(await files()).toBe(3)
  })
})

describe('a final upload of unfinished parts', () => {
  it('finishes with the last byte of the last part, before that is answered', async () => {
    await start()
    const [a, b] = [await part(3), await part(2)]
    const created = await final([a, b], { 'Upload-Metadata': encode({ filename: 'late.txt' }) })
    expect(created.status).toBe(201)
    expect(created.headers.get('upload-expires')).not.toBeNull()
    expect(created.headers.get('landfall-media-file')).toBeNull()
    const url = location(created)
    const head = await tus.head(url)
    expect(head.status).toBe(200)
    expect(head.headers.get('upload-offset')).toBeNull()
    expect(head.headers.get('upload-length')).toBe('5')
    expect(head.headers.get('upload-defer-length')).toBeNull()
    expect(head.headers.get('upload-expires')).not.toBeNull()
    expect((await get(url)).status).toBe(404)
    await tus.patch(b, 0, 'lo')
    await tus.patch(a, 0, 'he')
    expect(await listed()).toEqual([])
    expect((await tus.patch(a, 2, 'l')).status).toBe(204)
    expect(await listed()).toMatchObject([{ name: 'late.txt', size: 5 }])
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('5')
    expect(await (await get(url)).text()).toBe('hello')
  })

  it('knows its length as soon as every part has one', async () => {
    await start()
    const deferred = { 'Upload-Concat': 'partial', 'Upload-Defer-Length': '1' }
    const open = location(await tus.create(deferred))
    const url = location(await final([open, await part('!')]))
    const before = await tus.head(url)
    expect(before.status).toBe(200)
    expect(before.headers.get('upload-length')).toBeNull()
    expect(before.headers.get('upload-offset')).toBeNull()
    expect(before.headers.get('upload-defer-length')).toBeNull()
    expect((await tus.head(open)).headers.get('upload-defer-length')).toBe('1')
    await tus.patch(open, 0, 'a', { 'Upload-Length': '3' })
    expect((await tus.head(url)).headers.get('upload-length')).toBe('4')
    expect((await tus.patch(open, 1, 'bc')).status).toBe(204)
    expect(await (await get(url)).text()).toBe('abc!')
  })

  it('finishes once when its parts finish at the same moment', async () => {
    await start()
    const parts = await Promise.all(Array.from({ length: 8 }, () => part(1)))
    const url = location(await final(parts))
    const answers = await Promise.all(parts.map((each, n) => tus.patch(each, 0, String(n))))
    expect(answers.map(({ status }) => status)).toEqual(parts.map(() => 204))
    expect(await listed()).toMatchObject([{ size: 8 }])
    expect(await (await get(url)).text()).toBe('01234567')
  })

  it('is made of parts whose last byte comes while it is being created', async () => {
    await start()
    for (let round = 0; round < 5; round++) {
      const urls = [await part('a'), await part(1)]
      const [created, patched] = await Promise.all([final(urls), tus.patch(urls[1] ?? '', 0, 'b')])
      expect([created.status, patched.status]).toEqual([201, 204])
      expect(await (await get(location(created))).text()).toBe('ab')
    }
    expect(await listed()).toHaveLength(5)
  })

  it('is one of several that share their last part', async () => {
    await start()
    const [a, b] = [await part('a'), await part(1)]
    const urls = [location(await final([a, b])), location(await final([b, a, b]))]
    expect((await tus.patch(b, 0, 'b')).status).toBe(204)
    const texts = await Promise.all(urls.map(async (url) => (await get(url)).text()))
    expect(texts).toEqual(['ab', 'bab'])
  })

  it('expires where a part has ended', async () => {
    let ahead = 0
    await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const [a, b] = [await part('a'), await part(1)]
    const url = location(await final([a, b]))
    expect((await tus.remove(a)).status).toBe(204)
    expect((await tus.patch(b, 0, 'b')).status).toBe(204)
    expect((await tus.head(url)).headers.get('upload-offset')).toBeNull()
    ahead = 25 * hour
    await server.landfall.sweep()
    expect((await tus.head(url)).status).toBe(410)
    expect(await files()).toBe(0)
    expect(await listed()).toEqual([])
  })

  it('does not expire, nor do its parts, while one of them is active', async () => {
    let ahead = 0
    await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const [a, b] = [await part('a'), await part(2)]
    const url = location(await final([a, b]))
    ahead = 20 * hour
    await tus.patch(b, 0, 'b')
    await server.landfall.sweep()
    ahead = 40 * hour
    await server.landfall.sweep()
    expect((await tus.patch(b, 1, 'c')).status).toBe(204)
    expect(await (await get(url)).text()).toBe('abc')
  })

  it('does not finish without a part that is long forgotten', async () => {
    let ahead = 0
    await start({
      env: { UPLOAD_EXPIRES_AFTER: '90d' },
      replaced: { now: () => new Date(Date.now() + ahead) },
    })
    const [a, b] = [await part('a'), await part(1)]
    const url = location(await final([a, b]))
    await tus.remove(a)
    ahead = 31 * 24 * hour
    await server.landfall.sweep()
    await tus.patch(b, 0, 'b')
    await server.landfall.sweep()
    expect((await tus.head(url)).headers.get('upload-offset')).toBeNull()
    expect(await listed()).toEqual([])
  })
})

describe('a final upload', () => {
  it('takes no PATCH, before and after it is finished, and its parts stay as they are', async () => {
    await start()
    const [a, b] = [await part('abc'), await part(3)]
    const url = location(await final([a, b]))
    for (const offset of [0, 3, 6]) {
      const answer = await tus.patch(url, offset, 'x')
      expect(answer.status).toBe(403)
      expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
    }
    const override = { 'X-HTTP-Method-Override': 'PATCH' }
    const posted = await fetch(url, {
      method: 'POST',
      headers: {
        ...TUS,
        ...override,
        Authorization: user.authorization,
        'Upload-Offset': '0',
        'Content-Type': BODY_TYPE,
      },
      body: 'x',
    })
    expect(posted.status).toBe(403)
    // Through the other protocol of these URLs neither.
    const ietf = await fetch(url, {
      method: 'PATCH',
      headers: {
        Authorization: user.authorization,
        'Upload-Draft-Interop-Version': '8',
        'Upload-Offset': '0',
        'Upload-Complete': '?1',
        'Content-Type': 'application/partial-upload',
      },
      body: 'x',
    })
    expect([403, 404]).toContain(ietf.status)
    expect((await tus.head(b)).headers.get('upload-offset')).toBe('0')
    await tus.patch(b, 0, 'def')
    expect((await tus.patch(url, 6, '')).status).toBe(403)
    expect(await (await get(url)).text()).toBe('abcdef')
  })

  it('has no length, no deferred length and no body of its own', async () => {
    await start()
    const urls = [await part('a')]
    expect((await final(urls, { 'Upload-Length': '1' })).status).toBe(400)
    expect((await final(urls, { 'Upload-Defer-Length': '1' })).status).toBe(400)
    const withBody = await tus.create(
      { 'Upload-Concat': `final;${urls}`, 'Content-Type': BODY_TYPE },
      'x',
    )
    expect(withBody.status).toBe(403)
    expect(await listed()).toEqual([])
  })

  it.each([
    ['nothing', ''],
    ['an unknown value', 'whole'],
    ['partial in capitals', 'Partial'],
    ['partial twice', 'partial, partial'],
    ['partial with a list', 'partial;/files/x'],
    ['final without a list', 'final'],
    ['final with an empty list', 'final;'],
    ['final with a list of spaces', 'final;   '],
    ['a URL that cannot be read', 'final;http://['],
  ])('refuses %s as Upload-Concat with 400', async (_name, value) => {
    await start()
    for (const length of [{}, { 'Upload-Length': '5' }] as Record<string, string>[]) {
      const answer = await tus.create({ 'Upload-Concat': value, ...length })
      expect(answer.status).toBe(400)
      expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
    }
    expect(await files()).toBe(0)
  })

  it('refuses parts that are unknown, foreign or elsewhere with 404, all alike', async () => {
    await start()
    const mine = await part('a')
    const other = tusClient(server.url, (await server.accounts.add('user')).authorization)
    const foreign = location(
      await other.create({ 'Upload-Concat': 'partial', 'Upload-Length': '1' }),
    )
    const id = pathOf(mine).slice('/files/'.length)
    const targets = [
      foreign,
      '/files/00000000-0000-4000-8000-000000000000',
      '/files/nonsense',
      '/files/',
      '/files',
      `/elsewhere/${id}`,
      `/files/x/${id}`,
      `/files/../${id}`,
      `/files/${id}/x`,
    ]
    const bodies = new Set<string>()
    for (const target of targets) {
      const answer = await final([mine, target])
      expect([target, answer.status]).toEqual([target, 404])
      bodies.add(await answer.text())
    }
    expect(bodies.size).toBe(1)
    expect(await files()).toBe(2)
  })

  it('is joined by staff from parts of others', async () => {
    await start()
    const url = await part('a')
    const staff = tusClient(server.url, (await server.accounts.add('staff')).authorization)
    expect((await staff.create({ 'Upload-Concat': `final;${url}` })).status).toBe(201)
  })

  it('refuses a final, a whole file and a removed upload as a part', async () => {
    await start()
    const url = await part('a')
    const whole = location(await final([url]))
    expect((await final([url, whole])).status).toBe(400)
    const open = location(await final([await part(1)]))
    expect((await final([open])).status).toBe(400)
    expect((await final([await tus.begin(5)])).status).toBe(400)
    await tus.remove(url)
    expect((await final([url])).status).toBe(410)
  })

  it('has at most 1,000 parts', async () => {
    await start()
    const url = await part('ab')
    const id = url.slice(url.lastIndexOf('/') + 1)
    const created = await final(Array(1000).fill(id))
    expect(created.status).toBe(201)
    expect(await (await get(location(created))).text()).toBe('ab'.repeat(1000))
    expect((await final(Array(1001).fill(id))).status).toBe(400)
  })

  it('is removed by DELETE, its parts are not; and a part by its own', async () => {
    await start()
    const [a, b] = [await part('a'), await part(1)]
    const open = location(await final([a, b]))
    expect((await tus.remove(open)).status).toBe(204)
    expect((await tus.head(open)).status).toBe(410)
    await tus.patch(b, 0, 'b')
    const done = location(await final([a, b]))
    expect((await tus.remove(done)).status).toBe(204)
    expect(await listed()).toEqual([])
    expect(await files()).toBe(2)
    expect((await tus.remove(a)).status).toBe(204)
    expect((await tus.head(a)).status).toBe(410)
    expect(await files()).toBe(1)
  })

  it('has the size limit of every upload', async () => {
    await start({ env: { UPLOAD_MAX_SIZE: '5' } })
    const url = await part('abc')
    expect((await final([url, url])).status).toBe(413)
    const deferred = { 'Upload-Concat': 'partial', 'Upload-Defer-Length': '1' }
    const open = location(await tus.create(deferred))
    const whole = location(await final([url, open]))
    expect((await tus.patch(open, 0, 'def', { 'Upload-Length': '3' })).status).toBe(204)
    expect((await tus.head(whole)).status).toBe(413)
    expect(await listed()).toEqual([])
  })

  it('takes its size of the quota, beside its parts', async () => {
    await start({ env: { USER_MAX_BYTES: '10' } })
    const url = await part('abcd')
    expect((await final([url, url])).status).toBe(413)
    expect((await final([url])).status).toBe(201)
    expect((await tus.create({ 'Upload-Length': '3' })).status).toBe(413)
    expect((await tus.create({ 'Upload-Length': '2' })).status).toBe(201)
  })

  it('waits for quota that its parts have used up, and its last part says so', async () => {
    await start({ env: { USER_MAX_BYTES: '10' } })
    const deferred = { 'Upload-Concat': 'partial', 'Upload-Defer-Length': '1' }
    const open = location(await tus.create(deferred))
    const other = await tus.begin(3)
    const whole = location(await final([open]))
    const last = await tus.patch(open, 0, 'abcd', { 'Upload-Length': '4' })
    expect(last.status).toBe(413)
    expect(await last.text()).toContain('quota')
    expect(last.headers.get('upload-offset')).toBe('4')
    const waiting = await tus.head(whole)
    expect(waiting.status).toBe(200)
    expect(waiting.headers.get('upload-length')).toBe('4')
    expect(waiting.headers.get('upload-offset')).toBeNull()
    await tus.remove(other)
    expect((await tus.patch(open, 4, '')).status).toBe(204)
    expect(await (await get(whole)).text()).toBe('abcd')
  })

  it('is refused by its name or its content, which its parts are not', async () => {
    await start({ env: { ACCEPTED_FILE_FORMATS: 'image' } })
    const named = {
      'Upload-Concat': 'partial',
      'Upload-Length': '8000',
      'Upload-Metadata': encode({ filename: 'a.txt', filetype: 'text/plain' }),
    }
    const url = location(await tus.create(named))
    expect((await tus.patch(url, 0, 'x'.repeat(8000))).status).toBe(204)
    const late = await part(1)
    const declared = { 'Upload-Metadata': encode({ filename: 'a.txt' }) }
    expect((await final([url], declared)).status).toBe(415)
    expect((await final([url])).status).toBe(415)
    const whole = location(await final([url, late]))
    // The last part itself is fine, and its whole has come to its end.
    expect((await tus.patch(late, 0, 'x')).status).toBe(204)
    expect((await tus.head(whole)).status).toBe(415)
    expect(await files()).toBe(2)
  })
})

describe('trouble while joining', () => {
  /** A server whose storage joins nothing while there is a fault to throw. */
  async function startTroubled(trouble: { fault?: Fault }) {
    await start({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          async join(key, sources) {
            if (trouble.fault) throw trouble.fault
            await storage.join(key, sources)
          },
        }),
      },
    })
  }

  it('fails the last part, which is stored all the same, until somebody asks again', async () => {
    const trouble: { fault?: Fault } = { fault: new Fault('storage-full') }
    await startTroubled(trouble)
    const [a, b] = [await part('ab'), await part(2)]
    const url = location(await final([a, b]))
    const last = await tus.patch(b, 0, 'cd')
    expect(last.status).toBe(507)
    expect(last.headers.get('upload-offset')).toBe('2')
    expect((await tus.patch(b, 2, '')).status).toBe(507)
    // Never 5xx on HEAD: clients begin again from zero on it.
    expect((await tus.head(url)).status).toBe(423)
    expect((await tus.head(b)).headers.get('upload-offset')).toBe('2')
    expect((await server.landfall.sweep()).joined).toBe(0)
    delete trouble.fault
    expect((await tus.patch(b, 2, '')).status).toBe(204)
    expect(await (await get(url)).text()).toBe('abcd')
    expect(await listed()).toHaveLength(1)
  })

  it('is made good by the sweep, however late', async () => {
    const trouble: { fault?: Fault } = { fault: new Fault('unavailable') }
    await startTroubled(trouble)
    const [a, b] = [await part('ab'), await part(2)]
    const url = location(await final([a, b]))
    expect((await tus.patch(b, 0, 'cd')).status).toBe(503)
    delete trouble.fault
    expect((await server.landfall.sweep()).joined).toBe(1)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('4')
  })

  it('does not fail a part when another was removed meanwhile: the whole expires', async () => {
    let meanwhile = async () => {}
    await start({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          async join(key, sources) {
            await meanwhile()
            await storage.join(key, sources)
          },
        }),
      },
    })
    const [a, b] = [await part('ab'), await part(2)]
    const url = location(await final([a, b]))
    meanwhile = async () => {
      expect((await tus.remove(a)).status).toBe(204)
    }
    expect((await tus.patch(b, 0, 'cd')).status).toBe(204)
    const head = await tus.head(url)
    expect([head.status, head.headers.get('upload-offset')]).toEqual([200, null])
    expect(await listed()).toEqual([])
  })

  it('leaves nothing of a final whose parts were all there', async () => {
    const trouble: { fault?: Fault } = { fault: new Fault('storage-full') }
    await startTroubled(trouble)
    const url = await part('ab')
    expect((await final([url])).status).toBe(507)
    expect(await files()).toBe(1)
    delete trouble.fault
    expect((await final([url])).status).toBe(201)
    expect(await listed()).toHaveLength(1)
  })
})

describe('a partial upload', () => {
  it('says so, keeps its metadata and is served as bytes to be stored', async () => {
    await start()
    const metadata = encode({
      filename: 'page.html',
      filetype: 'text/html',
      sha256: '0'.repeat(64),
    })
    const created = await tus.create(
      {
        'Upload-Concat': 'partial',
        'Upload-Length': '13',
        'Upload-Metadata': metadata,
        'Content-Type': BODY_TYPE,
      },
      '<b>hel',
    )
    expect(created.status).toBe(201)
    expect(created.headers.get('upload-offset')).toBe('6')
    const url = location(created)
    const unfinished = await tus.head(url)
    expect(unfinished.headers.get('upload-concat')).toBe('partial')
    expect(unfinished.headers.get('upload-metadata')).toBe(metadata)
    expect(unfinished.headers.get('upload-offset')).toBe('6')
    expect((await get(url)).status).toBe(404)
    const last = await tus.patch(url, 6, 'lo</b>\n')
    expect(last.status).toBe(204)
    expect(last.headers.get('landfall-media-file')).toBeNull()
    expect(last.headers.get('upload-expires')).not.toBeNull()
    const finished = await tus.head(url)
    expect(finished.headers.get('upload-concat')).toBe('partial')
    expect(finished.headers.get('upload-offset')).toBe('13')
    expect(finished.headers.get('upload-length')).toBe('13')

    const bytes = await get(url)
    expect(bytes.status).toBe(200)
    expect(bytes.headers.get('tus-resumable')).toBe('1.0.0')
    expect(bytes.headers.get('content-type')).toBe('application/octet-stream')
    expect(bytes.headers.get('content-disposition')).toMatch(/^attachment/)
    expect(bytes.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await bytes.text()).toBe('<b>hello</b>\n')
    const range = await get(url, { Range: 'bytes=3-7' })
    expect(range.status).toBe(206)
    expect(await range.text()).toBe('hello')
    expect((await fetch(url)).status).toBe(401)
    expect(await listed()).toEqual([])
  })

  it('of a length that is declared at the end is a part like any other', async () => {
    await start()
    const deferred = { 'Upload-Concat': 'partial', 'Upload-Defer-Length': '1' }
    const url = location(await tus.create(deferred))
    await tus.patch(url, 0, 'abc')
    expect((await tus.patch(url, 3, '', { 'Upload-Length': '3' })).status).toBe(204)
    expect(await (await get(location(await final([url])))).text()).toBe('abc')
  })

  it('is gone when it has expired, before any sweep', async () => {
    let ahead = 0
    await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const url = await part('abc')
    ahead = 25 * hour
    expect((await get(url)).status).toBe(410)
    expect((await tus.head(url)).status).toBe(410)
  })

  it('counts as unfinished and with its bytes until it ends', async () => {
    await start({ env: { USER_MAX_OPEN_UPLOADS: '2', USER_MAX_BYTES: '10' } })
    const urls = [await part('abc'), await part('def')]
    expect((await tus.create({ 'Upload-Length': '1' })).status).toBe(429)
    await tus.remove(urls[0] ?? '')
    expect((await tus.create({ 'Upload-Length': '8' })).status).toBe(413)
    expect((await tus.create({ 'Upload-Length': '7' })).status).toBe(201)
  })

  it('stands on disk once, and its whole beside it', async () => {
    await start()
    const url = await part(Buffer.alloc(100_000))
    const whole = location(await final([url, url, url]))
    const id = whole.slice(whole.lastIndexOf('/') + 1)
    const found = await stat(path.join(server.dataDir, 'files', id.slice(0, 2), id))
    expect(found.size).toBe(300_000)
    expect(await files()).toBe(2)
  })
})
