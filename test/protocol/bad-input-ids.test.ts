import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectSound, leakIn, request, sendRaw, stateOf } from '../support/bad-input.ts'
import { CHUNKED, chunkedClient } from '../support/chunked.ts'
import { mediaClient } from '../support/media-client.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { tusClient } from '../support/tus.ts'

const UNKNOWN = '00000000-0000-4000-8000-000000000000'
const IDS = [
  '%2e%2e%2f',
  '..%2f..%2f..%2fetc%2fpasswd',
  '..%5c..%5cx',
  '%00',
  `${UNKNOWN}%00`,
  '%0d%0aSet-Cookie:%20x=1',
  '%E0%A4%A',
  '%ff',
  '%ED%A0%80',
  '%',
  '%zz',
  ';',
  `${UNKNOWN};x=1`,
  `${UNKNOWN},${UNKNOWN}`,
  `%7B${UNKNOWN}%7D`,
  UNKNOWN.toUpperCase(),
  '*',
  '~',
  '__proto__',
  'constructor',
  "'%20or%20''='",
  '1%20or%201=1',
  '%F0%9F%98%80',
  'x'.repeat(5_000),
  '%2e'.repeat(5_000),
]

const TUS = ['Tus-Resumable: 1.0.0']
const PATCH = [
  'Content-Type: application/offset+octet-stream',
  'Upload-Offset: 0',
  'Content-Length: 0',
]
const DRAFT = ['Upload-Draft-Interop-Version: 8', 'Upload-Complete: ?0']
const DRAFT_PATCH = [
  ...DRAFT,
  'Content-Type: application/partial-upload',
  'Upload-Offset: 0',
  'Content-Length: 0',
]
const JSON_BODY = ['Content-Type: application/json', 'Content-Length: 0']

/** Every path with an id in it, and a request that a good id would be answered. */
const PLACES: [method: string, target: string, headers: string[]][] = [
  ['GET', '/files/%', []],
  ['PATCH', '/files/%', [...TUS, ...PATCH]],
  ['DELETE', '/files/%', TUS],
  ['GET', '/files/%', DRAFT],
  ['PATCH', '/files/%', DRAFT_PATCH],
  ['DELETE', '/files/%', ['Upload-Draft-Interop-Version: 8']],
  ['GET', `${CHUNKED}/%`, []],
  ['DELETE', `${CHUNKED}/%`, []],
  ['POST', `${CHUNKED}/%`, ['Content-Type: application/json', 'Content-Length: 11']],
  ['GET', '/upload-session/%/files/', []],
  ['POST', '/upload-session/%/submit', ['Content-Length: 0']],
  ['GET', '/upload-session/%/files/a.pdf', []],
  ['DELETE', '/upload-session/%/files/a.pdf', []],
  ['GET', '/api/media/files/%', []],
  ['PATCH', '/api/media/files/%', JSON_BODY],
  ['DELETE', '/api/media/files/%', []],
  ['GET', '/api/media/files/%/thumbnail', []],
  ['GET', '/media/%/a.txt', []],
  ['GET', '/api/users/%', []],
  ['PATCH', '/api/users/%', JSON_BODY],
  ['DELETE', '/api/users/%', []],
  ['GET', '/api/users/%/tokens', []],
  ['POST', '/api/users/%/tokens', JSON_BODY],
  ['DELETE', '/api/tokens/%', []],
]

let server: TestServer
let admin: string
let before: unknown
/** Paths of things that exist, one behind each door. */
let good: Record<string, string>

beforeAll(async () => {
  server = await startServer()
  admin = server.admin
  const chunked = await chunkedClient(server.url, admin).begin('hello', 10)
  const record = await mediaClient(server, admin).upload('a.pdf', pdf())
  const sessions = sessionClient(server.url, admin)
  const token = await sessions.open()
  await sessions.add(token, 'a.pdf', pdf())
  const pathOf = (url: string) => new URL(url).pathname
  good = {
    tus: pathOf(await tusClient(server.url, admin).begin(10)),
    ietf: pathOf(await resumableClient(server.url, admin).make('', 10)),
    chunked: `${CHUNKED}/${chunked.id}`,
    session: `/upload-session/${token}/files/a.pdf`,
    media: `/api/media/files/${record.id}`,
    bytes: pathOf(record.f),
    user: '/api/users/1',
  }
})
afterAll(() => server.close())
beforeEach(async () => {
  before = await stateOf(server)
})
afterEach(async () => {
  expect(await stateOf(server)).toEqual(before)
  await expectSound(server)
})

async function ask(method: string, target: string, headers: string[] = [], as = admin) {
  const body = headers.includes('Content-Length: 11') ? '{"md5":"x"}' : ''
  const answer = await sendRaw(server.url, request(method, target, as, headers), body)
  expect(leakIn(answer.body)).toBeNull()
  expect(answer.headers).not.toHaveProperty('set-cookie')
  return { status: answer.status, body: answer.body }
}

