import { createHash, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parseDictionary } from '../../src/wire/structured-field.ts'
import type { RawConnection } from '../support/raw.ts'
import {
  finalOf,
  PARTIAL,
  type ResumableClient,
  resumableClient,
  type Told,
} from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'

const REGISTERED = 'https://iana.org/assignments/http-problem-types#'
const UNKNOWN = '/files/00000000-0000-4000-8000-000000000000'

let server: TestServer
let client: ResumableClient
let owner: { authorization: string; id: number }

beforeAll(async () => {
  server = await startServer({
    env: {
      UPLOAD_MAX_SIZE: '1000000',
      RESUMABLE_HTTP_MAX_APPEND_SIZE: '500000',
      RESUMABLE_HTTP_INTERIM: 'true',
    },
  })
  owner = await server.accounts.add('user')
  client = resumableClient(server.url, owner.authorization)
})
afterAll(() => server.close())

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const idOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)
const storedSize = async (url: string) =>
  (await stat(path.join(server.dataDir, 'files', idOf(url).slice(0, 2), idOf(url)))).size

async function records(): Promise<number> {
  const answer = await fetch(`${server.url}/api/media/files?limit=1`, {
    headers: { Authorization: server.admin },
  })
  return ((await answer.json()) as { count: number }).count
}

async function bytesOf(url: string | undefined): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(url ?? '')).arrayBuffer())
}

const textOf = async (url: string | undefined) => Buffer.from(await bytesOf(url)).toString()
const recordOf = (told: Told) => JSON.parse(told.body) as Record<string, unknown>
const problemOf = (told: Told) => {
  expect(told.headers['content-type']).toBe('application/problem+json')
  return JSON.parse(told.body) as Record<string, unknown>
}
const interim104 = (told: Told) => told.interim.filter(({ status }) => status === 104)

function expectFinal(told: Told): void {
  expect(told.status).toBe(201)
  expect(told.headers['upload-complete']).toBe('?1')
  const record = recordOf(told)
  expect(told.headers.location).toBe(`/api/media/files/${record.id}`)
  expect(told.headers['landfall-media-file']).toBe(String(record.id))
  expect(told.headers['landfall-media-url']).toBe(record.f)
}

/** Resolves when bytes of an unanswered request are on the disk. */
const arrived = (url: string, bytes = 1) =>
  vi.waitFor(async () => expect(await storedSize(url)).toBeGreaterThanOrEqual(bytes), {
    timeout: 5000,
    interval: 10,
  })

async function beginPatch(url: string, offset: number, options: { length: number; body: string }) {
  return client.begin('PATCH', url, {
    ...options,
    headers: {
      'Content-Type': PARTIAL,
      'Upload-Offset': String(offset),
      'Upload-Complete': '?0',
    },
  })
}

describe('discovery', () => {
  it('1: OPTIONS has the limits, beside what tus clients ask for', async () => {
    for (const to of ['/files', '/files/', UNKNOWN]) {
      const answer = await fetch(server.url + to, { method: 'OPTIONS' })
      expect(answer.status).toBe(200)
      const limits = parseDictionary(answer.headers.get('upload-limit'))
      expect(Object.fromEntries(limits ?? [])).toEqual({
        'max-size': 1000000,
        'max-append-size': 500000,
        'max-age': 24 * 3600,
      })
      expect(answer.headers.get('accept-patch')).toContain(PARTIAL)
      expect(answer.headers.get('tus-version')).toBe('1.0.0')
    }
  })

  it('1: names the lifetime as interop 6 does to whoever speaks it', async () => {
    const headers = { 'Upload-Draft-Interop-Version': '6' }
    const answer = await fetch(`${server.url}/files/`, { method: 'OPTIONS', headers })
    expect(answer.headers.get('upload-limit')).toContain('expires=86400')
  })

  it('1: answers the preflight of a page with what it may send and read', async () => {
    const answer = await fetch(`${server.url}/files/`, {
      method: 'OPTIONS',
      headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'PATCH' },
    })
    expect(answer.ok).toBe(true)
    const allowed = answer.headers.get('access-control-allow-headers')
    for (const name of ['Upload-Offset', 'Upload-Complete', 'Upload-Draft-Interop-Version'])
      expect(allowed).toContain(name)
    const exposed = answer.headers.get('access-control-expose-headers')
    for (const name of ['Location', 'Upload-Limit', 'Upload-Complete', 'Repr-Digest'])
      expect(exposed).toContain(name)
  })
})

