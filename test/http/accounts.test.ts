import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import * as schema from '../../src/db/schema.ts'
import { type AccountApi, createAccountApi, openAccountDatabase } from '../support/account-api.ts'

let open: OpenDatabase
let api: AccountApi
const ask: AccountApi['ask'] = (...request) => api.ask(...request)

beforeAll(async () => {
  open = await openAccountDatabase()
})
afterAll(() => open.close())
beforeEach(async () => {
  api = await createAccountApi(open)
})

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
    const staff = await ask(method, path, { key: api.staffKey })
    expect(staff.status).toBe(403)
    expect(staff.json).toEqual({ detail: 'You do not have permission to perform this action.' })
  })

  it('/api/me is for any token', async () => {
    expect((await ask('GET', '/api/me', { key: null })).status).toBe(401)
    const me = await ask('GET', '/api/me', { key: api.staffKey })
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
    expect(await api.db.$count(schema.users)).toBe(2)
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
    const path = `/api/users/${api.adminId}`
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
    const response = await api.app.request('/api/users', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Token ${api.adminKey}` },
      body: new Uint8Array([0x22, 0xff, 0x22]),
    })
    expect(response.status).toBe(400)
  })
})
