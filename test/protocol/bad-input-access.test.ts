import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectSound, request, sendRaw, stateOf } from '../support/bad-input.ts'
import {
  type Asked,
  askFor,
  makeOwned,
  named,
  OTHERS,
  type Owned,
  REQUESTS,
  UNKNOWN,
} from '../support/bad-input-access.ts'
import { chunk, chunkedClient } from '../support/chunked.ts'
import { file, form, formType } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

const UNSEEN = 'a'.repeat(32)

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

describe("another user's upload", () => {
  it.each(named(REQUESTS))('through %s is as unknown as any', async (_, asked) => {
    const unknown = asked.id === 'session' ? UNSEEN : UNKNOWN
    const foreign = await ask(asked, own[asked.id ?? 'tus'], stranger)
    const expected = await ask(asked, unknown, stranger)
    expect(foreign).toEqual(expected)
    const words = /^session (?:list|POST|submit)$/.test(asked.what)
    expect(foreign.status).toBe(words ? 400 : 404)
    expect(await stateOf(server)).toEqual(before)
  })

  it('through HEAD is so, too', async () => {
    for (const [name, value] of [
      ['Tus-Resumable', '1.0.0'],
      ['Upload-Draft-Interop-Version', '8'],
    ] as const) {
      const [foreign, unknown] = await Promise.all(
        [own.tus, own.ietf, UNKNOWN].map(async (id) => {
          const answer = await fetch(`${server.url}/files/${id}`, {
            method: 'HEAD',
            headers: { [name]: value, Authorization: stranger },
          })
          const { 'x-request-id': _, date, ...rest } = Object.fromEntries(answer.headers)
          return { status: answer.status, rest }
        }),
      )
      expect(foreign).toEqual(unknown)
      expect(foreign?.status).toBe(404)
    }
  })

  it('in metadata or a form of mine is as unknown as any', async () => {
    const tus = tusClient(server.url, stranger)
    const answers = await Promise.all(
      [own.session, UNSEEN].map(async (session) => {
        const metadata = `filename YS5wZGY=,session ${Buffer.from(session).toString('base64')}`
        const answer = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
        return [answer.status, await answer.text()]
      }),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]?.[0]).toBe(400)
    const chunked = await Promise.all(
      [own.chunked, UNKNOWN].map(async (upload_id) => {
        const answer = await chunkedClient(server.url, stranger).post('', {
          upload_id,
          file: chunk('x'),
        })
        return [answer.status, await answer.text()]
      }),
    )
    expect(chunked[0]).toEqual(chunked[1])
    expect(await stateOf(server)).toEqual(before)
  })
})

describe('a preflight', () => {
  const targets = [...REQUESTS, ...OTHERS].map(({ target }) => target)
  it.each([...new Set([...targets, '/media/%/a', '/nowhere'])])(
    'of %s needs no token',
    async (to) => {
      for (const authorization of [null, 'Token wrong'])
        for (const id of [own.tus, UNKNOWN]) {
          const answer = await sendRaw(
            server.url,
            request('OPTIONS', to.replace('%', id), authorization, [
              'Origin: https://a.example',
              'Access-Control-Request-Method: PATCH',
              'Access-Control-Request-Headers: authorization',
            ]),
          )
          expect([200, 204]).toContain(answer.status)
          expect(answer.headers['access-control-allow-origin']).toBe('*')
          expect(answer.headers).not.toHaveProperty('access-control-allow-credentials')
        }
      expect(await stateOf(server)).toEqual(before)
    },
  )
})

describe('a right that is taken away in the middle of an upload', () => {
  async function patchUser(id: number, body: object): Promise<void> {
    const headers = { Authorization: server.admin, 'Content-Type': 'application/json' }
    const init = { method: 'PATCH', headers, body: JSON.stringify(body) }
    expect((await fetch(`${server.url}/api/users/${id}`, init)).status).toBe(200)
  }

  it('is gone with the next request, at every door; the own uploads go on', async () => {
    const staff = await server.accounts.add('staff')
    for (const asked of REQUESTS.filter(({ what }) => / GET$/.test(what)))
      expect((await ask(asked, own[asked.id ?? 'tus'], staff.authorization)).status).toBeLessThan(
        300,
      )
    const tus = tusClient(server.url, staff.authorization)
    const mine = await tus.begin(10)
    await tus.patch(mine, 0, 'hello')
    await patchUser(staff.id, { role: 'user' })
    const unchanged = await stateOf(server)
    for (const asked of REQUESTS) {
      const { status } = await ask(asked, own[asked.id ?? 'tus'], staff.authorization)
      expect([asked.what, [400, 404].includes(status)]).toEqual([asked.what, true])
    }
    expect(await stateOf(server)).toEqual(unchanged)
    expect((await tus.patch(mine, 5, 'world')).status).toBe(204)
  })

  it('leaves a body that was allowed in to its end, and lets nothing follow', async () => {
    const staff = await server.accounts.add('staff')
    const body = form(file('half.txt', 'x'.repeat(100_000)))
    const connection = await openRaw(server.url)
    const head = request('POST', '/api/media/files', staff.authorization, [
      `Content-Type: ${formType}`,
      `Content-Length: ${body.length}`,
    ])
    connection.send(`${head.join('\r\n')}\r\n\r\n`)
    connection.send(body.subarray(0, 50_000))
    await expect.poll(() => stateOf(server)).not.toEqual(before)
    await patchUser(staff.id, { role: 'user', is_active: false })
    connection.send(body.subarray(50_000))
    expect((await connection.answer()).status).toBe(201)
    connection.send(
      `${request('GET', '/api/media/files', staff.authorization).join('\r\n')}\r\n\r\n`,
    )
    expect((await connection.answer()).status).toBe(401)
    connection.reset()
  })
})