describe('creation', () => {
  it('2: takes a whole file in one request, announcing the upload before', async () => {
    const told = await client.ask('POST', '/files/', {
      body: 'hello world',
      headers: {
        'Upload-Complete': '?1',
        'Content-Type': 'text/plain',
        'Content-Disposition': 'attachment; filename="greeting.txt"',
      },
    })
    expectFinal(told)
    const [first] = interim104(told)
    expect(first?.headers.location).toMatch(new RegExp(`^${server.url}/files/[0-9a-f-]{36}$`))
    expect(first?.headers['upload-limit']).toMatch(
      /^max-size=1000000, max-append-size=500000, max-age=\d+$/,
    )
    expect(first?.headers['upload-draft-interop-version']).toBe('10')
    expect(recordOf(told)).toMatchObject({ name: 'greeting.txt', type: 'text', size: 11 })
    expect(await textOf(told.headers['landfall-media-url'])).toBe('hello world')
  })

  it.each([
    ['no version', null],
    ['a version that is not spoken here', 999],
    ['a version that is no number', '"10"'],
  ])('3: with %s there is no 104, and the same answer', async (_name, version) => {
    const headers = { 'Upload-Complete': '?1' }
    const told = await client.ask('POST', '/files/', { version, body: 'hello world', headers })
    expect(told.interim).toEqual([])
    expectFinal(told)
    expect(await textOf(told.headers['landfall-media-url'])).toBe('hello world')
  })

  it('4: sends nothing interim to HTTP/1.0, which may also leave out Host', async () => {
    const headers = { 'Upload-Complete': '?1' }
    const told = await client.ask('POST', '/files/', { http: '1.0', body: 'hello', headers })
    expect(told.interim).toEqual([])
    expect(told.status).toBe(201)
  })

  it('5: gives an empty upload to whoever is careful', async () => {
    const headers = { 'Upload-Complete': '?0', 'Upload-Length': '11' }
    const told = await client.ask('POST', '/files/', { headers })
    expect(told.status).toBe(201)
    expect(told.headers).toMatchObject({
      'upload-complete': '?0',
      'upload-offset': '0',
      'upload-length': '11',
      'upload-draft-interop-version': '10',
      'cache-control': 'no-store',
    })
    expect(told.headers['upload-limit']).toMatch(/max-size=1000000.*max-age=86[34]\d\d/)
    const [first] = interim104(told)
    expect(first?.headers.location).toBe(told.headers.location)
    expect(await client.offset(told.headers.location ?? '')).toBe('0')
  })

  it('6: keeps the first bytes of a file that comes in parts', async () => {
    const url = await client.make('hello', 11)
    expect(await client.offset(url)).toBe('5')
  })

  it('7: makes an empty file of an empty body', async () => {
    const before = await records()
    const told = await client.ask('POST', '/files/', { headers: { 'Upload-Complete': '?1' } })
    expectFinal(told)
    expect(recordOf(told)).toMatchObject({ size: 0, type: 'other' })
    expect(await records()).toBe(before + 1)
  })

  it('8: refuses two lengths that do not agree, and creates nothing', async () => {
    const before = await records()
    for (const complete of ['?1', '?0']) {
      const told = await client.ask('POST', '/files/', {
        body: complete === '?1' ? 'hello world' : 'hello world, and more',
        headers: { 'Upload-Complete': complete, 'Upload-Length': '12' },
      })
      expect(told.status).toBe(400)
      expect(told.headers['upload-complete']).toBe('?0')
      expect(problemOf(told).type).toBe(`${REGISTERED}inconsistent-upload-length`)
      expect(told.headers.location).toBeUndefined()
    }
    expect(await records()).toBe(before)
  })

  it('9: refuses what is over a limit with all limits, before a 104', async () => {
    const told = await client.ask('POST', '/files/', {
      headers: { 'Upload-Complete': '?0', 'Upload-Length': '1000001' },
    })
    expect(told.status).toBe(413)
    expect(told.interim).toEqual([])
    expect(told.headers['upload-limit']).toContain('max-size=1000000')
    problemOf(told)
  })

  it('9: refuses more in one request than it takes, and the offset stays', async () => {
    const url = await client.make('hello', 900_000)
    const patched = await client.patch(url, 5, false, { length: 500_001 })
    expect(patched.status).toBe(413)
    expect(patched.headers['upload-limit']).toContain('max-append-size=500000')
    expect(await client.offset(url)).toBe('5')
    const headers = { 'Upload-Complete': '?0' }
    const created = await client.ask('POST', '/files/', { headers, length: 500_001 })
    expect(created.status).toBe(413)
    const chunked = await client.patch(url, 5, false, {
      body: randomBytes(500_001),
      length: 'chunked',
    })
    expect(chunked.status).toBe(413)
    expect(await client.offset(url)).toBe('5')
  })

  it('10: ignores a length of the wrong type', async () => {
    const headers = { 'Upload-Complete': '?1', 'Upload-Length': '"11"' }
    expectFinal(await client.ask('POST', '/files/', { body: 'hello world', headers }))
  })

  it('takes the name from Upload-Metadata too, and never the carrier for a type', async () => {
    const metadata = `filename ${Buffer.from('naïve.txt').toString('base64')}`
    const told = await client.ask('POST', '/files/', {
      body: 'hello',
      headers: {
        'Upload-Complete': '?1',
        'Upload-Metadata': metadata,
        'Content-Type': PARTIAL,
      },
    })
    expect(recordOf(told)).toMatchObject({ name: 'naïve.txt', mime_type: 'text/plain' })
  })

  it('takes UTF-8 in a plain filename, and filename* before it', async () => {
    const plain = Buffer.from('naïve.txt').toString('latin1')
    const disposition = {
      [`attachment; filename="${plain}"`]: 'naïve.txt',
      'attachment; filename="x"; filename*=UTF-8\'\'%E2%82%AC.txt': '€.txt',
    }
    for (const [value, name] of Object.entries(disposition)) {
      const answer = await fetch(`${server.url}/files/`, {
        method: 'POST',
        headers: {
          Authorization: owner.authorization,
          'Upload-Complete': '?1',
          'Content-Disposition': value,
        },
        body: 'hello',
      })
      expect(await answer.json()).toMatchObject({ name })
    }
  })

  it('counts the bytes as they came: a content coding is part of the file', async () => {
    const gzip = gzipSync('hello')
    const headers = { 'Content-Encoding': 'gzip' }
    const url = await client.make(gzip, gzip.length, { headers })
    expect(await client.offset(url)).toBe(String(gzip.length))
  })

  it('refuses nobody and knows nobody without a token', async () => {
    const nobody = resumableClient(server.url, '')
    const headers = { 'Upload-Complete': '?1' }
    const told = await nobody.ask('POST', '/files/', { body: 'hello', headers })
    expect(told.status).toBe(401)
    expect(told.headers['www-authenticate']).toBe('Token')
    expect(problemOf(told).detail).toBe('Authentication credentials were not provided.')
  })

  it('answers other methods with 405 and Allow', async () => {
    const headers = { 'Upload-Complete': '?1' }
    const put = await client.ask('PUT', '/files/', { body: 'hello', headers })
    expect([put.status, put.headers.allow]).toEqual([405, 'POST, OPTIONS'])
    const post = await client.ask('POST', await client.make('hello', 11), { headers })
    expect([post.status, post.headers.allow]).toEqual([405, 'GET, HEAD, PATCH, DELETE, OPTIONS'])
  })
})

