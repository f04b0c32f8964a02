import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { authenticate } from '../../src/http/authenticate.ts'
import { type Listening, listen } from '../../src/http/listen.ts'
import { requestLog } from '../../src/http/request-log.ts'
import type { Env } from '../../src/protocols/env.ts'
import { createLog } from '../../src/telemetry/log.ts'

let server: Listening
const counted: object[] = []
const lines: Record<string, unknown>[] = []
let onLine = () => {}
let onArrived = () => {}
const log = createLog({
  destination: {
    write(line) {
      lines.push(JSON.parse(line))
      onLine()
    },
  },
})

beforeAll(async () => {
  const routes = new Hono<Env>({ strict: false })
  routes.use(
    '/files/*',
    authenticate({
      authenticate: async () => ({
        kind: 'user',
        id: 7,
        username: 'bob',
        role: 'user',
        tokenId: 1,
      }),
    }),
  )
  routes.all('/files/:id', (c) => c.body('12345', 201))
  routes.get('/raw', (c) => {
    c.env.outgoing.writeHead(206, { 'Content-Length': 3 }).end('abc')
    return RESPONSE_ALREADY_SENT
  })
  routes.get('/response', () => new Response('made by hand'))
  routes.get('/media/:key/:name', (c) => c.text('x'))
  routes.post('/slow', async (c) => {
    onArrived()
    await once(c.env.incoming, 'close')
    return c.text('too late')
  })
  const app = createApp({
    log,
    corsOrigins: '*',
    requestLog: requestLog({ log, metrics: { requestDone: (facts) => counted.push(facts) } }),
    mounts: [['/', routes]],
    ownOptions: [],
  })
  server = await listen(app, { host: '127.0.0.1', port: 0 })
})
afterAll(() => server.close(100))
beforeEach(() => {
  lines.length = 0
  counted.length = 0
})

/** The first line logged from now on. */
async function nextLine(): Promise<Record<string, unknown>> {
  if (lines.length === 0)
    await new Promise<void>((resolve) => {
      onLine = resolve
    })
  return lines[0] ?? {}
}

describe('every request', () => {
  it('has one line: no query, no token, no header', async () => {
    await fetch(`${server.url}/files/abc?token=hunter2`, {
      method: 'PATCH',
      headers: { Authorization: 'Token hunter2', 'Upload-Metadata': 'filename c2VjcmV0' },
      body: 'hello',
    })
    const line = await nextLine()
    expect(line).toEqual({
      level: 'info',
      time: expect.any(String),
      requestId: expect.stringMatching(/^[\w-]{16}$/),
      method: 'PATCH',
      path: '/files/abc',
      status: 201,
      ms: expect.any(Number),
      bytes: expect.any(Number),
      userId: 7,
      msg: 'request',
    })
    expect(line.bytes).toBeGreaterThan(5)
    expect(lines).toHaveLength(1)
    expect(JSON.stringify(lines)).not.toMatch(/hunter2|c2VjcmV0|token=/)
    expect(counted).toEqual([{ method: 'PATCH', status: 201, door: 'tus' }])
  })

  it('is answered with its id, however the answer is made', async () => {
    for (const path of ['/files/a', '/raw', '/response', '/nothing']) {
      lines.length = 0
      const response = await fetch(server.url + path)
      await response.text()
      const { requestId } = await nextLine()
      expect([path, response.headers.get('x-request-id')]).toEqual([path, requestId])
    }
  })

  it.each([
    ['abc-DEF_1.2', true],
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['a b', false],
    ['{"level":"fatal"}', false],
  ])('keeps the id %s of the client: %s', async (sent, kept) => {
    const response = await fetch(`${server.url}/response`, { headers: { 'X-Request-Id': sent } })
    await response.text()
    const answered = response.headers.get('x-request-id')
    expect(answered === sent).toBe(kept)
    expect((await nextLine()).requestId).toBe(answered)
  })

  it('for a media file hides the name and most of the key', async () => {
    await fetch(`${server.url}/media/AbCdEfGhIjKlMnOpQrStUv/my%20diary.pdf`)
    expect((await nextLine()).path).toBe('/media/AbCdEfGh…')
  })

  it('that is cut off is logged as such', async () => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    socket.write('POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello')
    await new Promise<void>((resolve) => {
      onArrived = resolve
    })
    socket.destroy()
    expect(await nextLine()).toMatchObject({ path: '/slow', aborted: true })
  })

  it('is counted under labels from short lists', async () => {
    for (const method of ['PROPFIND', 'REPORT']) {
      await new Promise((resolve, reject) => {
        const sent = request(`${server.url}/made/up/${method}`, { method }, (response) => {
          Readable.from(response).resume().on('end', resolve)
        })
        sent.on('error', reject).end()
      })
    }
    expect(counted).toEqual([
      { method: 'OTHER', status: 404, door: 'other' },
      { method: 'OTHER', status: 404, door: 'other' },
    ])
  })
})
