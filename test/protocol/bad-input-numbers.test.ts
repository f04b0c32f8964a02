import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  expectSound,
  latin1,
  leakIn,
  NO_NUMBERS,
  request,
  sendRaw,
  stateOf,
  TOO_LARGE,
} from '../support/bad-input.ts'
import { CHUNKED, chunk, chunkedClient } from '../support/chunked.ts'
import { buildPng } from '../support/images.ts'
import { mediaClient } from '../support/media-client.ts'
import { file, form, formType } from '../support/multipart.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, tusClient } from '../support/tus.ts'

const BAD = [...NO_NUMBERS, ...TOO_LARGE]

let server: TestServer
let admin: string
let media: { id: number; f: string }
/** Paths of uploads that have begun: of 10 bytes, of unknown length, and by the IETF door. */
let known: string
let deferred: string
let ours: string
let chunked: string
let before: unknown

beforeAll(async () => {
  server = await startServer()
  admin = server.admin
  const tus = tusClient(server.url, admin)
  const pathOf = (url: string | null) => new URL(url ?? '').pathname
  known = pathOf(await tus.begin(10))
  deferred = pathOf((await tus.create({ 'Upload-Defer-Length': '1' })).headers.get('location'))
  ours = pathOf(await resumableClient(server.url, admin).make('', 10))
  chunked = (await chunkedClient(server.url, admin).begin('hello', 10)).id
  media = await mediaClient(server, admin).upload('a.png', buildPng(4, 4))
})
afterAll(() => server.close())
beforeEach(async () => {
  before = await stateOf(server)
})
afterEach(async () => {
  expect(await stateOf(server)).toEqual(before)
  await expectSound(server)
})

const TUS = 'Tus-Resumable: 1.0.0'
const typed = `Content-Type: ${BODY_TYPE}`

/** Asks, sees that nothing is given away, and gives the status. */
async function statusOf(head: string[], body: string | Uint8Array = ''): Promise<number> {
  const answer = await sendRaw(server.url, head, body)
  expect(leakIn(answer.body)).toBeNull()
  return answer.status
}

describe('a header that counts', () => {
  const patch = (target: string, ...headers: string[]) =>
    statusOf(request('PATCH', target, admin, headers), 'hello')
  const places: Record<string, (header: (name: string) => string[]) => Promise<number>> = {
    'Upload-Length of a tus creation': (header) =>
      statusOf(request('POST', '/files/', admin, [TUS, ...header('Upload-Length')])),
    'Upload-Defer-Length of a tus creation': (header) =>
      statusOf(request('POST', '/files/', admin, [TUS, ...header('Upload-Defer-Length')])),
    'Upload-Offset of a tus PATCH': (header) =>
      patch(known, TUS, typed, 'Content-Length: 5', ...header('Upload-Offset')),
    'Upload-Length of a tus PATCH': (header) =>
      patch(
        deferred,
        TUS,
        typed,
        'Content-Length: 5',
        'Upload-Offset: 0',
        ...header('Upload-Length'),
      ),
    'Upload-Offset of an IETF PATCH': (header) =>
      patch(
        ours,
        'Upload-Draft-Interop-Version: 8',
        'Upload-Complete: ?0',
        'Content-Type: application/partial-upload',
        'Content-Length: 5',
        ...header('Upload-Offset'),
      ),
  }
  const cases = Object.keys(places).flatMap((place) => BAD.map((value) => [place, value] as const))

  it.each(cases)('%s: %j is refused', async (place, value) => {
    const status = await places[place]?.((name) => [`${name}: ${latin1(value)}`])
    expect(status).toBe(400)
  })

  it.each(Object.keys(places))('%s: twice the same is refused', async (place) => {
    expect(await places[place]?.((name) => [`${name}: 1`, `${name}: 1`])).toBe(400)
  })

  it.each([TUS, 'Upload-Draft-Interop-Version: 8'])(
    '%s: a number of 60 KB is refused',
    async (it) => {
      const huge = `Upload-Offset: ${'9'.repeat(60_000)}`
      const type = it === TUS ? typed : 'Content-Type: application/partial-upload'
      const complete = it === TUS ? [] : ['Upload-Complete: ?0']
      const target = it === TUS ? known : ours
      expect(await patch(target, it, type, 'Content-Length: 5', huge, ...complete)).toBe(400)
    },
  )

  it('with space around its number is that number: the space belongs to the line', async () => {
    const head = [TUS, typed, 'Content-Length: 0', 'Upload-Offset:  \t0 ']
    expect(await statusOf(request('PATCH', known, admin, head))).toBe(204)
  })

  it.each(BAD)(
    'of the IETF door that only may be there, as %j, is as if it were not',
    async (value) => {
      const headers = [
        'Upload-Draft-Interop-Version: 8',
        'Upload-Complete: ?0',
        'Content-Length: 0',
        `Upload-Length: ${latin1(value)}`,
      ]
      const answer = await sendRaw(server.url, request('POST', '/files/', admin, headers))
      expect(answer.status).toBe(201)
      const made = new URL(answer.headers.location ?? '').pathname
      expect(answer.headers['upload-length']).toBeUndefined()
      const version = { 'Upload-Draft-Interop-Version': '8', Authorization: admin }
      await fetch(server.url + made, { method: 'DELETE', headers: version })
    },
  )
})