describe('offset retrieval', () => {
  it.each(['HEAD', 'GET'])('11: %s tells the state and nothing else', async (method) => {
    const url = await client.make('hello', 11)
    for (const version of [10, null]) {
      const told = await client.ask(method, url, { version })
      expect(told.status).toBe(204)
      expect(told.body).toBe('')
      expect(told.headers).toMatchObject({
        'upload-offset': '5',
        'upload-complete': '?0',
        'upload-length': '11',
        'cache-control': 'no-store',
      })
      expect(told.headers['upload-limit']).toMatch(/max-age=86[34]\d\d/)
    }
  })

  it('12: knows neither a random upload nor that of another, whatever is asked', async () => {
    const foreign = await resumableClient(server.url, server.admin).make('hello', 11)
    for (const url of [foreign, UNKNOWN]) {
      for (const method of ['HEAD', 'GET', 'DELETE']) {
        const told = await client.ask(method, url)
        expect(told.status).toBe(404)
        expect(told.headers['upload-offset']).toBeUndefined()
      }
      expect((await client.patch(url, 5, false, { body: ' wo' })).status).toBe(404)
    }
    expect(await resumableClient(server.url, server.admin).offset(foreign)).toBe('5')
  })

  it('shows the finished upload as complete, and its file to whoever just reads', async () => {
    const url = await client.make('hello', 11)
    await client.patch(url, 5, true, { body: ' world' })
    const head = await client.ask('HEAD', url)
    expect(head.headers).toMatchObject({ 'upload-complete': '?1', 'upload-offset': '11' })
    expect(head.headers['landfall-media-file']).toMatch(/^\d+$/)
    expect((await client.ask('GET', url)).body).toBe('')
    const read = await fetch(url, { headers: { Authorization: owner.authorization } })
    expect(await read.text()).toBe('hello world')
  })
})

