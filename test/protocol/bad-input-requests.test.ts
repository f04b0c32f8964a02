import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { expectSound, leakIn, request, sendRaw, stateOf } from '../support/bad-input.ts'
import { CHUNKED, chunkedClient } from '../support/chunked.ts'
import { mediaClient } from '../support/media-client.ts'
import { file, form, formType } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { BODY_TYPE, tusClient } from '../support/tus.ts'

let server: TestServer
let admin: string
let before: unknown
/** A request with a body for each door, up to its framing. */
let bodies: Record<string, { head: string[]; body: Uint8Array }>

beforeAll(async () => {
  const limits = { UPLOAD_MAX_SIZE: '100000', SESSION_MAX_FILE_SIZE: '100000' }
  server = await startServer({ env: limits })
  admin = server.admin
  const pathOf = (url: string) => new URL(url).pathname
  const tus = pathOf(await tusClient(server.url, admin).begin(10))
  const ietf = pathOf(await resumableClient(server.url, admin).make('', 10))
  const { id } = await chunkedClient(server.url, admin).begin('hello', 10)
  const record = await mediaClient(server, admin).upload('a.txt', Buffer.from('text'))
  const token = await sessionClient(server.url, admin).open()
  const hello = Buffer.from('hello')
  const filled = (name: string) => form(file('a.txt', 'world', { name }))
  const json = 'Content-Type: application/json'
  const multipart = `Content-Type: ${formType}`
  const tusHead = ['Tus-Resumable: 1.0.0', `Content-Type: ${BODY_TYPE}`]
  const draft = ['Upload-Draft-Interop-Version: 8', 'Upload-Complete: ?0']
  const partial = [...draft, 'Content-Type: application/partial-upload']
  bodies = {
    'tus POST': {
      head: request('POST', '/files/', admin, [...tusHead, 'Upload-Length: 10']),
      body: hello,
    },
    'tus PATCH': {
      head: request('PATCH', tus, admin, [...tusHead, 'Upload-Offset: 0']),
      body: hello,
    },
    'IETF POST': { head: request('POST', '/files/', admin, draft), body: hello },
    'IETF PATCH': {
      head: request('PATCH', ietf, admin, [...partial, 'Upload-Offset: 0']),
      body: hello,
    },
    'chunked PUT': {
      head: request('PUT', `${CHUNKED}/${id}`, admin, [multipart, 'Content-Range: bytes 5-9/10']),
      body: filled('file'),
    },
    'chunked raw PUT': {
      head: request('PUT', `${CHUNKED}/${id}`, admin, ['Content-Range: bytes 5-9/10']),
      body: hello,
    },
    'chunked POST': {
      head: request('POST', `${CHUNKED}/${id}`, admin, [json]),
      body: Buffer.from('{"md5":"x"}'),
    },
    'media POST': {
      head: request('POST', '/api/media/files', admin, [multipart]),
      body: filled('f'),
    },
    'media PATCH': {
      head: request('PATCH', `/api/media/files/${record.id}`, admin, [json]),
      body: Buffer.from('{"name":"changed"}'),
    },
    'session POST': {
      head: request('POST', `/upload-session/${token}/files/`, admin, [multipart]),
      body: filled('file'),
    },
    'account POST': {
      head: request('POST', '/api/users', admin, [json]),
      body: Buffer.from('{"username":"smuggled","role":"admin"}'),
    },
  }
  before = await stateOf(server)
})
afterAll(() => server.close())
afterEach(async () => {
  // What Node cuts off after its headers may still be on its way in, and out again.
  await vi.waitFor(async () => expect(await stateOf(server)).toEqual(before), { timeout: 10_000 })
  await expectSound(server)
})

const DOORS = [
  ...['tus POST', 'tus PATCH', 'IETF POST', 'IETF PATCH', 'chunked PUT', 'chunked raw PUT'],
  ...['chunked POST', 'media POST', 'media PATCH', 'session POST', 'account POST'],
]

function bodyOf(door: string) {
  const found = bodies[door]
  if (found === undefined) throw new Error(`there is no door ${door}`)
  return found
}

const chunkedBody = (bytes: Uint8Array) =>
  Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from('\r\n0\r\n\r\n'),
  ])

