import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, TUS, type TusClient, tusClient } from '../support/tus.ts'

let server: TestServer
let tus: TusClient
let owner: { authorization: string; tokenId: number; id: number }

beforeAll(async () => {
  server = await startServer()
  owner = await server.accounts.add('user')
  tus = tusClient(server.url, owner.authorization)
})
afterAll(() => server.close())

const asAdmin = (path: string, method: string, body?: object) =>
  fetch(server.url + path, {
    method,
    headers: { Authorization: server.admin, 'Content-Type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })

/** The answer to one request, written line by line. */
async function raw(lines: string[], body = '') {
  const connection = await openRaw(server.url)
  connection.send(`${lines.join('\r\n')}\r\n\r\n${body}`)
  try {
    return await connection.answer()
  } finally {
    connection.reset()
  }
}

async function alive(): Promise<void> {
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
}

const LEAKS = /\/tmp\/|node_modules|\bat .*:\d+:\d+|\bselect\b.*\bfrom\b|insert into|ECONN|ENOENT/i

describe('requests that no client should send', () => {
  it('Content-Length beside Transfer-Encoding is refused and stores nothing', async () => {
    const url = await tus.begin(5)
    const answer = await raw(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${owner.authorization}`,
        'Tus-Resumable: 1.0.0',
        `Content-Type: ${BODY_TYPE}`,
        'Upload-Offset: 0',
        'Content-Length: 5',
        'Transfer-Encoding: chunked',
      ],
      '5\r\nhello\r\n0\r\n\r\n',
    )
    expect(answer.status).toBe(400)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('0')
  })

  it('a numeric header that comes twice is refused', async () => {
    const url = await tus.begin(5)
    for (const twice of [
      ['Upload-Offset: 0', 'Upload-Offset: 0', 'Content-Length: 5'],
      ['Upload-Offset: 0', 'Content-Length: 5', 'Content-Length: 5'],
    ]) {
      const answer = await raw(
        [
          `PATCH ${new URL(url).pathname} HTTP/1.1`,
          'Host: x',
          `Authorization: ${owner.authorization}`,
          'Tus-Resumable: 1.0.0',
          `Content-Type: ${BODY_TYPE}`,
          ...twice,
        ],
        'hello',
      )
      expect(answer.status).toBe(400)
    }
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('0')
  })

  it('a strange Host never gets into a Location as anything but a host', async () => {
    const create = (host: string, ...more: string[]) =>
      raw([
        'POST /files/ HTTP/1.1',
        `Host: ${host}`,
        `Authorization: ${owner.authorization}`,
        'Tus-Resumable: 1.0.0',
        'Upload-Length: 5',
        ...more,
      ])
    const evil = await create('evil.example')
    expect(evil.headers.location).toMatch(/^http:\/\/evil\.example\/files\//)
    for (const host of ['a b', '"><script>', 'x/../y', 'user@host'])
      expect((await create(host)).headers.location ?? '').not.toContain(host)
    const forwarded = await create('x', 'X-Forwarded-Proto: https,http', 'X-Forwarded-Host: evil')
    expect(forwarded.status).toBe(201)
    expect(forwarded.headers.location).toMatch(/^http:\/\/x\/files\//)
    await alive()
  })

  it('16 KiB of headers are read, and far more are refused', async () => {
    const padding = (bytes: number) => `X-Padding: ${'a'.repeat(bytes)}`
    const get = (bytes: number) => raw(['GET /healthz HTTP/1.1', 'Host: x', padding(bytes)])
    expect((await get(16 * 1024)).status).toBe(200)
    expect((await get(200 * 1024)).status).toBe(431)
    await alive()
  })

  it.each(['%2e%2e%2f', '%00', '%E0%A4%A', '/', ';', '..%5c..%5cx', '%ff'])(
    'the id %s is not found at any door, and nothing is told',
    async (id) => {
      for (const path of ['/files/', '/api/media/files/', '/media/', '/api/users/']) {
        const answer = await fetch(server.url + path + id, {
          headers: { Authorization: server.admin },
        })
        expect([400, 404]).toContain(answer.status)
        expect(await answer.text()).not.toMatch(LEAKS)
      }
    },
  )

  it('methods that nobody offers are refused, not crashed on', async () => {
    const url = await tus.begin(5)
    for (const method of ['PUT', 'PROPFIND', 'TRACE', 'LOCK']) {
      const answer = await raw([
        `${method} ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${owner.authorization}`,
        'Tus-Resumable: 1.0.0',
      ])
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.status).toBeLessThan(500)
      expect(answer.body).not.toMatch(LEAKS)
    }
    await alive()
  })
})

describe('access', () => {
  it('ends with a revoked token, at the next request', async () => {
    const user = await server.accounts.add('user')
    const client = tusClient(server.url, user.authorization)
    const url = await client.begin(5)
    expect((await asAdmin(`/api/tokens/${user.tokenId}`, 'DELETE')).status).toBe(204)
    expect((await client.patch(url, 0, 'hello')).status).toBe(401)
    expect((await client.head(url)).status).toBe(401)
  })

  it('ends with the token, when its time is over', async () => {
    const user = await server.accounts.add('user')
    const past = new Date(Date.now() - 1000).toISOString()
    const made = await asAdmin(`/api/users/${user.id}/tokens`, 'POST', { expires_at: past })
    const { key } = (await made.json()) as { key: string }
    const answer = await tusClient(server.url, `Bearer ${key}`).create({ 'Upload-Length': '5' })
    expect(answer.status).toBe(401)
  })

  it('to other uploads goes with the role, in the middle of an upload', async () => {
    const staff = await server.accounts.add('staff')
    const client = tusClient(server.url, staff.authorization)
    const foreign = await tus.begin(10)
    expect((await client.patch(foreign, 0, 'hello')).status).toBe(204)
    const media = () =>
      fetch(`${server.url}/api/media/files`, { headers: { Authorization: staff.authorization } })
    expect((await media()).status).toBe(200)
    expect((await asAdmin(`/api/users/${staff.id}`, 'PATCH', { role: 'user' })).status).toBe(200)
    expect((await client.patch(foreign, 5, 'world')).status).toBe(404)
    expect((await media()).status).toBe(403)
    expect((await tus.head(foreign)).headers.get('upload-offset')).toBe('5')
  })

  it('is refused before a body is read: the answer comes while it is still being sent', async () => {
    const connection = await openRaw(server.url)
    connection.send(
      [
        'POST /files/ HTTP/1.1',
        'Host: x',
        'Authorization: Token nonsense',
        'Tus-Resumable: 1.0.0',
        'Upload-Length: 1000000000',
        `Content-Type: ${BODY_TYPE}`,
        'Content-Length: 1000000000',
        '',
        'the first of very many bytes',
      ].join('\r\n'),
    )
    expect((await connection.answer()).status).toBe(401)
    await connection.closed
  })

  it('of a preflight needs no token, at every door', async () => {
    for (const path of ['/files/', '/files/x', '/api/media/files', '/api/users', '/media/k/n']) {
      const answer = await fetch(server.url + path, {
        method: 'OPTIONS',
        headers: { Origin: 'https://a.example', 'Access-Control-Request-Method': 'PATCH' },
      })
      expect(answer.ok).toBe(true)
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    }
  })

  it('errors carry CORS headers and a request id', async () => {
    const answers = [
      await fetch(`${server.url}/files/`, { method: 'POST' }),
      await fetch(`${server.url}/api/media/files`),
      await fetch(`${server.url}/nowhere`),
      await fetch(`${server.url}/files/x`, { method: 'HEAD', headers: TUS }),
    ]
    for (const answer of answers) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('x-request-id')).toMatch(/^[\w-]{8,}$/)
    }
  })
})

describe('the log', () => {
  it('of everything above holds no token, no metadata and no query', async () => {
    await tus.begin(5, { filename: 'a-very-secret-name.txt' })
    await fetch(`${server.url}/api/media/files?search=secret-search-term`, {
      headers: { Authorization: server.admin },
    })
    const text = JSON.stringify(server.logged)
    expect(text).toContain('"path":"/files/"')
    expect(text).not.toContain(owner.authorization.slice('Token '.length))
    expect(text).not.toContain('a-very-secret-name')
    expect(text).not.toContain('secret-search-term')
  })
})