describe('append', () => {
  it('13, 14: adds a part, and completes with the answer of one request', async () => {
    const url = await client.make('hello', 11)
    const part = await client.patch(url, 5, false, { body: ' wo' })
    expect(part.status).toBe(204)
    expect(part.headers).toMatchObject({ 'upload-complete': '?0', 'upload-offset': '8' })
    expect(part.headers.location).toBeUndefined()
    // "The limits SHOULD NOT" tighten, and the end does not come earlier: it moves with activity.
    expect(part.headers['upload-limit']).toMatch(
      /^max-size=1000000, max-append.*max-age=86(?:399|400)$/,
    )
    expect(await client.offset(url)).toBe('8')
    const last = await client.patch(url, 8, true, { body: 'rld' })
    expectFinal(last)
    const inOne = await client.ask('POST', '/files/', {
      body: 'hello world',
      headers: { 'Upload-Complete': '?1' },
    })
    expect(Object.keys(recordOf(last))).toEqual(Object.keys(recordOf(inOne)))
    expect(sha256(await bytesOf(last.headers['landfall-media-url']))).toBe(sha256('hello world'))
  })

  it.each([3, 20])('15: refuses the wrong offset %i and tells the right one', async (offset) => {
    const url = await client.make('hello', 11)
    const told = await client.patch(url, offset, false, { body: ' wo' })
    expect(told.status).toBe(409)
    expect(told.headers).toMatchObject({ 'upload-complete': '?0', 'upload-offset': '5' })
    expect(problemOf(told)).toMatchObject({
      type: `${REGISTERED}mismatching-upload-offset`,
      'expected-offset': 5,
      'provided-offset': offset,
    })
    expect(await client.offset(url)).toBe('5')
  })

  it('16: refuses an offset that is missing or no integer, and takes parameters', async () => {
    const url = await client.make('hello', 11)
    for (const offset of ['-1', '5.0', '"5"', '5, 5', '', '?1', '0x5', '9007199254740993']) {
      const told = await client.patch(url, offset, true, { body: ' world' })
      expect(told.status).toBe(400)
      expect(told.headers['upload-complete']).toBe('?0')
    }
    const headers = { 'Content-Type': PARTIAL, 'Upload-Complete': '?1' }
    const none = await client.ask('PATCH', url, { body: ' world', headers })
    expect(none.status).toBe(400)
    expect(await client.offset(url)).toBe('5')
    expectFinal(await client.patch(url, '5;a=1', true, { body: ' world' }))
  })

  it('17: refuses another media type and names the right one', async () => {
    const url = await client.make('hello', 11)
    const headers = { 'Content-Type': 'application/octet-stream' }
    const told = await client.patch(url, 5, false, { body: ' wo', headers })
    expect(told.status).toBe(415)
    expect(told.headers['accept-patch']).toBe(PARTIAL)
    expect(await client.offset(url)).toBe('5')
  })

  it('18: refuses a completeness that is missing or no Boolean', async () => {
    const url = await client.make('hello', 11)
    for (const complete of ['1', 'true', '?2', '?0, ?1'])
      expect(
        (
          await client.patch(url, 5, true, {
            body: ' wo',
            headers: { 'Upload-Complete': complete },
          })
        ).status,
      ).toBe(400)
    const headers = { 'Content-Type': PARTIAL, 'Upload-Offset': '5' }
    expect((await client.ask('PATCH', url, { body: ' wo', headers })).status).toBe(400)
    expect(await client.offset(url)).toBe('5')
  })

  it('19: refuses to complete before the declared length, and goes on', async () => {
    const url = await client.make('hello', 11)
    const told = await client.patch(url, 5, true, { body: ' wo' })
    expect(told.status).toBe(400)
    expect(told.headers['upload-complete']).toBe('?0')
    expect(problemOf(told).type).toBe(`${REGISTERED}inconsistent-upload-length`)
    const chunked = await client.patch(url, 5, true, { body: ' wo', length: 'chunked' })
    expect(chunked.status).toBe(400)
    // Whether a part whose end is refused is kept is the server's choice: it is.
    const offset = await client.offset(url)
    expect(offset).toBe('8')
    expectFinal(await client.patch(url, 8, true, { body: 'rld' }))
  })

  it('20: refuses a part that announces too much, and the upload lives', async () => {
    const url = await client.make('hello', 11)
    const told = await client.patch(url, 5, false, { body: ' world!' })
    expect(told.status).toBe(400)
    expect(await client.offset(url)).toBe('5')
    expectFinal(await client.patch(url, 5, true, { body: ' world' }))
  })

  it('21: ends an upload whose bytes go past its length unannounced', async () => {
    const url = await client.make('hello', 11)
    const told = await client.patch(url, 5, false, { body: 'x'.repeat(20), length: 'chunked' })
    expect(told.status).toBe(400)
    expect((await client.ask('HEAD', url)).status).toBe(410)
    expect((await client.patch(url, 5, false, { body: 'x' })).status).toBe(410)
  })

  it('22: refuses a length other than the one before', async () => {
    const url = await client.make('hello', 11)
    const headers = { 'Upload-Length': '12' }
    const told = await client.patch(url, 5, false, { body: ' wo', headers })
    expect(told.status).toBe(400)
    expect(problemOf(told).type).toBe(`${REGISTERED}inconsistent-upload-length`)
    expect(await client.offset(url)).toBe('5')
  })

  it('22: learns a length that was not known, from the field or from the last part', async () => {
    const headers = { 'Upload-Complete': '?0' }
    const begin = async () =>
      (await client.ask('POST', '/files/', { body: 'hello', headers })).headers.location ?? ''
    const named = await begin()
    const part = await client.patch(named, 5, false, {
      body: ' wo',
      headers: { 'Upload-Length': '11' },
    })
    expect(part.headers['upload-length']).toBe('11')
    expect((await client.patch(named, 8, true, { body: 'rl' })).status).toBe(400)
    expectFinal(await client.patch(named, 8, true, { body: 'rld' }))
    const implied = await begin()
    expect((await client.ask('HEAD', implied)).headers['upload-length']).toBeUndefined()
    expectFinal(await client.patch(implied, 5, true, { body: ' world', length: 'chunked' }))
  })

  it('23: is not complete when all bytes are there, until somebody says so', async () => {
    const before = await records()
    const url = await client.make('hello', 11)
    const all = await client.patch(url, 5, false, { body: ' world' })
    expect([all.status, all.headers['upload-complete']]).toEqual([204, '?0'])
    const head = await client.ask('HEAD', url)
    expect(head.headers).toMatchObject({ 'upload-offset': '11', 'upload-complete': '?0' })
    expect(await records()).toBe(before)
    expectFinal(await client.patch(url, 11, true, {}))
    expect(await records()).toBe(before + 1)
  })

  it('24: adds nothing to a complete upload, and gives the lost answer again', async () => {
    const url = await client.make('hello', 11)
    const last = await client.patch(url, 5, true, { body: ' world' })
    const before = await records()
    const more = await client.patch(url, 11, true, { body: 'more' })
    expect([more.status, more.headers['upload-complete']]).toEqual([400, '?0'])
    expect(problemOf(more).type).toBe('about:blank')
    const old = await client.patch(url, 11, true, { body: 'more', version: 8 })
    expect(problemOf(old).type).toBe(`${REGISTERED}completed-upload`)
    expect((await client.patch(url, 5, true, { body: ' world' })).status).toBe(409)
    const again = await client.patch(url, 11, true, { length: 0 })
    expectFinal(again)
    expect(again.body).toBe(last.body)
    expect(await textOf(again.headers['landfall-media-url'])).toBe('hello world')
    expect(await records()).toBe(before)
  })
})

