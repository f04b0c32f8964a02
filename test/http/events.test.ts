import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { connect } from 'node:net'
import { Hono } from 'hono'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import type { Feed, FeedEvent } from '../../src/events/feed.ts'
import { eventsRoutes } from '../../src/http/events.ts'
import { type Listening, listen } from '../../src/http/listen.ts'
import type { Env } from '../../src/protocols/env.ts'
import { type Certificate, createCertificate } from '../support/certificate.ts'
import { type EventStream, openEvents } from '../support/event-stream.ts'
import { mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

let server: TestServer
const streams: EventStream[] = []
beforeAll(async () => {
  server = await startServer({ replicas: 2 })
})
afterEach(() => {
  for (const stream of streams.splice(0)) stream.close()
})
afterAll(() => server.close())

async function open(
  authorization: string | null,
  headers: Record<string, string> = {},
  at = server.url,
) {
  const stream = await openEvents(`${at}/api/events`, authorization, headers)
  streams.push(stream)
  return stream
}

const upload = (name: string) =>
  mediaClient(server, server.admin).upload(name, Buffer.from(`the bytes of ${name}`))

describe('GET /api/events', () => {
  it('tells an admin what happens, as the media API shows it, from whichever server', async () => {
    const listeners = await Promise.all(
      server.replicas.map(({ url }) => open(server.admin, {}, url)),
    )
    const record = await upload('a.txt')
    await mediaClient(server, server.admin).call('DELETE', `/${record.id}`)
    for (const listener of listeners) {
      const [created, deleted] = [await listener.next(), await listener.next()]
      expect(created).toMatchObject({
        event: 'media.created',
        id: expect.stringMatching(/^\d+$/),
        data: {
          type: 'media.created',
          timestamp: record.created_at,
          data: { id: record.id, name: 'a.txt', upload: expect.any(String) },
        },
      })
      expect(deleted).toMatchObject({ event: 'media.deleted', data: { data: { id: record.id } } })
      expect(Number(deleted?.id)).toBeGreaterThan(Number(created?.id))
    }
  })

  it('is a stream that no proxy collects or stores, and says when to come back', async () => {
    const { response, opening } = await open(server.admin)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'access-control-allow-origin': '*',
      'x-request-id': expect.any(String),
    })
    expect(opening).toMatch(/^retry: 3000\nid: \d+\n\n$/)
  })

  it('shows the record with the URL by which the server was asked', async () => {
    const listener = await open(server.admin)
    const record = await upload('b.txt')
    const file = (await listener.next())?.data.data.file as { f: string } | undefined
    expect(new URL(file?.f ?? '').pathname).toBe(new URL(record.f).pathname)
    expect(file?.f).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/media\//)
  })

  it('tells a user of their own files only, and staff of all', async () => {
    const [one, other, staff] = [
      await server.accounts.add('user'),
      await server.accounts.add('user'),
      await server.accounts.add('staff'),
    ]
    const heard = await Promise.all([one, other, staff].map((who) => open(who.authorization)))
    for (const who of [other, one]) {
      const tus = tusClient(server.url, who.authorization)
      const url = await tus.begin(3, { filename: `of-${who.username}.txt` })
      expect((await tus.patch(url, 0, 'abc')).status).toBe(204)
    }
    const names = async (stream: EventStream | undefined, count: number) => {
      const found: unknown[] = []
      for (let n = 0; n < count; n++) {
        found.push((await stream?.next())?.data.data.name)
      }
      return found
    }
    const [ofOne, ofOther] = [`of-${one.username}.txt`, `of-${other.username}.txt`]
    expect(await names(heard[0], 1)).toEqual([ofOne])
    expect(await names(heard[1], 1)).toEqual([ofOther])
    expect(await names(heard[2], 2)).toEqual([ofOther, ofOne])
  })

  it('goes on where a client was cut off, on another server too', async () => {
    const [here, there] = server.replicas
    const before = await open(server.admin, {}, here?.url)
    await upload('1.txt')
    const seen = await before.next()
    before.close()
    const missed = [await upload('2.txt'), await upload('3.txt')]
    const after = await open(server.admin, { 'Last-Event-ID': String(seen?.id) }, there?.url)
    const caught = [await after.next(), await after.next()]
    expect(caught.map((event) => event?.data.data.id)).toEqual(missed.map(({ id }) => id))
    const live = await upload('4.txt')
    expect((await after.next())?.data.data.id).toBe(live.id)
  })

  it('can be gone on with before there was an event', async () => {
    const first = await open(server.admin)
    const position = /id: (\d+)/.exec(first.opening)?.[1] ?? ''
    first.close()
    const missed = await upload('missed.txt')
    const again = await open(server.admin, { 'Last-Event-ID': position })
    expect((await again.next())?.data.data.id).toBe(missed.id)
  })

  it('is for those with a token, and for GET', async () => {
    const { authorization } = await server.accounts.add('user')
    const ask = (init: RequestInit) => fetch(`${server.url}/api/events`, init)
    expect((await ask({})).status).toBe(401)
    expect((await ask({ headers: { Authorization: 'Token nobody' } })).status).toBe(401)
    const headers = { Authorization: authorization }
    expect((await ask({ method: 'POST', headers })).status).toBe(405)
    expect((await ask({ method: 'HEAD', headers })).headers.get('content-type')).toMatch(
      /event-stream/,
    )
    const bad = { ...headers, 'Last-Event-ID': 'x' }
    expect((await ask({ headers: bad })).status).toBe(400)
  })

  it('takes so many streams of one user, and one more when one is over', async () => {
    const { authorization } = await server.accounts.add('user')
    const [{ url } = server] = server.replicas
    const all = await Promise.all(Array.from({ length: 20 }, () => open(authorization, {}, url)))
    const one = { headers: { Authorization: authorization } }
    const refused = await fetch(`${url}/api/events`, one)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10'])
    all[0]?.close()
    for (;;) {
      const answer = await fetch(`${url}/api/events`, one)
      await answer.body?.cancel()
      if (answer.status === 200) break
    }
  })
})

