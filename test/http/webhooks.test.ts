import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../src/commands/program.ts'
import { type MediaClient, mediaClient } from '../support/media-client.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

let receiver: Receiver
let server: TestServer
let media: MediaClient
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(async () => {
  await server.close()
  await receiver.close()
})

async function start(env: Record<string, string> = {}, replicas?: number): Promise<void> {
  server = await startServer({ env: { ...receiver.env, ...env }, ...(replicas && { replicas }) })
  media = mediaClient(server, server.admin)
}

const upload = (name: string) => media.upload(name, Buffer.from(`the bytes of ${name}`))

async function ask(path: string, method = 'GET', as: string | null = server.admin) {
  const headers: Record<string, string> = as === null ? {} : { Authorization: as }
  const answer = await fetch(`${server.url}/api/webhooks${path}`, { method, headers })
  return { status: answer.status, json: await answer.json() }
}

/** Asks until it is so; the outcome of a delivery is written after its answer. */
async function until<T>(path: string, isSo: (json: T) => boolean): Promise<T> {
  for (;;) {
    const { json } = await ask(path)
    if (isSo(json as T)) return json as T
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

interface Listing<T> {
  count: number
  next: string | null
  results: (T & Record<string, unknown>)[]
}
type Events = Listing<{ id: number; message_id: string; event: string; state: string }>
type Deliveries = Listing<{ event_id: number; attempt: number; outcome: string }>

/** As if every pause were over, and somebody had something new. */
async function pauseEnds(): Promise<void> {
  await server.database.db.execute(sql`update outbox set due_at = now()`)
  await upload('another.txt')
}

describe('a webhook', () => {
  it('tells of a file, as the media API does, and of its end', async () => {
    await start({ PUBLIC_URL: 'https://files.example' })
    const record = await upload('a.txt')
    const [created] = await receiver.count(1)
    expect(created?.message).toEqual({
      type: 'media.created',
      timestamp: record.created_at,
      data: { id: record.id, upload: expect.any(String), name: 'a.txt', file: record },
    })
    expect(record.f).toMatch(/^https:\/\/files\.example\/media\//)
    expect(created?.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^msg_[0-9a-f-]{36}$/),
    })
    expect((await media.call('DELETE', `/${record.id}`)).status).toBe(204)
    const [, deleted] = await receiver.count(2)
    expect(deleted?.message).toMatchObject({ type: 'media.deleted' })
    expect(deleted?.message.data).toEqual({ ...created?.message.data, file: undefined })
    expect(receiver.refused).toEqual([])
  })

  it('has paths where no public URL is known, and tells of what was refused', async () => {
    await start({ ACCEPTED_FILE_FORMATS: 'text' })
    const { id, f } = await upload('a.txt')
    const [created] = await receiver.count(1)
    expect(created?.message.data).toMatchObject({ file: { id, f: new URL(f).pathname } })
    await expect(media.upload('a.txt', Buffer.from('%PDF-1.7 no text'))).rejects.toThrow('415')
    const [, rejected] = await receiver.count(2)
    expect(rejected?.message).toMatchObject({
      type: 'upload.rejected',
      data: { upload: expect.any(String), reason: 'type-not-accepted' },
    })
  })

  it('that fails is sent again by the same id, and everything stands in the log', async () => {
    await start()
    receiver.answer = (_, response) => response.writeHead(500).end('a secret of the receiver')
    const { id } = await upload('a.txt')
    await receiver.count(1)
    const [failed] = (await until<Deliveries>('/deliveries', ({ count }) => count === 1)).results
    expect(failed).toMatchObject({
      ...{ event: 'media.created', subject: `media:${id}`, attempt: 1, outcome: 'failed' },
      ...{ status: 500, error: 'answered 500', duration_ms: expect.any(Number) },
    })
    const [waiting] = ((await ask('/events')).json as Events).results
    expect(waiting).toMatchObject({ id: failed?.event_id, state: 'pending', attempts: 1 })
    const inSeconds = (Date.parse(String(waiting?.next_attempt_at)) - Date.now()) / 1000
    expect(inSeconds).toBeLessThanOrEqual(6)
    receiver.answer = (_, response) => response.writeHead(204).end()
    await pauseEnds()
    const [first, ...later] = await receiver.count(3)
    const again = later.filter((one) => one.id === first?.id)
    expect(again).toHaveLength(1)
    expect(again[0]?.message).toEqual(first?.message)
    const path = `/deliveries?event_id=${failed?.event_id}`
    const log = await until<Deliveries>(path, ({ count }) => count === 2)
    expect(log.results).toMatchObject([
      { attempt: 2, outcome: 'delivered', status: 204, error: null },
      { attempt: 1, outcome: 'failed' },
    ])
    expect(JSON.stringify(server.logged)).not.toContain('a secret of the receiver')
    expect(JSON.stringify(server.logged)).not.toContain('/hook')
  })

  it('about a file waits for the one before it', async () => {
    await start()
    receiver.answer = (_, response) => response.writeHead(500).end()
    const record = await upload('a.txt')
    await until<Deliveries>('/deliveries', ({ count }) => count === 1)
    await media.call('DELETE', `/${record.id}`)
    receiver.answer = (_, response) => response.writeHead(200).end()
    // Another file does not wait.
    await upload('b.txt')
    await until<Events>('/events?state=delivered', ({ count }) => count === 1)
    await pauseEnds()
    const received = await receiver.count(5)
    const own = received.filter(({ message }) => message.data.id === record.id)
    expect(own.map(({ message }) => message.type)).toEqual([
      ...['media.created', 'media.created', 'media.deleted'],
    ])
    // By then the file was gone.
    expect(own[1]?.message.data).toMatchObject({ name: 'a.txt', file: null })
  })

  it('is given up after its last try, said so, and sent again by an admin', async () => {
    await start()
    receiver.answer = (_, response) => response.writeHead(410).end()
    await upload('a.txt')
    await until<Deliveries>('/deliveries', ({ count }) => count === 1)
    await server.database.db.execute(sql`update outbox set attempts = 9`)
    await pauseEnds()
    const { results } = await until<Events>('/events?state=failed', ({ count }) => count === 1)
    const [event] = results
    expect(event).toMatchObject({ attempts: 10, next_attempt_at: null })
    expect(event?.given_up_at).not.toBeNull()
    // The row tells before the log does.
    await expect
      .poll(() => server.logged)
      .toContainEqual(expect.objectContaining({ level: 'error', event: event?.id, attempt: 10 }))
    receiver.answer = (_, response) => response.writeHead(200).end()
    const before = receiver.received.length
    expect(await ask(`/events/${event?.id}/resend`, 'POST')).toMatchObject({
      status: 202,
      json: { id: event?.id, state: 'pending', attempts: 0 },
    })
    // Events of other files may come before it.
    await expect
      .poll(() => receiver.received.slice(before).map(({ id }) => id))
      .toContain(event?.message_id)
    const path = `/events?state=delivered&event=media.created`
    await until<Events>(path, ({ results }) => results.some(({ id }) => id === event?.id))
  })

  it('waits as long as the receiver asks for', async () => {
    await start()
    receiver.answer = (_, response) => response.writeHead(503, { 'Retry-After': '7200' }).end()
    await upload('a.txt')
    const { results } = await until<Events>('/events', ({ results }) => {
      return results.some(({ next_attempt_at: at }) => Date.parse(String(at)) > Date.now() + 3.6e6)
    })
    expect(results).toHaveLength(1)
  })

  it('is sent to no private address, literal or by name, unless that is allowed', async () => {
    const { port } = new URL(receiver.url)
    await start({ WEBHOOK_ALLOW_PRIVATE: 'false', WEBHOOK_URL: `http://localhost:${port}/hook` })
    await upload('a.txt')
    const { results } = await until<Deliveries>('/deliveries', ({ count }) => count === 1)
    expect(results).toMatchObject([{ status: null, error: expect.stringMatching(/private/) }])
    expect(await ask('/test', 'POST')).toMatchObject({
      status: 200,
      json: { outcome: 'failed', error: expect.stringMatching(/private/) },
    })
    expect(receiver.received).toEqual([])
  })

  it('is counted, and how long the oldest one waits', async () => {
    await start({}, 1)
    await upload('a.txt')
    await receiver.count(1)
    await until<Events>('/events?state=delivered', ({ count }) => count === 1)
    const figures = await (await fetch(`${server.url}/metrics`)).text()
    expect(figures).toContain('landfall_webhook_deliveries_total{outcome="delivered"} 1\n')
    expect(figures).toContain('landfall_webhook_pending_seconds 0\n')
  })

  it('comes once where there are two servers', async () => {
    await start({}, 2)
    const records = await Promise.all(Array.from({ length: 24 }, (_, at) => upload(`${at}.txt`)))
    await receiver.count(24)
    await until<Events>('/events?state=delivered', ({ count }) => count === 24)
    const names = receiver.received.map(({ message }) => message.data.name)
    expect(names.toSorted()).toEqual(records.map(({ name }) => name).toSorted())
    expect(await ask('/deliveries?outcome=failed')).toMatchObject({ json: { count: 0 } })
  })
})

describe('the API of webhooks', () => {
  it('is for admins', async () => {
    await start()
    const { authorization } = await server.accounts.add('staff')
    for (const [method, path] of [
      ['GET', '/events'],
      ['GET', '/deliveries'],
      ['POST', '/events/1/resend'],
      ['POST', '/test'],
    ] as const) {
      expect((await ask(path, method, null)).status).toBe(401)
      expect((await ask(path, method, authorization)).status).toBe(403)
    }
    expect(receiver.received).toEqual([])
  })

  it('sends a test and tells what came of it', async () => {
    await start()
    const { status, json } = await ask('/test', 'POST')
    expect([status, json]).toEqual([
      200,
      {
        ...{ event: 'landfall.test', outcome: 'delivered', status: 204, error: null },
        ...{ message_id: receiver.received[0]?.id, duration_ms: expect.any(Number) },
      },
    ])
    expect(receiver.received[0]?.message.type).toBe('landfall.test')
    receiver.answer = (_, response) => response.writeHead(302, { Location: '/other' }).end()
    expect(await ask('/test', 'POST')).toMatchObject({
      json: { outcome: 'failed', status: 302, error: 'answered 302; redirects are not followed' },
    })
  })

  it('has pages, newest first, and filters', async () => {
    await start()
    for (const name of ['a.txt', 'b.txt', 'c.txt']) await upload(name)
    await until<Events>('/events?state=delivered', ({ count }) => count === 3)
    const page = (await ask('/events?limit=2')).json as Events
    expect(page).toMatchObject({ count: 3, previous: null })
    expect(page.results.map(({ data }) => data)).toMatchObject([
      { name: 'c.txt' },
      { name: 'b.txt' },
    ])
    expect(page.next).toBe(`${server.url}/api/webhooks/events?limit=2&offset=2`)
    expect(await ask('/events?event=media.deleted')).toMatchObject({ json: { count: 0 } })
    expect(await ask('/deliveries?event=media.created&outcome=delivered&limit=1')).toMatchObject({
      json: { count: 3, results: [{ event: 'media.created' }] },
    })
  })

  it('refuses what it does not know', async () => {
    await start()
    const choice = (value: string) => [
      `Select a valid choice. ${value} is not one of the available choices.`,
    ]
    expect(await ask('/events?event=x&state=y')).toEqual({
      status: 400,
      json: { event: choice('x'), state: choice('y') },
    })
    expect(await ask('/deliveries?outcome=z&event_id=-1')).toEqual({
      status: 400,
      json: { outcome: choice('z'), event_id: ['Enter a number.'] },
    })
    for (const id of ['1', '0', 'x', '99999999999999999999'])
      expect((await ask(`/events/${id}/resend`, 'POST')).status).toBe(404)
    expect((await ask('/test')).status).toBe(405)
  })

  it('says where nothing is sent', async () => {
    await start({ WEBHOOK_URL: '' })
    for (const path of ['/test', '/events/1/resend']) {
      expect(await ask(path, 'POST')).toMatchObject({
        status: 400,
        json: { detail: expect.stringContaining('WEBHOOK_URL') },
      })
    }
    await upload('a.txt')
    expect(await ask('/events')).toMatchObject({ json: { count: 1 } })
    expect(await (await fetch(`${server.url}/metrics`)).text()).not.toContain('webhook_pending')
  })
})

describe('landfall webhooks', () => {
  async function command(...args: string[]) {
    const out: string[] = []
    const err: string[] = []
    const code = await run(['webhooks', ...args], {
      env: { LANDFALL_URL: server.url, LANDFALL_TOKEN: ADMIN_KEY },
      output: {
        result: (line) => out.push(line),
        note: (line) => err.push(line),
      },
      terminal: false,
    })
    return { code, out: out.join('\n'), err: err.join('\n') }
  }

  it('tests, lists and sends again', async () => {
    await start()
    expect(await command('test')).toMatchObject({ code: 0, out: '', err: /^$|answered 204/ })
    await upload('a.txt')
    const { results } = await until<Deliveries>('/deliveries', ({ count }) => count === 1)
    const listed = await command('deliveries', '--outcome', 'delivered')
    expect(listed.out).toMatch(/EVENT +TYPE .*\n\d+ +media\.created .* 1 +delivered +204 /)
    expect(listed.err).toBe('1 of 1')
    const json = await command('deliveries', '--event', 'media.created', '--json')
    expect(JSON.parse(json.out)).toMatchObject({ count: 1 })
    const id = String(results[0]?.event_id)
    expect(await command('resend', id)).toMatchObject({
      code: 0,
      err: `Event ${id} is sent again.`,
    })
    await receiver.count(3)
    expect(receiver.received[2]?.id).toBe(receiver.received[1]?.id)
  })

  it('fails where the test did not arrive, an event is unknown or an option is', async () => {
    await start()
    receiver.answer = (_, response) => response.writeHead(500).end()
    expect(await command('test', '--json')).toMatchObject({
      code: 1,
      out: expect.stringContaining('"outcome":"failed"'),
      err: expect.stringMatching(/Not delivered: answered 500/),
    })
    expect(await command('resend', '7')).toMatchObject({ code: 1 })
    expect(await command('resend', 'x')).toMatchObject({ code: 2 })
    expect(await command('deliveries', '--outcome', 'x')).toMatchObject({ code: 2 })
  })
})