describe.each(PLACES)('%s %s (%j)', (method, target, headers) => {
  it('answers every id that is none as it answers one that is unknown', async () => {
    const session = target.startsWith('/upload-session')
    const unknown = session
      ? 'a'.repeat(32)
      : /users|tokens|media/.test(target)
        ? '999999'
        : UNKNOWN
    const expected = await ask(method, target.replace('%', unknown), headers)
    const invalid = session && /files\/$|submit$/.test(target)
    expect(expected.status).toBe(invalid ? 400 : 404)
    for (const id of IDS) {
      const answer = await ask(method, target.replace('%', id), headers)
      // The list of a session gives the token back that it was asked for, as it was decoded.
      const { status, body } = answer
      const same = invalid ? { status, body: expected.body } : { status, body }
      expect([id, same]).toEqual([id, expected])
      if (invalid) expect(body).toContain('"error":"Invalid upload session token"')
    }
  })
})

describe.each(PLACES)('%s %s (%j) with dots for an id', (method, target, headers) => {
  it.each(['..', '%2e%2e', '.%2E', '.', '%2e'])('%s is the path that it leads to', async (dots) => {
    const { status } = await ask(method, target.replace('%', dots), headers)
    expect([200, 400, 404, 405, 412, 415]).toContain(status)
    const nobody = await sendRaw(
      server.url,
      request(method, target.replace('%', dots), null, headers),
    )
    // Two steps up is the page, which is open to everybody and has nothing in it.
    const isPage = new URL(target.replace('%', dots), server.url).pathname === '/'
    expect(isPage ? [200, 404, 405, 412] : [401, 404, 405, 412]).toContain(nobody.status)
  })
})

describe('a path with more in it than an id', () => {
  it.each([
    '//files//',
    '/files//',
    '/files//x',
    '/files/./x',
    '/files/../files/x',
    '/files/x/y',
    '/files/x/..',
    '/%66iles/',
    '/files%2f',
    '/media',
    '/media/',
    '/media//x',
    '/media/../../etc/passwd',
    '/media/%2e%2e/%2e%2e/etc/passwd',
    '/media/x/../../../etc/passwd',
    '/api/media/files/../../../etc/passwd',
    '/upload-session//files/',
    '/upload-session/x/files/../../y',
    `/${'a/'.repeat(5_000)}`,
    '/\u00e4',
    '/\u0001',
    '/<script>alert(1)</script>',
  ])('%s is found nowhere', async (target) => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await ask(method, target, TUS)
      expect([400, 401, 404, 405]).toContain(answer.status)
      expect(answer.body).not.toContain('root:')
      expect(answer.body).not.toContain('<script>')
    }
  })

  it.each(['//', `${CHUNKED}/../..`])('%s is the page and nothing else', async (target) => {
    const page = await ask('GET', '/')
    expect((await ask('GET', target)).body).toBe(page.body)
    expect([404, 405]).toContain((await ask('DELETE', target, TUS)).status)
  })

  it.each(['', 'files/x', 'http://[::1', '*', 'http:///', '?', '#', '\\\\evil\\x'])(
    'the target %j is refused, and the connection goes on or ends',
    async (target) => {
      const answer = await ask('GET', target, TUS)
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
    },
  )

  it('a whole URL in the place of a path is that path', async () => {
    const { status } = await ask('GET', `http://evil.example${good.media}`)
    expect(status).toBe(200)
  })
})

describe('behind a good id', () => {
  const methods: [string, string, string[]][] = [
    ['tus', 'PATCH', [...TUS, ...PATCH]],
    ['ietf', 'GET', DRAFT],
    ['chunked', 'GET', []],
    ['session', 'GET', []],
    ['media', 'GET', []],
    ['bytes', 'GET', []],
    ['user', 'GET', []],
  ]

  it.each(methods)(
    '?token=x, at the %s door, changes nothing and lets nobody in',
    async (door, method, headers) => {
      const target = good[door] ?? ''
      const plain = await ask(method, target, headers)
      expect(plain.status).toBeLessThan(300)
      const key = admin.slice('Token '.length)
      for (const query of [
        '?',
        '?token=x',
        `?token=${key}`,
        '?access_token=x',
        '?%00',
        '?=&&=',
        '??',
        '?a[]=',
      ]) {
        const asked = await ask(method, target + query, headers)
        expect([query, asked.status]).toEqual([query, plain.status])
        if (door === 'bytes') continue
        const nobody = await sendRaw(server.url, request(method, target + query, null, headers))
        expect([query, nobody.status]).toEqual([query, 401])
      }
      // A PATCH without bytes moves the expiry, and that is all.
      before = await stateOf(server)
    },
  )

  it.each(methods)(
    'anything else, at the %s door, makes it another id',
    async (door, method, headers) => {
      const target = good[door] ?? ''
      for (const more of [
        '%00',
        '%20',
        '.',
        ';',
        ';x=1',
        '%2f',
        '%2f..',
        '/x',
        '%3ftoken=x',
        '%23',
        '.json',
      ]) {
        const { status } = await ask(method, target + more, headers)
        // The name in the URL of the bytes is for people, and is not looked at.
        const unread = door === 'bytes' && more !== '/x'
        expect([more, status]).toEqual([more, unread ? 200 : 404])
      }
    },
  )

  it('an id in upper case or without dashes is known where the contract says so, and there alone', async () => {
    const id = (good.chunked ?? '').split('/').at(-1) ?? ''
    expect((await ask('GET', `${CHUNKED}/${id.replaceAll('-', '')}`)).status).toBe(200)
    const tus = (good.tus ?? '').split('/').at(-1) ?? ''
    for (const other of [tus.toUpperCase(), tus.replaceAll('-', '')])
      expect((await ask('DELETE', `/files/${other}`, TUS)).status).toBe(404)
  })
})
