import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTokens } from '../../src/auth/tokens.ts'
import { createUsers } from '../../src/auth/users.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import * as schema from '../../src/db/schema.ts'
import { accountRoutes } from '../../src/http/accounts.ts'
import { createApp } from '../../src/http/app.ts'
import { requestLog } from '../../src/http/request-log.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { openTestDatabase } from '../support/database.ts'

let open: OpenDatabase
let app: ReturnType<typeof createApp>
let adminId: number
let adminKey: string
let staffKey: string

const now = () => new Date('2026-03-04T05:06:07.120Z')
const log = createLog({ level: 'silent' })

beforeAll(async () => {
  open = await openTestDatabase('embedded')
})
afterAll(() => open.close())

beforeEach(async () => {
  await open.db.delete(schema.tokens)
  await open.db.delete(schema.users)
  const users = createUsers({ db: open.db, now })
  const tokens = createTokens({ db: open.db, now })
  const routes = accountRoutes({ users, tokens, originOf: () => 'https://files.example' })
  app = createApp({
    log,
    corsOrigins: '*',
    requestLog: requestLog({ log, metrics: { requestDone: () => {} } }),
    mounts: [['/', routes]],
    ownOptions: [],
  })
  const admin = await users.create({ username: 'admin', role: 'admin' })
  adminId = admin.id
  adminKey = (await tokens.create(admin.id, {})).key
  const staff = await users.create({ username: 'staff', role: 'staff' })
  staffKey = (await tokens.create(staff.id, {})).key
})

/** Every field that an answer of these paths can have. */
interface AnswerJson {
  id: number
  key: string
  detail: string
  expires_at: string[]
  next: string | null
  previous: string | null
  results: { id: number; username: string }[]
}

interface Answer {
  status: number
  headers: Headers
  json: AnswerJson
}