describe('the framing of a body', () => {
  const doors: [string, string, string[]][] = [
    ['POST', '/files/', [TUS, typed, 'Upload-Length: 10']],
    ['POST', '/files/', ['Upload-Draft-Interop-Version: 8', 'Upload-Complete: ?1']],
    ['PUT', `${CHUNKED}/`, [`Content-Type: ${formType}`, 'Content-Range: bytes 0-4/10']],
    ['POST', '/api/media/files', [`Content-Type: ${formType}`]],
    ['POST', '/upload-session/', []],
    ['POST', '/api/users', ['Content-Type: application/json']],
  ]
  // 2^53 and 2^63 are lengths that HTTP allows: they end as any body does that never comes.
  const lengths = [...NO_NUMBERS, '18446744073709551616'].filter((value) => value !== '')

  it.each(doors)(
    '%s %s refuses every Content-Length that is no number',
    async (method, to, more) => {
      for (const length of lengths) {
        const head = request(method, to, admin, [...more, `Content-Length: ${latin1(length)}`])
        expect([length, await statusOf(head, 'hello')]).toEqual([length, 400])
      }
      const twice = [...more, 'Content-Length: 5', 'Content-Length: 5']
      expect(await statusOf(request(method, to, admin, twice), 'hello')).toBe(400)
    },
  )

  // HTTP has lengths up to 2^64-1: they are not malformed, and more than anything takes.
  it.each(['9007199254740992', '9223372036854775807', '18446744073709551615'])(
    'of %s bytes to come is more than what is asked for can take, and not nothing',
    async (length) => {
      const json = 'Content-Type: application/json'
      const draft = ['Upload-Draft-Interop-Version: 8', 'Content-Type: application/partial-upload']
      const cases: [string[], number][] = [
        [request('PATCH', known, admin, [TUS, typed, 'Upload-Offset: 0']), 413],
        [request('POST', '/files/', admin, [TUS, typed, 'Upload-Length: 5']), 413],
        [request('PATCH', ours, admin, [...draft, 'Upload-Offset: 0', 'Upload-Complete: ?0']), 400],
        [request('PATCH', ours, admin, [...draft, 'Upload-Offset: 0', 'Upload-Complete: ?1']), 400],
        [request('PUT', `${CHUNKED}/${chunked}`, admin, ['Content-Range: bytes 5-9/10']), 400],
        [request('POST', '/api/users/1/tokens', admin, [json]), 413],
        [request('PATCH', '/api/users/1', admin, [json]), 413],
        [request('PATCH', `/api/media/files/${media.id}`, admin, [json]), 413],
      ]
      for (const [head, status] of cases)
        expect([head[0], await statusOf([...head, `Content-Length: ${length}`], 'hello')]).toEqual([
          head[0],
          status,
        ])
    },
  )

  it.each(['-1', '+5', '0x5', '5.0', 'x', '', '10000000000000000', 'ffffffffffffffffff'])(
    'with a chunk of %j bytes keeps nothing of it',
    async (size) => {
      const head = request('PATCH', known, admin, [TUS, typed, 'Upload-Offset: 0'])
      const body = `${size}\r\nhello\r\n0\r\n\r\n`
      const answer = await sendRaw(server.url, [...head, 'Transfer-Encoding: chunked'], body).catch(
        () => null,
      )
      expect(answer === null || answer.status >= 400).toBe(true)
    },
  )
})

describe('Content-Range', () => {
  const ranges = ['%-4/10', '5-%/10', '5-9/%']
  const cases = ranges.flatMap((range) => BAD.map((value) => [range.replace('%', value)] as const))

  it.each(cases)('bytes %s is refused', async (range) => {
    const body = form(file('a.bin', 'world', { name: 'file' }))
    const head = request('PUT', `${CHUNKED}/${chunked}`, admin, [
      `Content-Type: ${formType}`,
      `Content-Length: ${body.length}`,
      `Content-Range: bytes ${latin1(range)}`,
    ])
    expect(await statusOf(head, body)).toBe(400)
  })

  it('beside a digest, where nobody needs it, is not looked at', async () => {
    const answer = await chunkedClient(server.url, admin).post(
      '',
      { file: chunk('x'), md5: '0'.repeat(32) },
      { 'Content-Range': 'bytes 5.0-1e3/0x10' },
    )
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({ detail: 'checksum does not match' })
    const [left] = await chunkedClient(server.url, admin).list()
    await chunkedClient(server.url, admin).call('DELETE', left?.id)
  })
})
