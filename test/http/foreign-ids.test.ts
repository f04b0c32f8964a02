import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Storage } from '../../src/storage/storage.ts'
import { CHUNKED, chunk, chunkedClient, formOf } from '../support/chunked.ts'
import { file, form, formType } from '../support/multipart.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { watchStatements } from '../support/statements.ts'
import { BODY_TYPE, encode, TUS, tusClient } from '../support/tus.ts'

/*
 * That an id belongs to somebody else must not be told by the answer, nor by what is done for it:
 * the same statements in the same order and the same calls of the storage take the same time.
 * TIMING_ROUNDS=2000 also measures it, and prints what it took.
 */

const ROUNDS = Number(process.env.TIMING_ROUNDS ?? 0)

let server: TestServer
let stranger: string
let statements: ReturnType<typeof watchStatements>
const storageCalls: string[] = []

beforeAll(async () => {
  const wrapStorage = (storage: Storage) =>
    new Proxy(storage, {
      get(target, name: keyof Storage) {
        const member = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => {
          storageCalls.push(name)
          return Reflect.apply(member, target, args)
        }
      },
    })
  server = await startServer({ database: 'embedded', replaced: { wrapStorage } })
  stranger = (await server.accounts.add('user')).authorization
  statements = watchStatements(server.database)
})
afterAll(() => server.close())

interface Asked {
  method: string
  path: string
  headers?: Record<string, string>
  body?: () => RequestInit['body']
}

/** What a request leads to, with the id out of it. */
async function traceOf(id: string, { method, path, headers, body }: Asked, authorization: string) {
  statements.take()
  storageCalls.length = 0
  const answer = await fetch(server.url + path, {
    method,
    headers: { Authorization: authorization, ...headers },
    ...(body === undefined ? {} : { body: body() }),
  } as RequestInit)
  const text = await answer.text()
  const sent = [...answer.headers].filter(([name]) => !/^(?:date|x-request-id)$/.test(name))
  return {
    status: answer.status,
    headers: sent.sort(),
    text: text.replaceAll(id, '<id>'),
    // `last_login` is written beside a request, once a minute.
    statements: statements.take().filter((text) => !text.includes('set "last_login"')),
    storage: [...storageCalls],
  }
}

const IETF = { 'Upload-Draft-Interop-Version': '10' }
const unsaid = (id: string): Asked => ({ method: 'HEAD', path: `/files/${id}` })
const WRITES = { 'Upload-Offset': '0', 'Content-Type': BODY_TYPE }

/** Requests that name an upload. */
const uploadRequests: Record<string, (id: string) => Asked> = {
  'tus HEAD': (id) => ({ method: 'HEAD', path: `/files/${id}`, headers: TUS }),
  'tus GET': (id) => ({ method: 'GET', path: `/files/${id}` }),
  'tus DELETE': (id) => ({ method: 'DELETE', path: `/files/${id}`, headers: TUS }),
  'tus PATCH': (id) => ({
    method: 'PATCH',
    path: `/files/${id}`,
    headers: { ...TUS, ...WRITES },
    body: () => 'hello',
  }),
  'tus PATCH by another method': (id) => ({
    method: 'POST',
    path: `/files/${id}`,
    headers: { ...TUS, ...WRITES, 'X-HTTP-Method-Override': 'PATCH' },
    body: () => 'hello',
  }),
  'a final upload of it': (id) => ({
    method: 'POST',
    path: '/files/',
    headers: { ...TUS, 'Upload-Concat': `final;/files/${id}` },
  }),
  'IETF HEAD': (id) => ({ method: 'HEAD', path: `/files/${id}`, headers: IETF }),
  'IETF GET': (id) => ({ method: 'GET', path: `/files/${id}`, headers: IETF }),
  'IETF DELETE': (id) => ({ method: 'DELETE', path: `/files/${id}`, headers: IETF }),
  'IETF PATCH': (id) => ({
    method: 'PATCH',
    path: `/files/${id}`,
    headers: {
      ...IETF,
      'Upload-Offset': '0',
      'Upload-Complete': '?0',
      'Content-Type': 'application/partial-upload',
    },
    body: () => 'hello',
  }),
  'a HEAD of no protocol': unsaid,
  'chunked GET': (id) => ({ method: 'GET', path: `${CHUNKED}/${id}` }),
  'chunked DELETE': (id) => ({ method: 'DELETE', path: `${CHUNKED}/${id}` }),
  'chunked PUT': (id) => ({
    method: 'PUT',
    path: `${CHUNKED}/${id}`,
    headers: { 'Content-Range': 'bytes 5-9/10' },
    body: () => formOf({ filename: 'a', file: chunk('world') }),
  }),
  'chunked POST': (id) => ({
    method: 'POST',
    path: `${CHUNKED}/${id}`,
    body: () => formOf({ md5: '0'.repeat(32) }),
  }),
  "the ancestor's chunk": (id) => ({
    method: 'POST',
    path: `${CHUNKED}/`,
    headers: { 'Content-Range': 'bytes 5-9/10' },
    body: () => formOf({ upload_id: id, file: chunk('world') }),
  }),
  "the ancestor's end": (id) => ({
    method: 'POST',
    path: `${CHUNKED}/complete`,
    body: () => formOf({ upload_id: id, md5: '0'.repeat(32) }),
  }),
}

const sessionPath = (token: string, rest: string) => `/upload-session/${token}/${rest}`

