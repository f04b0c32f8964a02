import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import {
  type AccountApi,
  type Answer,
  createAccountApi,
  openAccountDatabase,
} from '../support/account-api.ts'

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

describe('the list of users', () => {
  beforeEach(async () => {
    for (let i = 0; i < 10; i++) await api.users.create({ username: `u${i}`, role: 'user' })
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
    const path = `/api/users/${api.adminId}/tokens`
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
    const { id, key } = (await ask('POST', `/api/users/${api.adminId}/tokens`)).json
    expect((await ask('DELETE', `/api/tokens/${id}`)).status).toBe(204)
    expect((await ask('GET', '/api/me', { key })).json).toEqual({ detail: 'Invalid token.' })
    expect((await ask('DELETE', `/api/tokens/${id}`)).status).toBe(404)
  })

  it('whose end has passed are refused', async () => {
    const body = { expires_at: '2020-01-01T00:00:00Z' }
    const { key } = (await ask('POST', `/api/users/${api.adminId}/tokens`, { body })).json
    expect((await ask('GET', '/api/me', { key })).status).toBe(401)
  })

  it.each(['tomorrow', '2026-02-30T00:00:00Z', '2026-01-01', 5, '9999-12-31T23:59:59-12:00'])(
    'cannot end at %j',
    async (expires_at) => {
      const answer = await ask('POST', `/api/users/${api.adminId}/tokens`, { body: { expires_at } })
      expect(answer.status).toBe(400)
      expect(answer.json.expires_at[0]).toMatch(/^Datetime has wrong format\./)
    },
  )
})