describe('interruption', () => {
  const file = randomBytes(450_000)

  it('25: keeps what arrived of a creation that was cut, and goes on from there', async () => {
    const connection = await client.begin('POST', '/files/', {
      body: file.subarray(0, 150_000),
      length: file.length,
      headers: { 'Upload-Complete': '?1' },
    })
    const announced = await connection.answer()
    expect(announced.status).toBe(104)
    const url = announced.headers.location ?? ''
    await arrived(url)
    connection.reset()
    const began = performance.now()
    const head = await client.ask('HEAD', url)
    expect(performance.now() - began).toBeLessThan(2000)
    const offset = Number(head.headers['upload-offset'])
    expect(offset).toBeGreaterThan(0)
    expect(offset).toBeLessThanOrEqual(150_000)
    expect(head.headers['upload-complete']).toBe('?0')
    const last = await client.patch(url, offset, true, { body: file.subarray(offset) })
    expectFinal(last)
    expect(sha256(await bytesOf(last.headers['landfall-media-url']))).toBe(sha256(file))
  })

  it('25: leaves nothing of a creation that was cut and whose URL nobody knows', async () => {
    const open = async () =>
      /^landfall_open_uploads (\d+)$/m.exec(
        await (await fetch(`${server.url}/metrics`)).text(),
      )?.[1]
    const before = await open()
    const connection = await client.begin('POST', '/files/', {
      version: null,
      body: 'hello',
      length: 11,
      headers: { 'Upload-Complete': '?1' },
    })
    await vi.waitFor(async () => expect(await open()).not.toBe(before))
    connection.reset()
    await vi.waitFor(async () => expect(await open()).toBe(before))
  })

  it('26: a newcomer takes over from a sender that stands still', async () => {
    const url = await client.make('hello', 400_005)
    const slow = await beginPatch(url, 5, { body: 'a'.repeat(1000), length: 400_000 })
    await arrived(url, 1005)
    const began = performance.now()
    const offset = Number(await client.offset(url))
    expect(performance.now() - began).toBeLessThan(2000)
    expect(offset).toBe(1005)
    await slow.closed
    await expect(slow.answer()).rejects.toThrow('ended')
    slow.send('late'.repeat(100))
    const part = await client.patch(url, offset, false, { body: 'b'.repeat(1000) })
    expect([part.status, part.headers['upload-offset']]).toEqual([204, '2005'])
    const rest = 'c'.repeat(400_005 - 2005)
    const last = await client.patch(url, 2005, true, { body: rest })
    expect(await textOf(last.headers['landfall-media-url'])).toBe(
      `hello${'a'.repeat(1000)}${'b'.repeat(1000)}${rest}`,
    )
  })

  it('27: of many appends at one offset stores one, in one piece', async () => {
    const url = await client.make('hello', 11)
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => {
        const letter = String.fromCharCode(97 + index)
        return client.patch(url, 5, false, { body: letter.repeat(6) })
      }),
    )
    const statuses = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value.status] : [],
    )
    expect(statuses.filter((status) => status === 204).length).toBeLessThanOrEqual(1)
    expect(statuses.filter((status) => status !== 204 && status !== 409)).toEqual([])
    const offset = Number(await client.offset(url))
    expect(offset).toBeGreaterThan(5)
    const rest = '!'.repeat(11 - offset)
    const last = await client.patch(url, offset, true, { body: rest })
    expect(await textOf(last.headers['landfall-media-url'])).toMatch(/^hello(\w)\1*!*$/)
  })

  it('28: a cancellation ends the transfer in flight, and the upload', async () => {
    const url = await client.make('hello', 400_005)
    const slow = await beginPatch(url, 5, { body: 'a'.repeat(1000), length: 400_000 })
    await arrived(url, 1005)
    expect((await client.ask('DELETE', url)).status).toBe(204)
    await slow.closed
    await expect(slow.answer()).rejects.toThrow('ended')
    expect((await client.ask('HEAD', url)).status).toBe(410)
    expect((await client.patch(url, 5, false, { body: 'x' })).status).toBe(410)
    expect((await client.ask('DELETE', url)).status).toBe(410)
    await expect(storedSize(url)).rejects.toThrow('ENOENT')
  })

  it('29: sends 100 and 104, and then how far it has come', async () => {
    const connection = await client.begin('POST', '/files/', {
      length: 100_000,
      headers: { 'Upload-Complete': '?1', Expect: '100-continue' },
    })
    expect((await connection.answer()).status).toBe(100)
    const first = await connection.answer()
    expect(first.status).toBe(104)
    const url = first.headers.location ?? ''
    const stop = sendSlowly(connection, 1000, 50)
    const offsets: number[] = []
    for (let seen = 0; seen < 2; seen++) {
      const { status, headers } = await connection.answer()
      expect(status).toBe(104)
      expect(headers['upload-draft-interop-version']).toBe('10')
      expect(headers.location).toBeUndefined()
      offsets.push(Number(headers['upload-offset']))
    }
    stop()
    expect(offsets[0]).toBeGreaterThan(0)
    expect(offsets[1]).toBeGreaterThan(offsets[0] ?? 0)
    expect(Number(await client.offset(url))).toBeGreaterThanOrEqual(offsets[1] ?? 0)
  })

  it('cuts a body that goes silent, and keeps it', async () => {
    const quick = await startServer({ env: { UPLOAD_IDLE_TIMEOUT: '100ms' } })
    const other = resumableClient(quick.url, quick.admin)
    const url = await other.make('hello', 11)
    const silent = await other.begin('PATCH', url, {
      body: ' wo',
      length: 6,
      headers: { 'Content-Type': PARTIAL, 'Upload-Offset': '5', 'Upload-Complete': '?1' },
    })
    await silent.closed
    expect(await other.offset(url)).toBe('8')
    await quick.close()
  })
})

