import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Client,
  createClient,
  type LandfallError,
  type LandfallEvent,
  type MediaFile,
} from '../../src/client/client.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { freePort } from '../support/free-port.ts'
import { startProxy } from '../support/proxy.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

/** What the server sends is what the client says: the compiler holds one against the other. */
const asClient = (record: MediaRecord & { type: MediaFile['type'] }): MediaFile => record

let server: TestServer
let client: Client

beforeAll(async () => {
  server = await startServer()
  client = createClient({ url: `${server.url}/`, token: ADMIN_KEY })
})
afterAll(() => server.close())

const add = (name: string, text = 'hello') =>
  client.files.upload({ file: new Blob([text]), filename: name })

async function failure(work: Promise<unknown>): Promise<LandfallError> {
  const error = await work.catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'LandfallError' })
  return error as LandfallError
}

describe('the client', () => {
  it('says who it is', async () => {
    expect(await client.me()).toMatchObject({ username: 'admin', role: 'admin' })
  })

  it('uploads, finds, changes and removes a file', async () => {
    const made = await client.files.upload({
      file: new File(['a,b\n1,2\n'], 'table.csv'),
      description: 'figures',
    })
    expect(asClient(made as MediaRecord & MediaFile)).toMatchObject({
      ...{ name: 'table.csv', type: 'spreadsheet', size: 8, description: 'figures' },
    })
    expect(await client.files.get(made.id)).toEqual(made)
    const found = await client.files.list({ type: ['spreadsheet', 'pdf'], id_min: made.id })
    expect([found.count, found.results[0]?.id]).toEqual([1, made.id])
    const changed = await client.files.update(made.id, { name: 'figures.csv' })
    expect(changed.name).toBe('figures.csv')
    expect(await client.files.share(made.id)).toMatchObject({ expires_at: null })
    expect(await client.files.delete(made.id)).toBeUndefined()
    expect((await failure(client.files.get(made.id))).status).toBe(404)
  })

  it('goes through all pages of a list, or as far as it is asked to', async () => {
    for (const name of ['1.txt', '2.txt', '3.txt']) await add(name)
    const names = async (query: { limit?: number; offset?: number }) => {
      const found: string[] = []
      for await (const { name } of client.files.each({
        ...{ search: '.txt', ordering: ['type', '-name'] },
        ...query,
      }))
        found.push(name)
      return found
    }
    expect(await names({})).toEqual(['3.txt', '2.txt', '1.txt'])
    expect(await names({ limit: 1, offset: 1 })).toEqual(['2.txt'])
  })

  it('manages users and tokens', async () => {
    const anna = await client.users.create({ username: 'anna', role: 'user' })
    expect(await client.users.update(anna.id, { first_name: 'Anna' })).toMatchObject({
      full_name: 'Anna',
    })
    const { key, id } = await client.tokens.create(anna.id, { name: 'laptop' })
    expect(await createClient({ url: server.url, token: key }).me()).toMatchObject({ id: anna.id })
    expect((await client.tokens.list(anna.id)).results).toMatchObject([{ id, name: 'laptop' }])
    await client.tokens.revoke(id)
    await client.users.deactivate(anna.id)
    const all = []
    for await (const user of client.users.each()) all.push(user.username)
    expect(all).toEqual(expect.arrayContaining(['admin', 'anna']))
  })

  it('fills and submits a session', async () => {
    const { uploadSessionToken: token } = await client.sessions.create()
    const added = await client.sessions.add(token, new Blob(['text']), 'a b.txt')
    expect(added.file).toBe('a b.txt')
    await client.sessions.add(token, new File(['text'], 'c.txt'))
    await client.sessions.remove(token, 'a b.txt')
    expect((await client.sessions.files(token)).map(({ name }) => name)).toEqual(['c.txt'])
    const [submitted] = await client.sessions.submit(token)
    expect((await client.files.get(submitted?.id ?? 0)).name).toBe('c.txt')
    expect((await client.sessions.list())[0]).toMatchObject({ status: 'stored', fileCount: 1 })
    const error = await failure(client.sessions.files('x'.repeat(32)))
    expect([error.status, error.detail]).toEqual([400, 'Invalid upload session token'])
  })

  it('tells what a webhook test came to', async () => {
    const error = await failure(client.webhooks.test())
    expect(error.message).toBe('There is no WEBHOOK_URL: events are not sent anywhere.')
    expect((await client.webhooks.events({ event: 'media.created' })).count).toBeGreaterThan(0)
    expect((await client.webhooks.deliveries()).results).toEqual([])
  })
})