/** Requests that name a session. */
const sessionRequests: Record<string, (token: string) => Asked> = {
  'the list of files': (token) => ({ method: 'GET', path: sessionPath(token, 'files/') }),
  'a new file': (token) => ({
    method: 'POST',
    path: sessionPath(token, 'files/'),
    headers: { 'Content-Type': formType },
    body: () => form(file('new.pdf', pdf(), { name: 'file' })),
  }),
  'a file that is there': (token) => ({ method: 'GET', path: sessionPath(token, 'files/a.pdf/') }),
  'the removal of a file': (token) => ({
    method: 'DELETE',
    path: sessionPath(token, 'files/a.pdf/'),
  }),
  submit: (token) => ({ method: 'POST', path: sessionPath(token, 'submit') }),
  'a tus upload into it': (token) => ({
    method: 'POST',
    path: '/files/',
    headers: {
      ...TUS,
      'Upload-Length': '5',
      'Upload-Metadata': encode({ session: token, filename: 'b.pdf' }),
    },
  }),
}

const idOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)

/** Uploads of an owner, one in each state that there is something to tell about. */
async function uploadsOf(authorization: string): Promise<Record<string, string>> {
  const tus = tusClient(server.url, authorization)
  const open = await tus.begin(5)
  const finished = await tus.begin(5)
  await tus.patch(finished, 0, 'hello')
  const ended = await tus.begin(5)
  await tus.remove(ended)
  const part = await tus.create({ 'Upload-Length': '5', 'Upload-Concat': 'partial' })
  const ietf = await resumableClient(server.url, authorization).make('he', 5)
  const chunked = await chunkedClient(server.url, authorization).begin('hello', 10)
  return {
    'an unfinished tus upload': idOf(open),
    'a finished one': idOf(finished),
    'an ended one': idOf(ended),
    'a part': idOf(part.headers.get('location') ?? ''),
    'an upload of the IETF protocol': idOf(ietf),
    'a chunked upload': chunked.id,
  }
}

async function ownersSession(authorization: string): Promise<string> {
  const client = sessionClient(server.url, authorization)
  const token = await client.open()
  expect((await client.add(token, 'a.pdf', pdf())).status).toBe(200)
  return token
}

/** Letters and digits, as every token. */
const unknownToken = () => randomUUID().replaceAll('-', '')

describe('an id of somebody else', () => {
  it.each(Object.entries(uploadRequests))(
    'is answered by the same bytes, statements and file operations as an unknown one: %s',
    async (_, request) => {
      const owner = (await server.accounts.add('user')).authorization
      const unknown = randomUUID()
      const expected = await traceOf(unknown, request(unknown), stranger)
      // Without a protocol it is refused before anybody could be told anything.
      expect(expected.status).toBe(request === unsaid ? 412 : 404)
      expect(expected.statements.length).toBeGreaterThan(1)
      for (const [what, id] of Object.entries(await uploadsOf(owner)))
        expect([what, await traceOf(id, request(id), stranger)]).toEqual([what, expected])
    },
  )

  it.each(Object.entries(sessionRequests))(
    'is answered so too where it is a session: %s',
    async (_, request) => {
      const owner = (await server.accounts.add('user')).authorization
      const unknown = unknownToken()
      const expected = await traceOf(unknown, request(unknown), stranger)
      expect([400, 404]).toContain(expected.status)
      expect(expected.statements.length).toBeGreaterThan(1)
      const token = await ownersSession(owner)
      expect(await traceOf(token, request(token), stranger)).toEqual(expected)
    },
  )
})

describe('a token that is not valid', () => {
  it('is answered by the same bytes and the same one statement, whatever is wrong with it', async () => {
    const [revoked, gone] = [await server.accounts.add('user'), await server.accounts.add('user')]
    const admin = { Authorization: server.admin }
    const remove = (path: string) => fetch(server.url + path, { method: 'DELETE', headers: admin })
    await remove(`/api/tokens/${revoked.tokenId}`)
    await remove(`/api/users/${gone.id}`)
    for (const request of [
      { method: 'GET', path: '/api/me' },
      { method: 'HEAD', path: `/files/${randomUUID()}`, headers: TUS },
      { method: 'GET', path: `${CHUNKED}/` },
    ]) {
      const expected = await traceOf('', request, `Token lf_${'x'.repeat(43)}`)
      expect([expected.status, expected.statements.length]).toEqual([401, 1])
      for (const { authorization } of [revoked, gone])
        expect(await traceOf('', request, authorization)).toEqual(expected)
    }
  })
})

if (ROUNDS > 0)
  it('takes a time that is printed', async () => {
    const owner = (await server.accounts.add('user')).authorization
    const foreign = (await uploadsOf(owner))['a finished one'] ?? ''
    const taken: Record<string, number[]> = { foreign: [], unknown: [], 'unknown again': [] }
    for (let round = 0; round < ROUNDS; round++) {
      for (const [kind, times] of Object.entries(taken)) {
        const path = `/files/${kind === 'foreign' ? foreign : randomUUID()}`
        const headers = { ...TUS, Authorization: stranger }
        const began = performance.now()
        await (await fetch(server.url + path, { method: 'HEAD', headers })).arrayBuffer()
        times.push(performance.now() - began)
      }
    }
    for (const [kind, times] of Object.entries(taken)) {
      const sorted = times.sort((a, b) => a - b)
      const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(3)
      console.log(`${kind}: median ${at(0.5)} ms, p10 ${at(0.1)} ms, p90 ${at(0.9)} ms`)
    }
  })
