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
import { CHUNKED } from '../support/chunked.ts'
import { buildPng } from '../support/images.ts'
import { mediaClient } from '../support/media-client.ts'
import { field, form, formType } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'

const BAD = [...NO_NUMBERS, ...TOO_LARGE]

let server: TestServer
let admin: string
let media: { id: number; f: string }
let before: unknown

beforeAll(async () => {
  server = await startServer()
  admin = server.admin
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

/** Asks, sees that nothing is given away, and gives the status. */
async function statusOf(head: string[], body: string | Uint8Array = ''): Promise<number> {
  const answer = await sendRaw(server.url, head, body)
  expect(leakIn(answer.body)).toBeNull()
  return answer.status
}

describe('Range', () => {
  it.each(BAD)('from %j of a file is ignored, or lies outside it', async (value) => {
    for (const target of [new URL(media.f).pathname])
      for (const range of [`bytes=${value}-`, `bytes=0-${value}`, `bytes=-${value}`]) {
        const answer = await sendRaw(
          server.url,
          request('GET', target, admin, [`Range: ${latin1(range)}`]),
        )
        expect([200, 206, 416]).toContain(answer.status)
        if (answer.status === 206)
          expect(answer.headers['content-range']).toMatch(/^bytes \d+-\d+\//)
      }
  })
})

describe('a number in a path', () => {
  const values = [...BAD.filter((value) => !['', '5;5'].includes(value)), ' 5', '5 ']
  it.each([
    ['GET', '/api/media/files/%'],
    ['PATCH', '/api/media/files/%'],
    ['DELETE', '/api/media/files/%'],
    ['GET', '/api/media/files/%/thumbnail'],
    ['GET', '/api/users/%'],
    ['PATCH', '/api/users/%'],
    ['DELETE', '/api/users/%'],
    ['GET', '/api/users/%/tokens'],
    ['POST', '/api/users/%/tokens'],
    ['DELETE', '/api/tokens/%'],
  ])('%s %s names nothing', async (method, target) => {
    for (const value of values) {
      const to = target.replace('%', encodeURIComponent(value))
      const answer = await sendRaw(server.url, request(method, to, admin))
      expect([to, answer.status, answer.body]).toEqual([to, 404, '{"detail":"Not found."}'])
    }
  })
})

describe('a parameter', () => {
  const get = (to: string) => statusOf(request('GET', to, admin))
  const valid = new Set(['-1', '+5', ...TOO_LARGE, ''])

  it.each([
    'user_id',
    'size_min',
    'size_max',
    'width_min',
    'width_max',
    'height_min',
    'height_max',
    'id_min',
    'id_max',
  ])('%s takes whole numbers of any length, and nothing else', async (name) => {
    for (const value of [...BAD, ' 5', '5\0', `${'9'.repeat(5000)}`]) {
      const whole = valid.has(value) || /^[ 9]/.test(value)
      const status = await get(`/api/media/files?${name}=${encodeURIComponent(value)}`)
      expect([value.slice(0, 30), status]).toEqual([value.slice(0, 30), whole ? 200 : 400])
    }
    expect(await get(`/api/media/files?${name}=x&${name}=5`)).toBe(200)
    expect(await get(`/api/media/files?${name}=5&${name}=x`)).toBe(400)
  })

  it.each([
    '/api/media/files?limit=%',
    '/api/media/files?offset=%',
    '/api/users?limit=%',
    '/api/users?offset=%',
    '/api/users/1/tokens?limit=%',
    `${CHUNKED}/?offset=%`,
  ])('%s has a default for what is none', async (target) => {
    for (const value of [...BAD, '9'.repeat(5000)])
      expect([value, await get(target.replace('%', encodeURIComponent(value)))]).toEqual([
        value,
        200,
      ])
  })

  it('width of a thumbnail is bounded whatever it says', async () => {
    for (const value of BAD) {
      const to = `/api/media/files/${media.id}/thumbnail?width=${encodeURIComponent(value)}`
      const answer = await fetch(server.url + to, { headers: { Authorization: admin } })
      expect([value, answer.status]).toEqual([value, valid.has(value) ? 200 : 400])
      if (answer.ok) expect((await answer.arrayBuffer()).byteLength).toBeLessThan(10_000)
    }
    before = await stateOf(server)
  })
})

describe('a number in a field', () => {
  it.each([...NO_NUMBERS, ...TOO_LARGE])('%j is text, where a form has text', async (value) => {
    const answer = await fetch(`${server.url}/api/media/files`, {
      method: 'POST',
      headers: { Authorization: admin, 'Content-Type': formType },
      body: new Uint8Array(form(field('f', value))),
    })
    expect(answer.status).toBe(400)
  })

  it.each(['1e999', '-0', '1e-999', '18446744073709551616', '5.0'])(
    'the JSON %s is no date, no role and no state',
    async (value) => {
      const json = ['Content-Type: application/json']
      const send = (method: string, to: string, body: string) =>
        statusOf(request(method, to, admin, [...json, `Content-Length: ${body.length}`]), body)
      expect(await send('POST', '/api/users/1/tokens', `{"expires_at":${value}}`)).toBe(400)
      expect(await send('POST', '/api/users', `{"username":"n","role":${value}}`)).toBe(400)
      expect(await send('PATCH', '/api/users/1', `{"first_name":[${value}]}`)).toBe(400)
    },
  )
})