describe('an error of the client', () => {
  it('has the messages of all fields, the request id, and words for people', async () => {
    const error = await failure(
      client.files.list({ size_min: Number.NaN, created_date: 'yesterday' }),
    )
    expect(error).toMatchObject({
      status: 400,
      detail: null,
      fields: { size_min: ['Enter a number.'], created_date: ['Enter a valid date.'] },
      message: 'size_min: Enter a number.\ncreated_date: Enter a valid date.',
      requestId: expect.stringMatching(/./),
    })
  })

  it('has the words of a refusal', async () => {
    const nobody = createClient({ url: server.url, token: 'nobody' })
    expect(await failure(nobody.me())).toMatchObject({ status: 401, detail: 'Invalid token.' })
    const anonymous = createClient({ url: server.url })
    expect((await failure(anonymous.files.list())).status).toBe(401)
  })

  it('says where nobody answered, and why', async () => {
    const away = createClient({ url: `http://127.0.0.1:${await freePort()}`, token: 'x' })
    const error = await failure(away.me())
    expect(error.status).toBe(0)
    expect(error.message).toMatch(/^No answer from http:.* \(ECONNREFUSED\)/)
  })

  it('tells a page that is no Landfall, and one that never answers', async () => {
    const silent = createServer((request, response) => {
      if (request.url !== '/api/me') return
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Welcome</h1>')
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => silent.once('listening', resolve))
    const { port } = silent.address() as { port: number }
    const other = createClient({ url: `http://127.0.0.1:${port}`, timeoutMs: 50 })
    expect((await failure(other.me())).message).toContain('not JSON')
    expect((await failure(other.files.list())).message).toContain('No answer from')
    silent.closeAllConnections()
    silent.close()
  })

  it('is the reason of the signal where the caller gave up', async () => {
    const reason = new Error('enough')
    await expect(client.me({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it('keeps a token from the server that an answer points to', async () => {
    const seen: (string | undefined)[] = []
    const target = createServer((request, response) => {
      seen.push(request.headers.authorization)
      response.end('{}')
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => target.once('listening', resolve))
    const { port } = target.address() as { port: number }
    const pointing = createServer((_, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${port}/api/me` }).end()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => pointing.once('listening', resolve))
    const { port: from } = pointing.address() as { port: number }
    const lured = createClient({ url: `http://127.0.0.1:${from}`, token: 'secret' })
    expect((await failure(lured.me())).status).toBe(302)
    expect(seen).toEqual([])
    for (const each of [target, pointing]) each.close()
  })
})

describe('the events of the client', () => {
  it('come in order, go on after a cut, and end with the signal', async () => {
    const proxy = await startProxy()
    proxy.pointTo(server.url)
    const stop = new AbortController()
    const states: string[] = []
    const opened: (() => void)[] = []
    const events = createClient({ url: proxy.url, token: ADMIN_KEY }).events({
      signal: stop.signal,
      onState(state) {
        states.push(state)
        if (state === 'open') opened.shift()?.()
      },
    })
    const isOpen = new Promise<void>((resolve) => opened.push(resolve))
    const first = events.next()
    await isOpen
    await add('before.txt')
    const nameOf = ({ value }: IteratorResult<LandfallEvent, void>) =>
      value?.type === 'media.created' ? value.data.file?.name : undefined
    expect(nameOf(await first)).toBe('before.txt')
    proxy.down()
    await add('meanwhile.txt')
    proxy.up()
    expect(nameOf(await events.next())).toBe('meanwhile.txt')
    await add('after.txt')
    const last = await events.next()
    expect([nameOf(last), Number(last.value?.id) > 0]).toEqual(['after.txt', true])
    expect(states).toEqual(['open', 'waiting', 'open'])
    const end = events.next()
    stop.abort()
    expect(await end).toEqual({ done: true, value: undefined })
    await proxy.close()
  })

  it('begin after an event that is named', async () => {
    const { results } = await client.webhooks.events({ limit: 2 })
    const events = client.events({ lastEventId: String(results[1]?.id) })
    expect((await events.next()).value?.id).toBe(String(results[0]?.id))
    await events.return()
  })

  it('end with an error where trying again cannot help', async () => {
    const events = createClient({ url: server.url, token: 'nobody' }).events()
    expect((await failure(events.next())).status).toBe(401)
  })
})