describe.each(DOORS)('a body whose framing is in doubt, at %s,', (door) => {
  it.each([
    ['Content-Length and Transfer-Encoding', ['Content-Length: %', 'Transfer-Encoding: chunked']],
    ['Transfer-Encoding and Content-Length', ['Transfer-Encoding: chunked', 'Content-Length: %']],
    ['two lengths', ['Content-Length: %', 'Content-Length: 0']],
    ['two lengths in one line', ['Content-Length: %, 0']],
    ['a coding that is not chunked', ['Transfer-Encoding: gzip']],
    [
      'a coding before chunked and a length',
      ['Transfer-Encoding: gzip, chunked', 'Content-Length: 3'],
    ],
    ['a coding after chunked', ['Transfer-Encoding: chunked, identity']],
    ['a coding that only looks like chunked', ['Transfer-Encoding: xchunked']],
    ['a space before the colon', ['Content-Length : %']],
    ['a folded line', ['X: y\r\n z', 'Content-Length: %']],
    ['a bare CR in a line', ['X: y\rContent-Length: 0', 'Content-Length: %']],
    ['a NUL in a line', ['X: y\0', 'Content-Length: %']],
    ['no colon', ['Content-Length %']],
  ])('by %s, is refused and stores nothing', async (_, lines) => {
    const { head, body } = bodyOf(door)
    const framing = lines.map((line) => line.replace('%', String(body.length)))
    const sent = lines.join().includes('hunked') ? chunkedBody(body) : body
    const answer = await sendRaw(server.url, [...head, ...framing], sent)
    expect(answer.status).toBe(400)
    expect(leakIn(answer.body)).toBeNull()
  })

  it('that begins another request after its end, is one body and one refusal', async () => {
    const { head } = bodyOf(door)
    const connection = await openRaw(server.url)
    const smuggled = `DELETE /api/users/1 HTTP/1.1\r\nHost: x\r\nAuthorization: ${admin}\r\n\r\n`
    connection.send(
      `${head.join('\r\n')}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    connection.send(`0\r\n\r\n${smuggled}`)
    expect((await connection.answer()).status).toBe(400)
    await connection.closed
    await expect(connection.answer()).rejects.toThrow('ended')
  })
})

describe('a chunked body over the limit', () => {
  const over = Buffer.alloc(100_001, 'x')
  const cases: [string, () => { head: string[]; body: Uint8Array }, number[]][] = [
    [
      'tus, of a length that is not known',
      () => ({
        head: request('POST', '/files/', admin, [
          'Tus-Resumable: 1.0.0',
          `Content-Type: ${BODY_TYPE}`,
          'Upload-Defer-Length: 1',
        ]),
        body: over,
      }),
      [413],
    ],
    ['tus, of a length that is', () => ({ ...bodyOf('tus PATCH'), body: over }), [413]],
    ['IETF', () => ({ ...bodyOf('IETF POST'), body: over }), [413]],
    ['media', () => ({ ...bodyOf('media POST'), body: form(file('a.txt', over)) }), [413]],
    [
      'session',
      () => ({ ...bodyOf('session POST'), body: form(file('a.txt', over, { name: 'file' })) }),
      [400],
    ],
    [
      'chunked',
      () => ({ ...bodyOf('chunked PUT'), body: form(file('a.txt', over, { name: 'file' })) }),
      [400],
    ],
    ['chunked, raw', () => ({ ...bodyOf('chunked raw PUT'), body: over }), [400]],
    ['the fields of chunked', () => ({ ...bodyOf('chunked POST'), body: over }), [413]],
    ['accounts', () => ({ ...bodyOf('account POST'), body: over }), [413]],
    [
      'the fields of a record',
      () => ({ ...bodyOf('media PATCH'), body: Buffer.alloc(1_100_000, '[') }),
      [413],
    ],
  ]

  it.each(cases)('%s, is refused and stores nothing of it', async (_, of, statuses) => {
    const { head, body } = of()
    const answer = await sendRaw(
      server.url,
      [...head, 'Transfer-Encoding: chunked'],
      chunkedBody(body),
    )
    expect(statuses).toContain(answer.status)
    expect(leakIn(answer.body)).toBeNull()
  })
})