/** A sender over a slow line, until the function given back is called. */
function sendSlowly(connection: RawConnection, bytes: number, everyMs: number): () => void {
  const timer = setInterval(() => connection.send('x'.repeat(bytes)), everyMs)
  return () => clearInterval(timer)
}

describe('30: older drafts', () => {
  it('3 says the opposite, and has no media type of its own', async () => {
    const whole = await client.ask('POST', '/files/', {
      version: 3,
      body: 'hello',
      headers: { 'Upload-Incomplete': '?0' },
    })
    expect(interim104(whole)[0]?.headers['upload-draft-interop-version']).toBe('3')
    expect(whole.status).toBe(201)
    expect(whole.headers['upload-incomplete']).toBe('?0')
    expect(whole.headers['upload-complete']).toBeUndefined()
    const begun = await client.ask('POST', '/files/', {
      version: 3,
      body: 'hello',
      headers: { 'Upload-Incomplete': '?1' },
    })
    expect([begun.status, begun.headers['upload-incomplete']]).toEqual([201, '?1'])
    const url = begun.headers.location ?? ''
    const head = await client.ask('HEAD', url, { version: 3 })
    expect([head.status, head.headers['upload-incomplete']]).toEqual([204, '?1'])
    const image = { 'Content-Type': 'image/jpeg', 'Upload-Offset': '5' }
    const part = await client.ask('PATCH', url, {
      version: 3,
      body: ' wo',
      headers: { ...image, 'Upload-Incomplete': '?1' },
    })
    expect([part.status, part.headers['upload-offset']]).toEqual([201, '8'])
    // Nothing said: nothing is missing.
    const last = await client.ask('PATCH', url, {
      version: 3,
      body: 'rld',
      headers: { ...image, 'Upload-Offset': '8' },
    })
    expect([last.status, last.headers['upload-incomplete']]).toEqual([201, '?0'])
    expect(await textOf(last.headers['landfall-media-url'])).toBe('hello world')
  })

  it('5 takes any media type on an append', async () => {
    const url = await client.make('hello', 11, { version: 5 })
    const headers = { 'Content-Type': 'image/jpeg' }
    const last = await client.patch(url, 5, true, { version: 5, body: ' world', headers })
    expectFinal(last)
  })

  it('6 wants its media type, says expires, and 201 for every part', async () => {
    const url = await client.make('hello', 11, { version: 6 })
    const headers = { 'Content-Type': 'image/jpeg' }
    expect((await client.patch(url, 5, false, { version: 6, body: ' wo', headers })).status).toBe(
      415,
    )
    const part = await client.patch(url, 5, false, { version: 6, body: ' wo' })
    expect([part.status, part.headers['upload-offset']]).toEqual([201, '8'])
    expect(part.headers['upload-limit']).toMatch(/expires=86[34]\d\d/)
    expect(part.headers['upload-draft-interop-version']).toBe('6')
  })

  it.each([5, 6])('%i is complete at its length, whatever is said', async (version) => {
    const url = await client.make('hello', 11, { version })
    const headers = { 'Content-Type': PARTIAL }
    const last = await client.patch(url, 5, false, { version, body: ' world', headers })
    expectFinal(last)
    expect(last.headers['upload-offset']).toBe('11')
  })

  it('6 makes an empty file of a length of 0, and gives the URL of the upload', async () => {
    const headers = { 'Upload-Complete': '?0', 'Upload-Length': '0' }
    const told = await client.ask('POST', '/files/', { version: 6, headers })
    expect(told.status).toBe(201)
    expect(told.headers.location).toMatch(/\/files\/[0-9a-f-]{36}$/)
    expect(told.headers['landfall-media-file']).toMatch(/^\d+$/)
  })

  it.each([3, 5, 6])('%i takes no Upload-Offset on HEAD and DELETE', async (version) => {
    const url = await client.make('hello', 11, { version: 10 })
    for (const method of ['HEAD', 'DELETE'])
      for (const name of ['Upload-Offset', 'Upload-Complete']) {
        const headers = { [name]: name === 'Upload-Offset' ? '5' : '?0' }
        expect((await client.ask(method, url, { version, headers })).status).toBe(400)
      }
    expect(await client.offset(url)).toBe('5')
  })

  it.each([8, 9, 10])('%i: only ?1 completes, and the lifetime is max-age', async (version) => {
    const url = await client.make('hello', 11, { version })
    const all = await client.patch(url, 5, false, { version, body: ' world' })
    expect([all.status, all.headers['upload-complete']]).toEqual([204, '?0'])
    expect(all.headers['upload-limit']).toContain('max-age=')
    expectFinal(await client.patch(url, 11, true, { version, length: 0 }))
  })
})

