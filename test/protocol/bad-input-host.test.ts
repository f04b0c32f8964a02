import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { expectSound, leakIn, request, sendRaw, stateOf } from '../support/bad-input.ts'
import { CHUNKED } from '../support/chunked.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

let server: TestServer
let proxied: TestServer
let admin: string
let before: unknown

beforeAll(async () => {
  server = await startServer()
  proxied = await startServer({ env: { TRUST_PROXY: 'true' } })
  admin = server.admin
  before = await stateOf(server)
})
afterAll(async () => {
  await server.close()
  await proxied.close()
})
afterEach(async () => {
  expect(await stateOf(server)).toEqual(before)
  await expectSound(server)
})

describe('Host and what a proxy says', () => {
  const create = (url: string, authorization: string, lines: string[], target = '/files/') =>
    [
      url,
      [
        `POST ${target} HTTP/1.1`,
        `Authorization: ${authorization}`,
        'Tus-Resumable: 1.0.0',
        'Upload-Length: 5',
        ...lines,
      ] as string[],
    ] as const

  /** Where the upload is said to be, once it is gone again. */
  async function location(
    on: TestServer,
    lines: string[],
    target?: string,
  ): Promise<string | undefined> {
    const answer = await sendRaw(...create(on.url, on.admin, lines, target))
    const { location: at } = answer.headers
    expect(leakIn(answer.body)).toBeNull()
    if (at === undefined) return undefined
    const path = at.replace(/^[a-z]+:\/\/[^/]*/, '')
    expect((await tusClient(on.url, on.admin).remove(on.url + path)).status).toBe(204)
    return at.slice(0, -36)
  }

  it.each([
    ['evil.example', 'http://evil.example/files/'],
    ['evil.example:8080', 'http://evil.example:8080/files/'],
    ['[::1]:80', 'http://[::1]:80/files/'],
  ])('Host: %s is a host, and no more', async (host, expected) => {
    expect(await location(server, [`Host: ${host}`])).toBe(expected)
  })

  it.each([
    'a b',
    'user@evil.example',
    'evil.example/x',
    'evil.example?x',
    'evil.example#x',
    'evil.example:99999',
    'evil.example:80:80',
    '[::1',
    '"><script>alert(1)</script>',
    'a'.repeat(5_000),
    '\xe4.example',
    '',
  ])('Host: %s is not repeated in any URL', async (host) => {
    const at = (await location(server, [`Host: ${host}`])) ?? `${server.url}/files/`
    expect(at).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/files\/$/)
  })

  it.each(['9007199254740992', '256.256.256.256', '1.2.3.4.5', 'a.0x', '1.2.3.0x100'])(
    'Host: %s, of which no URL can be made, is no request, whatever is asked',
    async (host) => {
      const body = '{"first_name":"x"}'
      const json = ['Content-Type: application/json', `Content-Length: ${body.length}`]
      const cases: [string, string[], string][] = [
        ['GET /api/media/files?limit=1', [], ''],
        ['GET /api/users', [], ''],
        ['PATCH /api/users/1', json, body],
        ['POST /files/', ['Tus-Resumable: 1.0.0', 'Upload-Length: 5'], ''],
        ['GET /healthz', [], ''],
      ]
      for (const [line, headers, sent] of cases) {
        const head = [`${line} HTTP/1.1`, `Host: ${host}`, `Authorization: ${admin}`, ...headers]
        const answer = await sendRaw(server.url, head, sent)
        expect([line, answer.status]).toEqual([line, 400])
        expect(leakIn(answer.body)).toBeNull()
      }
    },
  )

  it('two Hosts, or none, are no request', async () => {
    for (const lines of [['Host: a', 'Host: b'], []])
      expect((await sendRaw(...create(server.url, admin, lines))).status).toBe(400)
  })

  it.each([
    'X-Forwarded-Proto: https,http',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.example',
    'Forwarded: proto=https;host=evil.example',
    'X-Forwarded-Port: 444',
    'X-Forwarded-Prefix: /evil',
    'X-Original-URL: /api/users',
    'X-Rewrite-URL: /api/users',
  ])('%s counts for nothing where no proxy is trusted', async (line) => {
    expect(await location(server, ['Host: x', line])).toBe('http://x/files/')
  })

  it.each([
    [['X-Forwarded-Proto: https,http'], 'https://x/files/'],
    [['X-Forwarded-Proto: http, https'], 'http://x/files/'],
    [['X-Forwarded-Proto: javascript'], 'http://x/files/'],
    [['X-Forwarded-Proto: https', 'X-Forwarded-Proto: http'], 'https://x/files/'],
    [['X-Forwarded-Proto: ,,,'], 'http://x/files/'],
    [['X-Forwarded-Host: evil.example/x'], 'http://x/files/'],
    [['X-Forwarded-Host: a.example, b.example'], 'http://a.example/files/'],
    [['Forwarded: proto=https;host="a.example"'], 'https://a.example/files/'],
    [['Forwarded: proto=https;host="a.example'], 'https://x/files/'],
    [[`Forwarded: ${'for=x;'.repeat(5_000)}proto=https`], 'https://x/files/'],
    [[`Forwarded: host="${'\\'.repeat(20_000)}`], 'http://x/files/'],
  ])('%j behind a trusted proxy is read as it is meant', async (lines, expected) => {
    expect(await location(proxied, ['Host: x', ...lines])).toBe(expected)
  })

  it('16 KiB of headers are read at every door', async () => {
    const padding = Array.from({ length: 16 }, (_, n) => `X-Padding-${n}: ${'a'.repeat(1_008)}`)
    expect(await location(server, ['Host: x', ...padding])).toBe('http://x/files/')
    for (const target of ['/api/media/files', '/api/me', `${CHUNKED}/`, '/upload-session/', '/'])
      expect((await sendRaw(server.url, request('GET', target, admin, padding))).status).not.toBe(
        431,
      )
  })

  it('64 KiB, 3,000 headers and a line without an end are not', async () => {
    const get = (lines: string[]) => sendRaw(server.url, request('GET', '/healthz', null, lines))
    expect((await get([`X: ${'a'.repeat(70_000)}`])).status).toBe(431)
    expect((await get(Array.from({ length: 30_000 }, (_, n) => `X-${n}: y`))).status).toBe(431)
    const long = await sendRaw(server.url, [`GET /${'a'.repeat(70_000)} HTTP/1.1`, 'Host: x'])
    expect([414, 431]).toContain(long.status)
  })
})

describe('a request line', () => {
  it.each([
    'GET /nowhere HTTP/9.9',
    'GET /nowhere HTTP/1.1 x',
    'GET  /nowhere HTTP/1.1',
    'get /nowhere HTTP/1.1',
    'GET /nowhere',
    ' GET /nowhere HTTP/1.1',
    'G\0T /nowhere HTTP/1.1',
    'CONNECT evil.example:80 HTTP/1.1',
    'PRI * HTTP/2.0',
    '\x16\x03\x01\x02\x00\x01',
  ])('%j is answered or cut, and nothing happens', async (line) => {
    const answer = await sendRaw(server.url, [line, 'Host: x']).catch(() => null)
    if (answer) expect([400, 404, 405, 505]).toContain(answer.status)
  })
})
