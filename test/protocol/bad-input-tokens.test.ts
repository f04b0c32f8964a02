import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectSound, request, sendRaw, stateOf } from '../support/bad-input.ts'
import {
  type Asked,
  askFor,
  makeOwned,
  OTHERS,
  type Owned,
  REQUESTS,
} from '../support/bad-input-access.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let before: unknown
let owner: string
let stranger: string
let own: Owned

beforeAll(async () => {
  server = await startServer()
  owner = (await server.accounts.add('user')).authorization
  stranger = (await server.accounts.add('user')).authorization
  own = await makeOwned(server, owner)
})
afterAll(() => server.close())
beforeEach(async () => {
  before = await stateOf(server)
})
afterEach(() => expectSound(server))

const ask = (asked: Asked, id: string, authorization: string | null) =>
  askFor(server, asked, id, authorization)

describe('a token', () => {
  const credentials: Record<string, () => Promise<string | null>> = {
    'that is not sent': async () => null,
    'that is empty': async () => '',
    'that is a scheme alone': async () => 'Token',
    'that is a scheme and a space': async () => 'Token ',
    'that is wrong': async () => `Token ${'x'.repeat(43)}`,
    'that is wrong by one letter': async () =>
      `${owner.slice(0, -1)}${owner.endsWith('x') ? 'y' : 'x'}`,
    'that has more behind it': async () => `${owner} x`,
    'of 50 KB': async () => `Token ${'x'.repeat(50_000)}`,
    'of another scheme': async () => `Basic ${Buffer.from('admin:admin').toString('base64')}`,
    'that is a hash': async () => `Token ${'0'.repeat(64)}`,
    'with a statement in it': async () => `Token ' or 1=1 --`,
    'with bytes above ASCII': async () => 'Token \xe4\xf6\xfc',
    async 'that was revoked'() {
      const { authorization, tokenId } = await server.accounts.add('admin')
      await fetch(`${server.url}/api/tokens/${tokenId}`, {
        method: 'DELETE',
        headers: { Authorization: server.admin },
      })
      return authorization
    },
    async 'whose time is over'() {
      const { id } = await server.accounts.add('admin')
      const made = await fetch(`${server.url}/api/users/${id}/tokens`, {
        method: 'POST',
        headers: { Authorization: server.admin, 'Content-Type': 'application/json' },
        body: JSON.stringify({ expires_at: new Date(Date.now() - 1000).toISOString() }),
      })
      return `Token ${((await made.json()) as { key: string }).key}`
    },
    async 'of somebody who was deactivated'() {
      const { id, authorization } = await server.accounts.add('admin')
      await fetch(`${server.url}/api/users/${id}`, {
        method: 'DELETE',
        headers: { Authorization: server.admin },
      })
      return authorization
    },
  }

  it.each(Object.entries(credentials))(
    '%s opens nothing, whatever is asked',
    async (what, make) => {
      const credential = await make()
      const unchanged = await stateOf(server)
      const none = ['that is not sent', 'that is empty'].includes(what)
      for (const asked of [...REQUESTS, ...OTHERS]) {
        const { status, headers, body } = await ask(asked, own[asked.id ?? 'tus'], credential)
        expect([asked.what, status]).toEqual([asked.what, 401])
        expect([asked.what, headers['www-authenticate']]).toEqual([asked.what, 'Token'])
        expect(body).toContain(
          none ? 'Authentication credentials were not provided.' : 'Invalid token.',
        )
      }
      expect(await stateOf(server)).toEqual(unchanged)
    },
  )

  it('of a user opens neither the library nor the accounts', async () => {
    for (const asked of OTHERS.filter(({ target }) =>
      /^\/api\/(?:media|users|tokens)/.test(target),
    )) {
      const answer = await ask(asked, own.media, stranger)
      expect([asked.what, answer.status, answer.body]).toEqual([
        asked.what,
        403,
        '{"detail":"You do not have permission to perform this action."}',
      ])
    }
    expect(await stateOf(server)).toEqual(before)
  })

  it('sent twice, or in a query or a cookie, is none', async () => {
    const key = owner.slice('Token '.length)
    for (const lines of [[`Cookie: token=${key}`], [`X-Auth-Token: ${key}`], [`Token: ${key}`]])
      expect((await sendRaw(server.url, request('GET', '/api/me', null, lines))).status).toBe(401)
    expect((await sendRaw(server.url, request('GET', `/api/me?token=${key}`, null))).status).toBe(
      401,
    )
    const twice = request('GET', '/api/me', `Token ${'x'.repeat(43)}`, [`Authorization: ${owner}`])
    expect((await sendRaw(server.url, twice)).status).toBe(401)
  })
})