describe('verdicts on the file', () => {
  it('are the answer of the resource itself: there is nothing to resume', async () => {
    const picky = await startServer({ env: { ACCEPTED_FILE_FORMATS: 'image' } })
    const other = resumableClient(picky.url, picky.admin)
    const headers = { 'Upload-Complete': '?1' }
    const told = await other.ask('POST', '/files/', { body: 'hello', headers })
    expect([told.status, told.headers['upload-complete']]).toEqual([415, '?1'])
    const url = await other.make('hello', 11)
    const last = await other.patch(url, 5, true, { body: ' world' })
    expect([last.status, last.headers['upload-complete']]).toEqual([415, '?1'])
    expect((await other.ask('HEAD', url)).status).toBe(415)
    await picky.close()
  })
})

describe('digests', () => {
  const digestOf = (text: string, algorithm = 'sha256') =>
    `:${createHash(algorithm).update(text).digest('base64')}:`

  it('of the file are verified at the end; a file that differs is not published', async () => {
    const before = await records()
    const good = { 'Repr-Digest': `sha-256=${digestOf('hello world')}` }
    const kept = await client.make('hello', 11, { headers: good })
    expectFinal(await client.patch(kept, 5, true, { body: ' world' }))
    const bad = { 'Repr-Digest': `sha-512=${digestOf('other bytes', 'sha512')}` }
    const url = await client.make('hello', 11, { headers: bad })
    const told = await client.patch(url, 5, true, { body: ' world' })
    expect([told.status, told.headers['upload-complete']]).toEqual([400, '?1'])
    expect(problemOf(told).type).toBe(`${REGISTERED}digest-mismatched-values`)
    const inOne = await client.ask('POST', '/files/', {
      body: 'hello world',
      headers: { ...bad, 'Upload-Complete': '?1' },
    })
    expect([inOne.status, inOne.headers['upload-complete']]).toEqual([400, '?1'])
    expect((await client.ask('HEAD', url)).status).toBe(400)
    expect(await records()).toBe(before + 1)
  })

  it('of one request are verified before a byte counts', async () => {
    const url = await client.make('hello', 11)
    const wrong = { 'Content-Digest': `sha-256=${digestOf('other')}` }
    const told = await client.patch(url, 5, true, { body: ' world', headers: wrong })
    expect([told.status, told.headers['upload-complete']]).toEqual([400, '?0'])
    expect(problemOf(told).type).toBe(`${REGISTERED}digest-mismatched-values`)
    expect(await client.offset(url)).toBe('5')
    const right = { 'Content-Digest': `md5=:AAAA:, sha-256=${digestOf(' world')}` }
    expectFinal(await client.patch(url, 5, true, { body: ' world', headers: right }))
  })

  it('are given back to whoever wants them, in every answer to the last part', async () => {
    const headers = { 'Want-Repr-Digest': 'sha-256=10, sha-512=3' }
    const url = await client.make('hello', 11, { headers })
    const last = await client.patch(url, 5, true, { body: ' world' })
    expect(last.headers['repr-digest']).toBe(`sha-256=${digestOf('hello world')}`)
    const again = await client.patch(url, 11, true, { length: 0 })
    expect(again.headers['repr-digest']).toBe(last.headers['repr-digest'])
  })

  it.each([
    ['md5=:1B2M2Y8AsgTpgAmY7PhCfg==:', 'digest-unsupported-algorithms'],
    ['sha-256=:AAAA:', 'digest-invalid-values'],
    ['sha-256="text"', 'digest-invalid-values'],
    ['not a dictionary!', 'digest-invalid-values'],
  ])('%s is refused as %s', async (digest, type) => {
    for (const name of ['Repr-Digest', 'Content-Digest']) {
      const headers = { 'Upload-Complete': '?1', [name]: digest }
      const told = await client.ask('POST', '/files/', { body: 'hello', headers })
      expect(told.status).toBe(400)
      expect(problemOf(told).type).toBe(REGISTERED + type)
    }
  })
})

