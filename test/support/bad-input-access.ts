import { expect } from 'vitest'
import { leakIn, request, sendRaw } from './bad-input.ts'
import { CHUNKED, chunkedClient } from './chunked.ts'
import { mediaClient } from './media-client.ts'
import { file, form, formType } from './multipart.ts'
import { resumableClient } from './resumable-http.ts'
import type { TestServer } from './server.ts'
import { pdf, sessionClient } from './sessions.ts'
import { BODY_TYPE, tusClient } from './tus.ts'

export const UNKNOWN = '00000000-0000-4000-8000-000000000000'

/** Ids of something behind every door that one user has. */
export type Owned = Record<'tus' | 'ietf' | 'chunked' | 'session' | 'media' | 'done', string>

/** Makes them, the record being the admin's. */
export async function makeOwned(server: TestServer, owner: string): Promise<Owned> {
  const tus = tusClient(server.url, owner)
  const idOf = (url: string) => url.split('/').at(-1) ?? ''
  const done = await tus.begin(5)
  await tus.patch(done, 0, 'hello')
  const session = await sessionClient(server.url, owner).open()
  await sessionClient(server.url, owner).add(session, 'a.pdf', pdf())
  const record = await mediaClient(server, server.admin).upload('a.txt', Buffer.from('text'))
  return {
    tus: idOf(await tus.begin(10)),
    ietf: idOf(await resumableClient(server.url, owner).make('', 10)),
    chunked: (await chunkedClient(server.url, owner).begin('hello', 10)).id,
    session,
    media: String(record.id),
    done: idOf(done),
  }
}

const TUS = ['Tus-Resumable: 1.0.0']
const TUS_PATCH = [...TUS, `Content-Type: ${BODY_TYPE}`, 'Upload-Offset: 0']
const DRAFT = ['Upload-Draft-Interop-Version: 8']
const PARTIAL = [...DRAFT, 'Upload-Complete: ?0', 'Content-Type: application/partial-upload']
const FORM = [`Content-Type: ${formType}`]
const JSON_TYPE = ['Content-Type: application/json']
const filled = form(file('a.pdf', 'world', { name: 'file' }))

export interface Asked {
  what: string
  method: string
  /** `%` stands for the id. */
  target: string
  /** Whose id it is; null: there is none in it. */
  id: keyof Owned | null
  headers?: string[]
  body?: string | Uint8Array
}

/** Every door and method that touches an upload or makes one. */
export const REQUESTS: readonly Asked[] = [
  { what: 'tus GET', method: 'GET', target: '/files/%', id: 'done' },
  {
    what: 'tus PATCH',
    method: 'PATCH',
    target: '/files/%',
    id: 'tus',
    headers: TUS_PATCH,
    body: 'hello',
  },
  { what: 'tus DELETE', method: 'DELETE', target: '/files/%', id: 'tus', headers: TUS },
  {
    what: 'tus DELETE of what is finished',
    method: 'DELETE',
    target: '/files/%',
    id: 'done',
    headers: TUS,
  },
  {
    what: 'tus PATCH by POST',
    method: 'POST',
    target: '/files/%',
    id: 'tus',
    headers: [...TUS_PATCH, 'X-HTTP-Method-Override: PATCH'],
    body: 'hello',
  },
  {
    what: 'tus DELETE by POST',
    method: 'POST',
    target: '/files/%',
    id: 'tus',
    headers: [...TUS, 'X-HTTP-Method-Override: DELETE'],
  },
  {
    what: 'tus final of a part',
    method: 'POST',
    target: '/files/',
    id: 'tus',
    headers: [...TUS, 'Upload-Concat: final;/files/%'],
  },
  { what: 'IETF GET', method: 'GET', target: '/files/%', id: 'ietf', headers: DRAFT },
  {
    what: 'IETF PATCH',
    method: 'PATCH',
    target: '/files/%',
    id: 'ietf',
    headers: [...PARTIAL, 'Upload-Offset: 0'],
    body: 'hello',
  },
  { what: 'IETF DELETE', method: 'DELETE', target: '/files/%', id: 'ietf', headers: DRAFT },
  { what: 'chunked GET', method: 'GET', target: `${CHUNKED}/%`, id: 'chunked' },
  {
    what: 'chunked PUT',
    method: 'PUT',
    target: `${CHUNKED}/%`,
    id: 'chunked',
    headers: [...FORM, 'Content-Range: bytes 5-9/10'],
    body: filled,
  },
  {
    what: 'chunked POST',
    method: 'POST',
    target: `${CHUNKED}/%`,
    id: 'chunked',
    headers: JSON_TYPE,
    body: '{"md5":"x"}',
  },
  { what: 'chunked DELETE', method: 'DELETE', target: `${CHUNKED}/%`, id: 'chunked' },
  {
    what: 'chunked complete of the ancestor',
    method: 'POST',
    target: `${CHUNKED}/complete`,
    id: 'chunked',
    headers: JSON_TYPE,
    body: '{"md5":"x","upload_id":"%"}',
  },
  { what: 'session list', method: 'GET', target: '/upload-session/%/files/', id: 'session' },
  {
    what: 'session POST',
    method: 'POST',
    target: '/upload-session/%/files/',
    id: 'session',
    headers: FORM,
    body: filled,
  },
  { what: 'session submit', method: 'POST', target: '/upload-session/%/submit', id: 'session' },
  { what: 'session GET', method: 'GET', target: '/upload-session/%/files/a.pdf', id: 'session' },
  {
    what: 'session DELETE',
    method: 'DELETE',
    target: '/upload-session/%/files/a.pdf',
    id: 'session',
  },
]

