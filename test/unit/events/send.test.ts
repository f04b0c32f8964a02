import { once } from 'node:events'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type Posting, post } from '../../../src/events/send.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
})

async function listen(handler: RequestListener, host = '127.0.0.1'): Promise<number> {
  server = createHttp(handler).listen(0, host)
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

function send(port: number, more: Partial<Posting> & { host?: string } = {}) {
  const { host = '127.0.0.1', ...rest } = more
  const url = new URL(`http://${host}:${port}/hook?a=1`)
  return post({ url, body: '{}', headers: { 'webhook-id': 'msg_1' }, allowPrivate: true, ...rest })
}

describe('a webhook', () => {
  it('is a POST of JSON over a connection of its own', async () => {
    let seen: unknown
    const port = await listen((request, response) => {
      const { method, url, headers } = request
      seen = { method, url, type: headers['content-type'], id: headers['webhook-id'] }
      expect(headers.connection).toBe('close')
      response.writeHead(202).end('thanks')
    })
    expect(await send(port)).toMatchObject({ status: 202, error: null, stopped: false })
    expect(seen).toEqual({
      method: 'POST',
      url: '/hook?a=1',
      type: 'application/json',
      id: 'msg_1',
    })
  })

  it.each([
    [301, 'answered 301; redirects are not followed'],
    [400, 'answered 400'],
    [410, 'answered 410'],
    [500, 'answered 500'],
  ])('that is answered %d has failed', async (status, error) => {
    let asked = 0
    const port = await listen((request, response) => {
      asked++
      response.writeHead(status, { Location: request.url ?? '', 'Retry-After': '7' }).end()
    })
    expect(await send(port)).toMatchObject({ status, error, retryAfterMs: null })
    expect(asked).toBe(1)
  })

  it.each([429, 503])('that is answered %d is to wait as long as is asked for', async (status) => {
    const port = await listen((_, response) =>
      response.writeHead(status, { 'Retry-After': '7' }).end(),
    )
    expect(await send(port)).toMatchObject({ status, retryAfterMs: 7000 })
  })

  it('has failed where nobody answers in time', async () => {
    const port = await listen(() => {})
    expect(await send(port, { timeLimitMs: 100 })).toMatchObject({
      status: null,
      error: 'no answer within 0.1 s',
    })
  })

  it('is delivered by the head of its answer; a body that does not end is cut', async () => {
    let cut: Promise<unknown> | undefined
    const port = await listen((_, response) => {
      cut = once(response, 'close')
      response.writeHead(200)
      response.write('x')
    })
    expect(await send(port, { timeLimitMs: 200 })).toMatchObject({ status: 200, error: null })
    await cut
  })

  it('reads only the beginning of a body', async () => {
    let sent = 0
    let closed: Promise<unknown> | undefined
    const port = await listen((_, response) => {
      closed = once(response, 'close')
      response.writeHead(200)
      const more = () => {
        sent += 65_536
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more))
      }
      more()
    })
    expect(await send(port)).toMatchObject({ status: 200 })
    await closed
    // What the kernel holds for both ends, and not what we were ready to read.
    expect(sent).toBeLessThan(50_000_000)
  })

  it('has failed where the connection is refused, breaks or is no HTTP', async () => {
    const port = await listen((request) => request.socket.destroy())
    expect(await send(port)).toMatchObject({ status: null, error: 'the connection broke' })
    server?.close()
    await once(server as Server, 'close')
    expect(await send(port)).toMatchObject({ error: 'the connection was refused' })
  })

  it('has failed where somebody changes the protocol', async () => {
    const port = await listen(() => {})
    server?.on('upgrade', (_, socket) => socket.end())
    server?.removeAllListeners('request')
    server?.on('request', (request) => {
      request.socket.end(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      )
    })
    expect(await send(port)).toMatchObject({ status: null, error: expect.any(String) })
  })

  it('that is stopped says so', async () => {
    const stop = new AbortController()
    const port = await listen(() => stop.abort())
    expect(await send(port, { signal: stop.signal })).toMatchObject({ status: null, stopped: true })
    expect(await send(port, { signal: stop.signal })).toMatchObject({ stopped: true })
  })
})

describe('a webhook into a private network', () => {
  const error = 'the address is a private one; WEBHOOK_ALLOW_PRIVATE=true allows it'
  it.each(['127.0.0.1', '[::ffff:127.0.0.1]', 'localhost', '0'])(
    'to %s is not sent',
    async (host) => {
      let connections = 0
      const port = await listen(() => {})
      server?.on('connection', () => connections++)
      expect(await send(port, { host, allowPrivate: false })).toMatchObject({ status: null, error })
      // Whoever had come before this one would have been heard before it.
      const heard = once(server as Server, 'connection')
      const probe = connect(port, '127.0.0.1')
      await heard
      probe.destroy()
      expect(connections).toBe(1)
    },
  )

  it('is refused by the address that is connected to, whatever the name said before', async () => {
    let lookups = 0
    const port = await listen(() => {})
    const answer = await send(port, {
      host: 'rebinds.example',
      allowPrivate: false,
      findAddresses(_, __, done) {
        lookups++
        done(null, [{ address: lookups === 1 ? '127.0.0.1' : '8.8.8.8', family: 4 }])
      },
    })
    expect(answer).toMatchObject({ status: null, error })
    expect(lookups).toBe(1)
  })
})
