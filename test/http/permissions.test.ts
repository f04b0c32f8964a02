import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashKey } from '../../src/auth/key.ts'
import { rows } from '../../src/db/database.ts'
import { CHUNKED, chunk, chunkedClient, digest, formOf } from '../support/chunked.ts'
import { mediaClient } from '../support/media-client.ts'
import { file, form, formPath, formType } from '../support/multipart.ts'
import { PARTIAL, resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { stateOf } from '../support/state.ts'
import { BODY_TYPE, encode, TUS, tusClient } from '../support/tus.ts'

/*
 * Who may do what, at every door, over HTTP. test/unit/auth/can.test.ts has the same table for the
 * one function that decides it.
 */

let server: TestServer
let aheadMs = 0
/** Authorization by actor; undefined sends none. */
const as: Record<string, string | undefined> = { nobody: undefined }

beforeAll(async () => {
  server = await startServer({
    env: { SESSION_MAX_OPEN: '1000' },
    replaced: { now: () => new Date(Date.now() + aheadMs) },
  })
  const add = (role: 'user' | 'staff' | 'admin', name: string) => server.accounts.add(role, name)
  as.stranger = (await add('user', 'stranger')).authorization
  as.owner = (await add('user', 'owner')).authorization
  as.staff = (await add('staff', 'staff')).authorization
  as.admin = (await add('admin', 'chief')).authorization
  const gone = await add('admin', 'gone')
  as['a deactivated admin'] = gone.authorization
  await admin('DELETE', `/api/users/${gone.id}`)
  const suspended = await add('admin', 'suspended')
  as['a suspended admin'] = suspended.authorization
  await admin('PATCH', `/api/users/${suspended.id}`, { is_active: false })
  const revoked = await add('admin', 'revoked')
  as['a revoked token'] = revoked.authorization
  await admin('DELETE', `/api/tokens/${revoked.tokenId}`)
  const late = await add('admin', 'late')
  const end = new Date(Date.now() + 3_600_000).toISOString()
  const ending = await admin('POST', `/api/users/${late.id}/tokens`, { expires_at: end })
  as['an ended token'] = `Token ${((await ending.json()) as { key: string }).key}`
  aheadMs = 2 * 3_600_000
  as['an unknown token'] = `Token lf_${'x'.repeat(43)}`
})
afterAll(() => server.close())

const bad = [
  'a deactivated admin',
  'a suspended admin',
  'a revoked token',
  'an ended token',
  'an unknown token',
]

function admin(method: string, path: string, body?: object): Promise<Response> {
  return fetch(server.url + path, {
    method,
    headers: { Authorization: server.admin, 'Content-Type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
}

interface Asked {
  method: string
  path: string
  headers?: Record<string, string>
  body?: RequestInit['body']
}

/** What an action needs to be there: made by the owner, anew for everybody who tries. */
interface Made {
  path: string
}

const pathOf = (url: string | null) => new URL(url ?? '', server.url).pathname
const owners = () => as.owner ?? ''

const make = {
  async nothing(): Promise<Made> {
    return { path: '' }
  },
  async upload(): Promise<Made> {
    return { path: pathOf(await tusClient(server.url, owners()).begin(5)) }
  },
  async finished(): Promise<Made> {
    const { path } = await make.upload()
    await tusClient(server.url, owners()).patch(server.url + path, 0, 'hello')
    return { path }
  },
  async part(): Promise<Made> {
    const headers = { 'Upload-Length': '5', 'Upload-Concat': 'partial' }
    const answer = await tusClient(server.url, owners()).create(headers)
    return { path: pathOf(answer.headers.get('location')) }
  },
  async resumable(): Promise<Made> {
    return { path: pathOf(await resumableClient(server.url, owners()).make('he', 5)) }
  },
  async chunked(): Promise<Made> {
    const { id } = await chunkedClient(server.url, owners()).begin('hello', 10)
    return { path: `${CHUNKED}/${id}` }
  },
  async wholeChunked(): Promise<Made> {
    const { id } = await chunkedClient(server.url, owners()).begin('hello', 5)
    return { path: `${CHUNKED}/${id}` }
  },
  async session(): Promise<Made> {
    const client = sessionClient(server.url, owners())
    const token = await client.open()
    await client.add(token, 'a.pdf', pdf())
    return { path: `/upload-session/${token}` }
  },
  async media(): Promise<Made> {
    const { id } = await mediaClient(server, server.admin).upload('a.png', PIXEL)
    return { path: `${formPath}/${id}` }
  },
  async bytes(): Promise<Made> {
    const { f } = await mediaClient(server, server.admin).upload('a.txt', Buffer.from('hello'))
    return { path: pathOf(f) }
  },
  async user(): Promise<Made> {
    return { path: `/api/users/${(await server.accounts.add('user')).id}` }
  },
  async token(): Promise<Made> {
    return { path: `/api/tokens/${(await server.accounts.add('user')).tokenId}` }
  },
}

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

const json = { 'Content-Type': 'application/json' }
const IETF = { 'Upload-Draft-Interop-Version': '10' }
const oneForm = (name: string) => form(file(name, pdf(), { name: 'file' }))

/** Status for: nobody, stranger, owner, staff, admin. */
type Statuses = readonly [number, number, number, number, number]
type Row = readonly [what: string, make: () => Promise<Made>, Statuses, (made: Made) => Asked]

const anybody: Statuses = [200, 200, 200, 200, 200]
/** The owner, staff and admin; for others it does not exist. */
const reached = (ok: number): Statuses => [401, 404, ok, ok, ok]
const users = (ok: number): Statuses => [401, ok, ok, ok, ok]
const managers = (ok: number): Statuses => [401, 403, 403, ok, ok]
const admins = (ok: number): Statuses => [401, 403, 403, 403, ok]

const tusRows: Row[] = [
  [
    'tus: create',
    make.nothing,
    users(201),
    () => ({ method: 'POST', path: '/files/', headers: { ...TUS, 'Upload-Length': '5' } }),
  ],
  [
    'tus: create into a session',
    make.session,
    // "The session belongs to its user."
    [401, 400, 201, 400, 400],
    ({ path }) => ({
      method: 'POST',
      path: '/files/',
      headers: {
        ...TUS,
        'Upload-Length': '5',
        'Upload-Metadata': encode({
          session: path.slice('/upload-session/'.length),
          filename: 'b.pdf',
        }),
      },
    }),
  ],
  [
    'tus: join parts',
    make.part,
    reached(201),
    ({ path }) => ({
      method: 'POST',
      path: '/files/',
      headers: { ...TUS, 'Upload-Concat': `final;${path}` },
    }),
  ],
  ['tus: HEAD', make.upload, reached(200), ({ path }) => ({ method: 'HEAD', path, headers: TUS })],
  [
    'tus: append',
    make.upload,
    reached(204),
    ({ path }) => ({
      method: 'PATCH',
      path,
      headers: { ...TUS, 'Upload-Offset': '0', 'Content-Type': BODY_TYPE },
      body: 'hello',
    }),
  ],
  [
    'tus: append by another method',
    make.upload,
    reached(204),
    ({ path }) => ({
      method: 'POST',
      path,
      headers: {
        ...TUS,
        'Upload-Offset': '0',
        'Content-Type': BODY_TYPE,
        'X-HTTP-Method-Override': 'PATCH',
      },
      body: 'hello',
    }),
  ],
  ['tus: download', make.finished, reached(200), ({ path }) => ({ method: 'GET', path })],
  [
    'tus: terminate',
    make.upload,
    reached(204),
    ({ path }) => ({ method: 'DELETE', path, headers: TUS }),
  ],
  [
    'tus: terminate a finished one',
    make.finished,
    reached(204),
    ({ path }) => ({ method: 'DELETE', path, headers: TUS }),
  ],
]

const resumableRows: Row[] = [
  [
    'IETF: create',
    make.nothing,
    users(201),
    () => ({
      method: 'POST',
      path: '/files/',
      headers: { ...IETF, 'Upload-Complete': '?0' },
      body: 'he',
    }),
  ],
  [
    'IETF: HEAD',
    make.resumable,
    reached(204),
    ({ path }) => ({ method: 'HEAD', path, headers: IETF }),
  ],
  [
    'IETF: append',
    make.resumable,
    reached(204),
    ({ path }) => ({
      method: 'PATCH',
      path,
      headers: {
        ...IETF,
        'Upload-Offset': '2',
        'Upload-Complete': '?0',
        'Content-Type': PARTIAL,
      },
      body: 'l',
    }),
  ],
  [
    'IETF: cancel',
    make.resumable,
    reached(204),
    ({ path }) => ({ method: 'DELETE', path, headers: IETF }),
  ],
]

const chunkedRows: Row[] = [
  [
    'chunked: begin',
    make.nothing,
    users(200),
    () => ({
      method: 'PUT',
      path: `${CHUNKED}/`,
      headers: { 'Content-Range': 'bytes 0-4/10' },
      body: formOf({ filename: 'a', file: chunk('hello') }),
    }),
  ],
  [
    'chunked: a whole file',
    make.nothing,
    users(200),
    () => ({
      method: 'POST',
      path: `${CHUNKED}/`,
      body: formOf({ filename: 'a', file: chunk('hello'), md5: digest('hello') }),
    }),
  ],
  ['chunked: list', make.chunked, users(200), () => ({ method: 'GET', path: `${CHUNKED}/` })],
  ['chunked: show', make.chunked, reached(200), ({ path }) => ({ method: 'GET', path })],
  [
    'chunked: append',
    make.chunked,
    reached(200),
    ({ path }) => ({
      method: 'PUT',
      path,
      headers: { 'Content-Range': 'bytes 5-9/10' },
      body: formOf({ filename: 'a', file: chunk('world') }),
    }),
  ],
  [
    'chunked: complete',
    make.wholeChunked,
    reached(200),
    ({ path }) => ({ method: 'POST', path, body: formOf({ md5: digest('hello') }) }),
  ],
  ['chunked: remove', make.chunked, reached(204), ({ path }) => ({ method: 'DELETE', path })],
]

/** "Staff and admin reach every session's files for get and delete", and nothing else. */
const sessionRows: Row[] = [
  [
    'sessions: open',
    make.nothing,
    users(201),
    () => ({ method: 'POST', path: '/upload-session/' }),
  ],
  ['sessions: list', make.session, users(200), () => ({ method: 'GET', path: '/upload-session/' })],
  [
    'sessions: list the files',
    make.session,
    [401, 400, 200, 400, 400],
    ({ path }) => ({ method: 'GET', path: `${path}/files/` }),
  ],
  [
    'sessions: add a file',
    make.session,
    [401, 400, 200, 400, 400],
    ({ path }) => ({
      method: 'POST',
      path: `${path}/files/`,
      headers: { 'Content-Type': formType },
      body: oneForm('b.pdf'),
    }),
  ],
  [
    'sessions: submit',
    make.session,
    [401, 400, 200, 400, 400],
    ({ path }) => ({ method: 'POST', path: `${path}/submit` }),
  ],
  [
    'sessions: get a file',
    make.session,
    reached(200),
    ({ path }) => ({ method: 'GET', path: `${path}/files/a.pdf/` }),
  ],
  [
    'sessions: remove a file',
    make.session,
    reached(204),
    ({ path }) => ({ method: 'DELETE', path: `${path}/files/a.pdf/` }),
  ],
]

const apiRows: Row[] = [
  [
    'media: send a form',
    make.nothing,
    managers(201),
    () => ({
      method: 'POST',
      path: formPath,
      headers: { 'Content-Type': formType },
      body: form(file('a.txt', 'hello')),
    }),
  ],
  ['media: list', make.media, managers(200), () => ({ method: 'GET', path: formPath })],
  ['media: get', make.media, managers(200), ({ path }) => ({ method: 'GET', path })],
  [
    'media: change',
    make.media,
    managers(200),
    ({ path }) => ({ method: 'PATCH', path, headers: json, body: '{"name":"b"}' }),
  ],
  ['media: remove', make.media, managers(204), ({ path }) => ({ method: 'DELETE', path })],
  [
    'media: thumbnail',
    make.media,
    managers(200),
    ({ path }) => ({ method: 'GET', path: `${path}/thumbnail` }),
  ],
  [
    'media: make a link',
    make.media,
    managers(201),
    ({ path }) => ({ method: 'POST', path: `${path}/links`, headers: json, body: '{}' }),
  ],
  ['media: the bytes', make.bytes, anybody, ({ path }) => ({ method: 'GET', path })],
  ['accounts: list', make.nothing, admins(200), () => ({ method: 'GET', path: '/api/users' })],
  [
    'accounts: create',
    make.nothing,
    admins(201),
    () => ({
      method: 'POST',
      path: '/api/users',
      headers: json,
      body: JSON.stringify({ username: 'made', role: 'user' }),
    }),
  ],
  ['accounts: get', make.user, admins(200), ({ path }) => ({ method: 'GET', path })],
  [
    'accounts: change',
    make.user,
    admins(200),
    ({ path }) => ({ method: 'PATCH', path, headers: json, body: '{"role":"admin"}' }),
  ],
  ['accounts: deactivate', make.user, admins(204), ({ path }) => ({ method: 'DELETE', path })],
  [
    'accounts: list tokens',
    make.user,
    admins(200),
    ({ path }) => ({ method: 'GET', path: `${path}/tokens` }),
  ],
  [
    'accounts: make a token',
    make.user,
    admins(201),
    ({ path }) => ({ method: 'POST', path: `${path}/tokens`, headers: json, body: '{}' }),
  ],
  ['accounts: revoke a token', make.token, admins(204), ({ path }) => ({ method: 'DELETE', path })],
  ['who am I', make.nothing, users(200), () => ({ method: 'GET', path: '/api/me' })],
  ...['/healthz', '/readyz', '/metrics'].map(
    (path): Row => [path, make.nothing, anybody, () => ({ method: 'GET', path })],
  ),
]

const webhookRows: Row[] = [
  [
    'events: listen',
    make.nothing,
    users(200),
    // The answer to GET has no end.
    () => ({ method: 'HEAD', path: '/api/events' }),
  ],
  ...['events', 'deliveries'].map(
    (list): Row => [
      `webhooks: list ${list}`,
      make.nothing,
      admins(200),
      () => ({ method: 'GET', path: `/api/webhooks/${list}` }),
    ],
  ),
  // There is no WEBHOOK_URL here, since deliveries would change events beside the requests; an admin
  // is told so, and test/http/webhooks.test.ts has one who is not.
  ...['events/1/resend', 'test'].map(
    (path): Row => [
      `webhooks: ${path}`,
      make.nothing,
      admins(400),
      () => ({ method: 'POST', path: `/api/webhooks/${path}` }),
    ],
  ),
]

const table = [
  ...tusRows,
  ...resumableRows,
  ...chunkedRows,
  ...sessionRows,
  ...apiRows,
  ...webhookRows,
]

async function ask(who: string, { method, path, headers, body }: Asked): Promise<Response> {
  const authorization = as[who]
  return fetch(server.url + path, {
    method,
    headers: { ...(authorization ? { Authorization: authorization } : {}), ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

const DENIED = {
  nobody: 'Authentication credentials were not provided.',
  bad: 'Invalid token.',
  other: 'You do not have permission to perform this action.',
}

/** Tries it, and sees that a refusal says no more than it must. */
async function tried(who: string, made: Made, request: Row[3]): Promise<number> {
  const asked = request(made)
  const answer = await ask(who, asked)
  const text = await answer.text()
  if (answer.status === 401) expect(answer.headers.get('www-authenticate')).toBe('Token')
  if ((answer.status !== 401 && answer.status !== 403) || asked.method === 'HEAD')
    return answer.status
  // The IETF door says it as a problem (RFC 9457), in the same words.
  const expected = who === 'nobody' ? DENIED.nobody : bad.includes(who) ? DENIED.bad : DENIED.other
  expect(JSON.parse(text).detail, who).toBe(expected)
  return answer.status
}

/** The statuses of all of these, of whom nobody is let through: nothing has changed after them. */
async function refused(actors: string[], make: Row[1], request: Row[3]): Promise<number[]> {
  const made = await make()
  const before = await stateOf(server)
  const found: number[] = []
  for (const who of actors) found.push(await tried(who, made, request))
  expect(await stateOf(server)).toEqual(before)
  return found
}

const actors = ['nobody', 'stranger', 'owner', 'staff', 'admin']

describe('who may', () => {
  it.each(table)('%s', async (_, makeOne, statuses, request) => {
    const may = actors.filter((_, index) => (statuses[index] ?? 0) < 300)
    const mayNot = actors.filter((who) => !may.includes(who))
    const refusals = await refused(mayNot, makeOne, request)
    expect(refusals).toEqual(statuses.filter((status) => status >= 300))
    for (const who of may)
      expect([who, await tried(who, await makeOne(), request)]).toEqual([
        who,
        statuses[actors.indexOf(who)],
      ])
    const expected = statuses === anybody ? 200 : 401
    expect(await refused(bad, makeOne, request)).toEqual(bad.map(() => expected))
  })

  it('see in a list: only what is their own, but of media everything', async () => {
    const { path: upload } = await make.chunked()
    const { path: session } = await make.session()
    const { path: file } = await make.media()
    const seen = async (path: string, part: string) => {
      const found: string[] = []
      for (const who of actors.slice(1)) {
        const answer = await ask(who, { method: 'GET', path })
        if (answer.ok && (await answer.text()).includes(part)) found.push(who)
      }
      return found
    }
    const last = (path: string) => path.slice(path.lastIndexOf('/') + 1)
    expect(await seen(`${CHUNKED}/`, last(upload))).toEqual(['owner'])
    expect(await seen('/upload-session/', last(session))).toEqual(['owner'])
    expect(await seen(formPath, `"id":${last(file)},`)).toEqual(['staff', 'admin'])
  })
})

describe('a key', () => {
  it('is nowhere in the database: only its hash is', async () => {
    const { db } = server.database
    const tables = await rows<{ name: string }>(
      db,
      sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
    )
    expect(tables.length).toBeGreaterThan(4)
    const dumped = await Promise.all(
      tables.map(({ name }) =>
        rows<{ text: string }>(db, sql`select row::text as text from ${sql.identifier(name)} row`),
      ),
    )
    const everything = JSON.stringify(dumped)
    for (const authorization of [server.admin, ...Object.values(as)]) {
      const key = authorization?.slice('Token '.length) ?? ''
      if (key === '' || authorization === as['an unknown token']) continue
      expect(everything).not.toContain(key)
      expect(everything).toContain(hashKey(key))
    }
  })
})