/** What needs a token, and no right to anything that is there. */
export const OTHERS: readonly Asked[] = [
  {
    what: 'tus POST',
    method: 'POST',
    target: '/files/',
    id: null,
    headers: [...TUS, 'Upload-Length: 5'],
  },
  {
    what: 'IETF POST',
    method: 'POST',
    target: '/files/',
    id: null,
    headers: [...DRAFT, 'Upload-Complete: ?1'],
    body: 'hello',
  },
  {
    what: 'chunked first PUT',
    method: 'PUT',
    target: `${CHUNKED}/`,
    id: null,
    headers: [...FORM, 'Content-Range: bytes 0-4/10'],
    body: filled,
  },
  {
    what: 'chunked first POST',
    method: 'POST',
    target: `${CHUNKED}/`,
    id: null,
    headers: FORM,
    body: filled,
  },
  { what: 'chunked list', method: 'GET', target: `${CHUNKED}/`, id: null },
  { what: 'new session', method: 'POST', target: '/upload-session/', id: null },
  { what: 'sessions', method: 'GET', target: '/upload-session/', id: null },
  {
    what: 'media POST',
    method: 'POST',
    target: '/api/media/files',
    id: null,
    headers: FORM,
    body: form(file('a.pdf', 'world')),
  },
  { what: 'media list', method: 'GET', target: '/api/media/files', id: null },
  { what: 'media GET', method: 'GET', target: '/api/media/files/%', id: 'media' },
  {
    what: 'media PATCH',
    method: 'PATCH',
    target: '/api/media/files/%',
    id: 'media',
    headers: JSON_TYPE,
    body: '{"name":"x"}',
  },
  { what: 'media DELETE', method: 'DELETE', target: '/api/media/files/%', id: 'media' },
  { what: 'thumbnail', method: 'GET', target: '/api/media/files/%/thumbnail', id: 'media' },
  { what: 'users', method: 'GET', target: '/api/users', id: null },
  {
    what: 'new user',
    method: 'POST',
    target: '/api/users',
    id: null,
    headers: JSON_TYPE,
    body: '{"username":"evil","role":"admin"}',
  },
  { what: 'tokens', method: 'GET', target: '/api/users/1/tokens', id: null },
  { what: 'new token', method: 'POST', target: '/api/users/1/tokens', id: null },
  { what: 'end of a token', method: 'DELETE', target: '/api/tokens/1', id: null },
  { what: 'who am I', method: 'GET', target: '/api/me', id: null },
]

/** For a table of tests. */
export const named = (asked: readonly Asked[]) => asked.map((each) => [each.what, each] as const)

/** Asks with this id; the answer without what differs between any two. */
export async function askFor(
  server: TestServer,
  asked: Asked,
  id: string,
  authorization: string | null,
) {
  const fill = (text: string) => text.replace('%', id)
  const { method, target, headers = [], body = '' } = asked
  const bytes = typeof body === 'string' ? fill(body) : body
  const framed = [
    ...headers.map(fill),
    ...(method === 'GET' ? [] : [`Content-Length: ${bytes.length}`]),
  ]
  const answer = await sendRaw(
    server.url,
    request(method, fill(target), authorization, framed),
    bytes,
  )
  expect(leakIn(answer.body)).toBeNull()
  const { 'x-request-id': _, date, ...rest } = answer.headers
  return { status: answer.status, headers: rest, body: answer.body.replaceAll(id, '%') }
}
