import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { type Listening, type ListenOptions, listen } from '../../src/http/listen.ts'
import { requestLog } from '../../src/http/request-log.ts'
import type { Env } from '../../src/protocols/env.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createCertificate } from '../support/certificate.ts'
import { openRaw, type RawConnection } from '../support/raw.ts'
import { watched } from '../support/secrets.ts'

let server: Listening | undefined
const lines: Record<string, unknown>[] = []
const log = createLog({ destination: watched((line) => lines.push(JSON.parse(line))) })
const certificate = createCertificate()
const tls = { cert: certificate.cert, key: certificate.key }

afterEach(async () => {
  await server?.close(0)
  server = undefined
  lines.length = 0
})

async function start(options: Partial<ListenOptions> = {}): Promise<Listening> {
  const routes = new Hono<Env>({ strict: false })
  routes.all('/', (c) => c.json(Object.keys(c.req.header()).length))
  const app = createApp({
    log,
    corsOrigins: '*',
    requestLog: requestLog({ log, metrics: { requestDone: () => {} } }),
    mounts: [['/', routes]],
    ownOptions: [],
  })
  server = await listen(app, { host: '127.0.0.1', port: 0, log, ...options })
  return server
}

const refusals = () => lines.filter(({ msg }) => msg !== 'request')
const HEAD = 'GET / HTTP/1.1\r\nHost: x\r\n'

/** A connection to a TLS port, for whatever is then written to it. */
async function openSecure(url: string): Promise<RawConnection['socket']> {
  const { port } = new URL(url)
  const socket = connectTls({ port: Number(port), ca: tls.cert, ALPNProtocols: ['http/1.1'] })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

describe('a connection that takes its time', () => {
  const times = { headersTimeout: 300, keepAliveTimeout: 200, connectionsCheckingInterval: 50 }

  it.each(['', HEAD])(
    'is answered 408 and closed when it has sent %j and no more',
    async (sent) => {
      const { url } = await start({ times })
      const connection = await openRaw(url)
      if (sent !== '') connection.send(sent)
      expect((await connection.answer()).status).toBe(408)
      await connection.closed
      expect(refusals()).toMatchObject([{ status: 408, code: 'ERR_HTTP_REQUEST_TIMEOUT' }])
    },
  )

  it('is closed too when it sends a byte of its headers now and then', async () => {
    const { url } = await start({ times })
    const connection = await openRaw(url)
    connection.send(HEAD)
    const drip = setInterval(() => connection.send('a'), 20)
    await connection.closed.finally(() => clearInterval(drip))
    expect(refusals()).toMatchObject([{ status: 408 }])
  })

  it('is closed over TLS as well', async () => {
    const { url } = await start({ times, tls })
    const socket = await openSecure(url)
    socket.write(HEAD)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toContain('HTTP/1.1 408')
    if (!socket.closed) await once(socket, 'close')
  })

  it('is closed over TLS before the handshake', async () => {
    const { url } = await start({ times, tls })
    await (await openRaw(url)).closed
  })

  it('does not keep the server from closing, whatever it has come to', async () => {
    const { url } = await start({ tls })
    await openRaw(url)
    const half = await openSecure(url)
    half.write(HEAD)
    await server?.close(50)
  })

  it('is closed between two requests', async () => {
    const { url } = await start({ times })
    const connection = await openRaw(url)
    connection.send(`${HEAD}\r\n`)
    expect((await connection.answer()).status).toBe(200)
    await connection.closed
    expect(refusals()).toEqual([])
  })
})

describe('headers', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => `X-${index}: 1\r\n`).join('')

  async function answerTo(fields: string): Promise<{ status: number; body: string }> {
    const connection = await openRaw(server?.url ?? '')
    connection.send(`${HEAD}${fields}\r\n`)
    return connection.answer().finally(() => connection.reset())
  }

  it('of 60 KiB are read, of 64 KiB and more answered 431 with one line that tells nothing of them', async () => {
    await start()
    expect((await answerTo(`X-Long: ${'a'.repeat(60 * 1024)}\r\n`)).status).toBe(200)
    const secret = `Authorization: Token ${'secret'.repeat(11_000)}\r\n`
    expect((await answerTo(secret)).status).toBe(431)
    expect(refusals()).toEqual([
      expect.objectContaining({ level: 'info', status: 431, code: 'HPE_HEADER_OVERFLOW' }),
    ])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it('may be 256; one more is refused, and none is left out silently', async () => {
    await start()
    expect(await answerTo(many(255))).toMatchObject({ status: 200, body: '256' })
    // Node's own limits lie in these regions: above them it forgets fields.
    for (const count of [256, 287, 288, 289, 1999, 2001, 5000])
      expect((await answerTo(many(count))).status).toBe(431)
    expect(lines.filter(({ status }) => status === 431)).toHaveLength(7)
  })

  it('over HTTP/2 have the same limits, and a connection has 128 requests at a time', async () => {
    const { url } = await start({ tls })
    const session = connectH2(url, { ca: tls.cert, maxSendHeaderBlockLength: 1_000_000 })
    await once(session, 'remoteSettings')
    expect(session.remoteSettings.maxConcurrentStreams).toBe(128)
    const statusOf = (headers: Record<string, string>) =>
      new Promise<number | string>((resolve) => {
        const stream = session.request({ ':path': '/', ...headers })
        stream.on('response', (head) => resolve(Number(head[':status'])))
        stream.on('error', ({ message }) => resolve(message))
      })
    const fields = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, '1']))
    expect(await statusOf(fields(200))).toBe(200)
    expect(await statusOf(fields(260))).toBe(431)
    expect(await statusOf(fields(1000))).toMatch(/NGHTTP2_ENHANCE_YOUR_CALM/)
    expect(await statusOf({ 'x-long': 'a'.repeat(80_000) })).not.toBe(200)
    session.destroy()
  })

  it('that are none are answered 400, and logged without what was sent', async () => {
    await start()
    const connection = await openRaw(server?.url ?? '')
    connection.send('my-secret-password / nonsense\r\n\r\n')
    expect((await connection.answer()).status).toBe(400)
    await connection.closed
    expect(refusals()).toEqual([
      expect.objectContaining({ status: 400, code: expect.stringMatching(/^HPE_/) }),
    ])
    expect(JSON.stringify(lines)).not.toContain('my-secret')
  })

  it('that never come since the client resets the connection are no line of the log', async () => {
    await start()
    const [left, other] = [await openRaw(server?.url ?? ''), await openRaw(server?.url ?? '')]
    left.send(HEAD)
    left.reset()
    await left.closed
    other.send(`${HEAD}\r\n`)
    await other.answer()
    expect(refusals()).toEqual([])
  })
})

describe('MAX_CONNECTIONS', () => {
  it('closes one more at once and unanswered, says so once, and takes the next when there is room', async () => {
    const { url } = await start({ maxConnections: 3 })
    const open = [await openRaw(url), await openRaw(url), await openRaw(url)]
    for (const connection of open) {
      connection.send(`${HEAD}\r\n`)
      await connection.answer()
    }
    for (let tries = 0; tries < 4; tries++) await (await openRaw(url)).closed
    expect(refusals()).toEqual([expect.objectContaining({ level: 'warn', maxConnections: 3 })])
    open[0]?.socket.end()
    await open[0]?.closed
    const next = await openRaw(url)
    next.send(`${HEAD}\r\n`)
    expect((await next.answer()).status).toBe(200)
    // Those that were there did not notice.
    open[1]?.send(`${HEAD}\r\n`)
    expect((await open[1]?.answer())?.status).toBe(200)
  })
})