it('a stream ends when the server stops', async () => {
  const own = await startServer({ replicas: 1, env: { SHUTDOWN_TIMEOUT: '30s' } })
  const stream = await open(own.admin, {}, own.url)
  const began = performance.now()
  await own.close()
  expect(await stream.next()).toBeNull()
  // Not after the time that running requests have.
  expect(performance.now() - began).toBeLessThan(20_000)
})

describe('a stream', () => {
  const authenticated = { kind: 'user', id: 1, username: 'a', role: 'admin', tokenId: 1 } as const
  let listening: Listening | undefined
  afterEach(() => listening?.close(0))

  /** A server of nothing but the stream, over what is given as a feed. */
  async function serve(more: {
    next: (waitMs: number) => Promise<readonly FeedEvent[] | null>
    authenticate?: () => Promise<typeof authenticated>
    heartbeatMs?: number
    stallMs?: number
    tls?: Certificate
  }) {
    let end: () => void = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const feed: Feed = {
      follow: async () => ({ position: 7, next: more.next, end }),
      wake() {},
      close() {},
    }
    const app = new Hono<Env>()
    const routes = eventsRoutes({
      ...{ feed, originOf: () => '', urlOf: () => '', heartbeatMs: 20, ...more },
      tokens: { authenticate: more.authenticate ?? (async () => authenticated) },
    })
    app.route('/api/events', routes)
    listening = await listen(app, { host: '127.0.0.1', port: 0, tls: more.tls ?? null })
    return { url: listening.url, ended }
  }
  const pause = (ms: number) => new Promise<[]>((resolve) => setTimeout(() => resolve([]), ms))

  it('says now and then that it is there', async () => {
    const { url } = await serve({ next: pause })
    const stream = await open('Token x', {}, url)
    expect(await stream.comment()).toBe(': still here')
    expect(await stream.comment()).toBe(': still here')
  })

  it('ends when its token does', async () => {
    let asked = 0
    const { url, ended } = await serve({
      next: pause,
      async authenticate() {
        asked++
        if (asked === 2) throw new Fault('unavailable')
        if (asked === 3) throw new Fault('token-invalid')
        return authenticated
      },
    })
    const stream = await open('Token x', {}, url)
    expect(await stream.comment()).toBe(': still here')
    expect(await stream.next()).toBeNull()
    await ended
  })

  it('ends when its token does, also where events never cease', async () => {
    let asked = 0
    const createdAt = '2026-03-04 05:06:07+00'
    const payload = { id: 1, upload: 'x', name: 'n' }
    const event = { id: 8, event: 'media.deleted', payload, ownerId: 1, file: undefined }
    const { url } = await serve({
      next: () => new Promise((resolve) => setImmediate(() => resolve([{ ...event, createdAt }]))),
      async authenticate() {
        if (++asked > 1) throw new Fault('token-invalid')
        return authenticated
      },
    })
    const stream = await open('Token x', {}, url)
    while ((await stream.next()) !== null);
  })

  it('ends when the role of its user is another one', async () => {
    let asked = 0
    const { url } = await serve({
      next: pause,
      authenticate: async () =>
        ({ ...authenticated, role: ++asked > 1 ? 'user' : 'admin' }) as never,
    })
    expect(await (await open('Token x', {}, url)).next()).toBeNull()
  })

  it('lets go of a client that is gone', async () => {
    const { url, ended } = await serve({ next: pause })
    const stream = await open('Token x', {}, url)
    stream.close()
    await ended
  })

  describe('whose client reads nothing', () => {
    const payload = { id: 1, upload: 'x', name: 'n'.repeat(100_000) }
    const event = { id: 8, event: 'media.deleted', payload, ownerId: 1, file: undefined }
    const createdAt = '2026-03-04 05:06:07+00'
    let given: number
    const endless = {
      stallMs: 200,
      async next() {
        given++
        return [{ ...event, createdAt }]
      },
    }
    beforeEach(() => {
      given = 0
    })
    // What the kernel takes for both ends of a connection: some megabytes.
    const few = 1_000

    it('is cut, and holds no more than a little for it', async () => {
      const { url, ended } = await serve(endless)
      const { port, hostname } = new URL(url)
      const socket = connect(Number(port), hostname)
      await once(socket, 'connect')
      socket.pause()
      socket.write('GET /api/events HTTP/1.1\r\nHost: a\r\nAuthorization: Token x\r\n\r\n')
      await ended
      expect(given).toBeLessThan(few)
      socket.destroy()
    })

    it('is cut over HTTP/2 too', async () => {
      const tls = createCertificate()
      const { url, ended } = await serve({ ...endless, tls })
      const client = connectH2(url, { ca: tls.cert })
      const stream = client.request({ ':path': '/api/events', authorization: 'Token x' })
      const [head] = await once(stream, 'response')
      expect(head).toMatchObject({ ':status': 200, 'x-accel-buffering': 'no' })
      stream.on('error', () => {})
      stream.pause()
      await ended
      expect(given).toBeLessThan(few)
      client.destroy()
    })
  })

  it('comes over HTTP/2 too, and lets go of a client that is gone', async () => {
    const tls = createCertificate()
    const { url, ended } = await serve({ next: pause, tls })
    const client = connectH2(url, { ca: tls.cert })
    const stream = client.request({ ':path': '/api/events', authorization: 'Token x' })
    let text = ''
    for await (const chunk of stream) {
      text += chunk
      if (text.split('still here').length > 2) break
    }
    expect(text).toMatch(/^retry: 3000\nid: 7\n\n: still here\n\n/)
    client.destroy()
    await ended
  })
})