async function ask(
  method: string,
  path: string,
  { body, key = adminKey, headers = {} }: AskOptions = {},
): Promise<Answer> {
  const json: Record<string, string> =
    body === undefined ? {} : { 'Content-Type': 'application/json' }
  const response = await app.request(path, {
    method,
    headers: { ...json, ...(key === null ? {} : { Authorization: `Token ${key}` }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    json: text === '' ? null : JSON.parse(text),
  }
}

interface AskOptions {
  body?: unknown
  key?: string | null
  headers?: Record<string, string>
}

const required = ['This field is required.']

describe('who may', () => {
  const paths: [method: string, path: string][] = [
    ['GET', '/api/users'],
    ['POST', '/api/users'],
    ['GET', '/api/users/1'],
    ['PATCH', '/api/users/1'],
    ['DELETE', '/api/users/1'],
    ['GET', '/api/users/1/tokens'],
    ['POST', '/api/users/1/tokens'],
    ['DELETE', '/api/tokens/1'],
  ]

  it.each(paths)('%s %s is for admins', async (method, path) => {
    const nobody = await ask(method, path, { key: null })
    expect(nobody.status).toBe(401)
    expect(nobody.headers.get('www-authenticate')).toBe('Token')
    expect(nobody.json).toEqual({ detail: 'Authentication credentials were not provided.' })
    const wrong = await ask(method, path, { key: 'lf_wrong' })
    expect(wrong.status).toBe(401)
    expect(wrong.headers.get('www-authenticate')).toBe('Token')
    expect(wrong.json).toEqual({ detail: 'Invalid token.' })
    const staff = await ask(method, path, { key: staffKey })
    expect(staff.status).toBe(403)
    expect(staff.json).toEqual({ detail: 'You do not have permission to perform this action.' })
  })

  it('/api/me is for any token', async () => {
    expect((await ask('GET', '/api/me', { key: null })).status).toBe(401)
    const me = await ask('GET', '/api/me', { key: staffKey })
    expect(me.status).toBe(200)
    expect(me.json).toMatchObject({ username: 'staff', role: 'staff' })
  })
})

describe('users', () => {
  it('are made, read, changed and deactivated', async () => {
    const body = { username: 'bob', role: 'user', first_name: ' Bob ', last_name: 'Jones' }
    const made = await ask('POST', '/api/users', { body })
    const bob = {
      id: expect.any(Number),
      username: 'bob',
      first_name: 'Bob',
      last_name: 'Jones',
      full_name: 'Bob Jones',
      role: 'user',
      is_active: true,
      last_login: null,
      created_at: '2026-03-04T05:06:07.120000Z',
    }
    expect(made.status).toBe(201)
    expect(made.json).toEqual(bob)
    expect(Object.keys(made.json)).toEqual(Object.keys(bob))
    const path = `/api/users/${made.json.id}`
    expect((await ask('GET', `${path}/`)).json).toEqual(bob)
    const patched = await ask('PATCH', path, {
      body: { first_name: '', last_name: '', role: 'staff', unknown: 1, id: 99 },
    })
    expect(patched.json).toMatchObject({ id: made.json.id, full_name: 'bob', role: 'staff' })
    const { key } = (await ask('POST', `${path}/tokens`)).json
    expect((await ask('GET', '/api/me', { key })).status).toBe(200)
    const gone = await ask('DELETE', path)
    expect([gone.status, gone.json]).toEqual([204, null])
    expect((await ask('GET', path)).json).toMatchObject({ is_active: false })
    expect((await ask('GET', '/api/me', { key })).status).toBe(401)
  })

  it.each([
    [{}, { username: required, role: required }],
    [
      { username: '', role: '' },
      {
        username: ['This field may not be blank.'],
        role: ['"" is not a valid choice.'],
      },
    ],
    [
      { username: null, role: null },
      {
        username: ['This field may not be null.'],
        role: ['This field may not be null.'],
      },
    ],
    [{ username: 'bob', role: 'boss' }, { role: ['"boss" is not a valid choice.'] }],
    [
      { username: 'b'.repeat(151), role: 'user' },
      {
        username: ['Ensure this field has no more than 150 characters.'],
      },
    ],
    [
      { username: 'bob smith', role: 'user' },
      {
        username: [
          'Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.',
        ],
      },
    ],
    [{ username: ['bob'], role: 'user' }, { username: ['Not a valid string.'] }],
    [
      { username: 'admin', role: 'user' },
      {
        username: ['A user with that username already exists.'],
      },
    ],
    [
      { username: 'bob', role: 'user', first_name: 'a\0b' },
      {
        first_name: ['Null characters are not allowed.'],
      },
    ],
    [
      { username: 'bob', role: 'user', last_name: 'a\ud800' },
      {
        last_name: ['Surrogate characters are not allowed: U+D800.'],
      },
    ],
    [[], { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }],
    ['"x"', { non_field_errors: ['Invalid data. Expected a dictionary, but got str.'] }],
  ])('%j is refused in the words of DRF', async (body, expected) => {
    const answer = await ask('POST', '/api/users', { body })
    expect(answer.status).toBe(400)
    expect(answer.json).toEqual(expected)
    expect(await open.db.$count(schema.users)).toBe(2)
  })

  it.each(['Zoë', 'bob@example.org', 'b+o-b_1', '山田'])('may be called %s', async (username) => {
    expect((await ask('POST', '/api/users', { body: { username, role: 'user' } })).status).toBe(201)
  })

  it('with names as keys of every object are ordinary', async () => {
    const body = '{"username": "constructor", "role": "user", "__proto__": {"first_name": "x"}}'
    const answer = await ask('POST', '/api/users', { body })
    expect(answer.json).toMatchObject({ username: 'constructor', first_name: '' })
    expect((await ask('POST', '/api/users', { body: { username: 'b', role: 'toString' } })).status) //
      .toBe(400)
  })

  it('cannot lock themselves out', async () => {
    const path = `/api/users/${adminId}`
    const detail = 'You cannot deactivate yourself or give up your own admin role.'
    for (const answer of [
      await ask('DELETE', path),
      await ask('PATCH', path, { body: { is_active: false } }),
      await ask('PATCH', path, { body: { role: 'staff' } }),
    ]) {
      expect(answer.status).toBe(400)
      expect(answer.json).toEqual({ detail })
    }
    const harmless = { role: 'admin', is_active: true, first_name: 'Ada' }
    expect((await ask('PATCH', path, { body: harmless })).status).toBe(200)
  })

  it.each([
    '0',
    '-1',
    '+1',
    '1e3',
    '0x1',
    '1.0',
    '2147483648',
    '9'.repeat(40),
    'x',
    '%00',
    '%E0%A4%A',
  ])('with the id %s are not found', async (id) => {
    for (const path of [`/api/users/${id}`, `/api/users/${id}/tokens`]) {
      const answer = await ask('GET', path)
      expect([answer.status, answer.json]).toEqual([404, { detail: 'Not found.' }])
    }
    expect((await ask('DELETE', `/api/tokens/${id}`)).status).toBe(404)
  })
})

describe('the list of users', () => {
  beforeEach(async () => {
    const users = createUsers({ db: open.db, now })
    for (let i = 0; i < 10; i++) await users.create({ username: `u${i}`, role: 'user' })
  })
  const names = (answer: Answer) => answer.json.results.map((user) => user.username)

  it('comes in pages of ten with links', async () => {
    const first = await ask('GET', '/api/users')
    expect(first.json).toMatchObject({
      count: 12,
      next: 'https://files.example/api/users?limit=10&offset=10',
      previous: null,
    })
    expect(names(first)).toHaveLength(10)
    const second = await ask('GET', '/api/users/?z=1&offset=10&limit=10&a=b')
    expect(names(second)).toEqual(['u8', 'u9'])
    expect(second.json.next).toBeNull()
    expect(second.json.previous).toMatch(
      /^https:\/\/files\.example\/api\/users\/?\?a=b&limit=10&z=1$/,
    )
  })

  it.each(['99999999999999999999', '9007199254740993', '9223372036854775808'])(
    'is empty at the offset %s',
    async (offset) => {
      const answer = await ask('GET', `/api/users?offset=${offset}`)
      expect([answer.status, answer.json.results]).toEqual([200, []])
    },
  )

  it.each(['0', '-1', 'x', '5.0', ''])('takes the limit %j for none', async (limit) => {
    expect(names(await ask('GET', `/api/users?limit=${limit}`))).toHaveLength(10)
  })
})

describe('tokens', () => {
  it('show their key once, when they are made', async () => {
    const path = `/api/users/${adminId}/tokens`
    const body = { name: 'laptop', expires_at: '2030-01-31T13:00:00+01:00' }
    const made = await ask('POST', path, { body })
    expect(made.status).toBe(201)
    expect(made.headers.get('cache-control')).toBe('no-store')
    expect(made.json).toEqual({
      id: expect.any(Number),
      key: expect.any(String),
      name: 'laptop',
      created_at: '2026-03-04T05:06:07.120000Z',
      expires_at: '2030-01-31T12:00:00Z',
    })
    expect((await ask('GET', '/api/me', { key: made.json.key })).status).toBe(200)
    const { key, ...rest } = made.json
    const listed = await ask('GET', path)
    expect(listed.json).toMatchObject({ count: 2, next: null, previous: null })
    expect(listed.json.results[1]).toEqual(rest)
    expect(JSON.stringify(listed.json)).not.toContain(key)
  })

  it('end with the next request after they are revoked', async () => {
    const { id, key } = (await ask('POST', `/api/users/${adminId}/tokens`)).json
    expect((await ask('DELETE', `/api/tokens/${id}`)).status).toBe(204)
    expect((await ask('GET', '/api/me', { key })).json).toEqual({ detail: 'Invalid token.' })
    expect((await ask('DELETE', `/api/tokens/${id}`)).status).toBe(404)
  })

  it('whose end has passed are refused', async () => {
    const body = { expires_at: '2020-01-01T00:00:00Z' }
    const { key } = (await ask('POST', `/api/users/${adminId}/tokens`, { body })).json
    expect((await ask('GET', '/api/me', { key })).status).toBe(401)
  })

  it.each(['tomorrow', '2026-02-30T00:00:00Z', '2026-01-01', 5, '9999-12-31T23:59:59-12:00'])(
    'cannot end at %j',
    async (expires_at) => {
      const answer = await ask('POST', `/api/users/${adminId}/tokens`, { body: { expires_at } })
      expect(answer.status).toBe(400)
      expect(answer.json.expires_at[0]).toMatch(/^Datetime has wrong format\./)
    },
  )
})

describe('requests that are none of these', () => {
  it('with another method are told which there are', async () => {
    const answer = await ask('PUT', '/api/users')
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('GET, POST, HEAD, OPTIONS')
    expect(answer.json).toEqual({ detail: 'Method "PUT" not allowed.' })
    expect((await ask('GET', '/api/tokens/1')).headers.get('allow')).toBe('DELETE, OPTIONS')
  })

  it('with OPTIONS need no token', async () => {
    const answer = await ask('OPTIONS', '/api/users', { key: null })
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, POST, HEAD, OPTIONS'])
  })

  it('with HEAD have no body', async () => {
    const answer = await ask('HEAD', '/api/me')
    expect([answer.status, answer.json]).toEqual([200, null])
  })

  it('with a body that is no JSON are refused without repeating it', async () => {
    const answer = await ask('POST', '/api/users', { body: '{"username": <script>' })
    expect(answer.status).toBe(400)
    expect(answer.json.detail).toMatch(/^JSON parse error - the body is not valid JSON/)
    expect(answer.json.detail).not.toContain('script')
  })

  it('with a body of another type are refused', async () => {
    const headers = { 'Content-Type': 'text/plain' }
    const answer = await ask('POST', '/api/users', { body: 'x', headers })
    expect(answer.status).toBe(415)
    expect(answer.json).toEqual({ detail: 'Unsupported media type "text/plain" in request.' })
  })

  it('with a body over 64 KiB are refused', async () => {
    const body = `"${'x'.repeat(64 * 1024)}"`
    expect((await ask('POST', '/api/users', { body })).status).toBe(413)
  })

  it('with bytes that are not UTF-8 are refused', async () => {
    const response = await app.request('/api/users', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Token ${adminKey}` },
      body: new Uint8Array([0x22, 0xff, 0x22]),
    })
    expect(response.status).toBe(400)
  })
})