describe('beside tus on the same paths', () => {
  it('leaves requests with Tus-Resumable, and bare ones, to tus', async () => {
    const headers = { Authorization: owner.authorization }
    const bare = await fetch(`${server.url}/files/`, { method: 'POST', headers })
    expect(bare.status).toBe(412)
    const both = await fetch(`${server.url}/files/`, {
      method: 'POST',
      headers: {
        ...headers,
        'Tus-Resumable': '1.0.0',
        'Upload-Length': '5',
        'Upload-Complete': '?0',
      },
    })
    expect(both.headers.get('tus-resumable')).toBe('1.0.0')
    const url = both.headers.get('location') ?? ''
    expect((await client.ask('HEAD', url)).status).toBe(404)
    expect((await client.patch(url, 0, true, { body: 'hello' })).status).toBe(404)
    expect((await fetch(url, { method: 'HEAD', headers })).status).toBe(412)
  })

  it('knows its own uploads without a version, a type or a completeness', async () => {
    const url = await client.make('hello', 11)
    const headers = { Authorization: owner.authorization }
    const head = await fetch(url, { method: 'HEAD', headers })
    expect(head.headers.get('upload-offset')).toBe('5')
    const patch = await fetch(url, { method: 'PATCH', headers, body: ' wo' })
    expect(patch.status).toBe(415)
    expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204)
  })

  it('is away when it is switched off', async () => {
    const without = await startServer({ env: { RESUMABLE_HTTP: 'false' } })
    const other = resumableClient(without.url, without.admin)
    const headers = { 'Upload-Complete': '?1' }
    expect((await other.ask('POST', '/files/', { body: 'hello', headers })).status).toBe(412)
    const options = await fetch(`${without.url}/files/`, { method: 'OPTIONS' })
    expect(options.headers.get('upload-limit')).toBeNull()
    await without.close()
  })
})

describe('by default', () => {
  it('has no 104, and says that there are no limits but time', async () => {
    const plain = await startServer()
    const other = resumableClient(plain.url, plain.admin)
    const headers = { 'Upload-Complete': '?1' }
    const connection = await other.begin('POST', '/files/', { body: 'hello', headers })
    const told = await finalOf(connection)
    expect([told.status, told.interim]).toEqual([201, []])
    connection.socket.destroy()
    const options = await fetch(`${plain.url}/files/`, { method: 'OPTIONS' })
    expect(options.headers.get('upload-limit')).toBe('min-size=0, max-age=86400')
    await plain.close()
  })
})
