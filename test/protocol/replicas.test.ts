import { createHash, randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { mediaFiles, uploads } from '../../src/db/schema.ts'
import { requireKept } from '../support/aftermath.ts'
import { chunk, chunkedClient, digest } from '../support/chunked.ts'
import { createRandom } from '../support/content.ts'
import { type Attempt, createClient, createLedger } from '../support/ledger.ts'
import { openRaw, type RawConnection } from '../support/raw.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { doorNames, doors, trafficEnv } from '../support/traffic.ts'
import { BODY_TYPE, type TusClient, tusClient } from '../support/tus.ts'

/** Two servers on one database and one folder of bytes; `url` gives each request to the other one. */
let server: TestServer
let user: { authorization: string }
/** The same user at each of the two, past the proxy. */
let a: TusClient
let b: TusClient

beforeAll(async () => {
  server = await startServer({ replicas: 2, env: trafficEnv })
})
beforeEach(async () => {
  user = await server.accounts.add('staff')
  a = tusClient(at(0), user.authorization)
  b = tusClient(at(1), user.authorization)
})
afterAll(() => server.close())

function at(n: 0 | 1): string {
  const replica = server.replicas[n]
  if (replica === undefined) throw new Error('there is no second server')
  return replica.url
}
const on = (n: 0 | 1, url: string) => at(n) + new URL(url).pathname
const idOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)
const fileOf = (url: string) => path.join(server.dataDir, 'files', idOf(url).slice(0, 2), idOf(url))
const sha1 = (text: string) => `sha1 ${createHash('sha1').update(text).digest('base64')}`

async function recordsOf(url: string) {
  const { db } = server.database
  return db
    .select()
    .from(mediaFiles)
    .where(eq(mediaFiles.uploadId, idOf(url)))
}

async function stateOf(url: string) {
  const { db } = server.database
  const [found] = await db
    .select({ state: uploads.state, offset: uploads.offset })
    .from(uploads)
    .where(eq(uploads.id, idOf(url)))
  return found
}

/** An answer without the address of the one that gave it. */
const anywhere = (answer: unknown) =>
  JSON.stringify(answer).replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, '')

/** A PATCH to one of them that sends some of its body and then nothing more. */
async function stalled(
  n: 0 | 1,
  url: string,
  offset: number,
  body: string,
  headers: Record<string, string> = {},
): Promise<RawConnection> {
  const raw = await openRaw(at(n))
  const fields = {
    Host: 'x',
    Authorization: user.authorization,
    'Tus-Resumable': '1.0.0',
    'Content-Type': BODY_TYPE,
    'Upload-Offset': String(offset),
    'Content-Length': '1000',
    ...headers,
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  raw.send([`PATCH ${new URL(url).pathname} HTTP/1.1`, ...lines, '', body].join('\r\n'))
  await expect.poll(async () => (await stat(fileOf(url))).size).toBe(offset + body.length)
  return raw
}

describe('with every request at the other one of two servers', () => {
  const attempts: Attempt[] = []

  it.each(doorNames)('%s brings its files in', async (door) => {
    const ledger = createLedger(7)
    const client = createClient({
      authorization: user.authorization,
      ledger,
      server: async () => server.url,
    })
    for (let n = 0; n < 4; n++) {
      const sender = doors[door]({ client, random: createRandom(n), largest: 60_000 })
      while (!(await sender.step()));
    }
    attempts.push(...ledger.attempts)
  })

  it('both have answered, every byte is there, and every file once', async () => {
    const received = /landfall_bytes_received_total\{door="tus"\} [1-9]/
    for (const n of [0, 1] as const)
      expect(await (await fetch(`${at(n)}/metrics`)).text()).toMatch(received)
    expect(attempts.length).toBeGreaterThanOrEqual(4 * doorNames.length)
    await requireKept(server.url, server.admin, { attempts })
    expect(server.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('a body that stalls at one server', () => {
  it.each([
    ['HEAD', async (url: string) => (await b.head(url)).headers.get('upload-offset'), '5'],
    ['PATCH', async (url: string) => (await b.patch(url, 5, 'fghij')).status, 204],
    ['PATCH behind it', async (url: string) => (await b.patch(url, 3, 'x')).status, 409],
  ])('is stored and let go of when a %s comes to the other', async (_name, ask, expected) => {
    const url = await a.begin(1005)
    const raw = await stalled(0, url, 0, 'abcde')
    expect(await ask(on(1, url))).toBe(expected)
    const answer = await raw.answer()
    expect([answer.status, answer.headers['upload-offset']]).toEqual([423, '5'])
    expect((await readFile(fileOf(url), 'utf8')).slice(0, 5)).toBe('abcde')
  })

  it('with a checksum counts as nothing', async () => {
    const url = await a.begin(1000)
    const raw = await stalled(0, url, 0, 'abcde', { 'Upload-Checksum': sha1('x') })
    expect((await b.head(on(1, url))).headers.get('upload-offset')).toBe('0')
    expect((await raw.answer()).status).toBe(423)
    expect((await b.patch(on(1, url), 0, 'fghij')).status).toBe(204)
    expect(await readFile(fileOf(url), 'utf8')).toBe('fghij')
  })

  it('is over when the other one removes the upload, and nothing stays', async () => {
    const url = await a.begin(1000)
    const raw = await stalled(0, url, 0, 'abcde')
    expect((await b.remove(on(1, url))).status).toBe(204)
    expect([410, 423]).toContain((await raw.answer()).status)
    await expect(stat(fileOf(url))).rejects.toThrow('ENOENT')
    expect((await a.head(url)).status).toBe(410)
  })

  it('of the IETF protocol is let go of as well', async () => {
    const [first, second] = [0, 1].map((n) => resumableClient(at(n as 0 | 1), user.authorization))
    const url = await first?.make('', 1000)
    const path = new URL(url ?? '').pathname
    const raw = await first?.begin('PATCH', path, {
      headers: {
        'Content-Type': 'application/partial-upload',
        'Upload-Offset': '0',
        'Upload-Complete': '?1',
      },
      body: 'abcde',
      length: 1000,
    })
    await expect.poll(async () => (await stat(fileOf(path))).size).toBe(5)
    expect(await second?.offset(path)).toBe('5')
    // This door breaks off a request when another one takes its place.
    await expect(raw?.answer()).rejects.toThrow('ended')
  })
})

describe('requests for one upload at both servers at once', () => {
  it('store one body of many, and no byte twice', async () => {
    const url = await a.begin(400)
    for (let offset = 0; offset < 400; ) {
      const statuses = await Promise.all(
        Array.from({ length: 10 }, async (_, n) => {
          const body = String(n).repeat(100)
          const tus = n % 2 === 0 ? a : b
          const to = on(n % 2 === 0 ? 0 : 1, url)
          const answer = await tus.patch(to, offset, body, { 'Upload-Checksum': sha1(body) })
          return answer.status
        }),
      )
      for (const status of statuses) expect([204, 409, 423]).toContain(status)
      const won = statuses.indexOf(204)
      expect(statuses.filter((status) => status === 204).length).toBeLessThanOrEqual(1)
      if (won === -1) continue
      const stored = await readFile(fileOf(url), 'utf8')
      expect(stored.slice(offset)).toBe(String(won).repeat(100))
      offset += 100
    }
    expect(await recordsOf(url)).toHaveLength(1)
  })

  it('that both bring the last byte make one record', async () => {
    const bytes = randomBytes(50_000)
    for (let round = 0; round < 5; round++) {
      const url = await a.begin(bytes.length)
      const both = [a.patch(on(0, url), 0, bytes), b.patch(on(1, url), 0, bytes)]
      const statuses = (await Promise.all(both)).map(({ status }) => status)
      for (const status of statuses) expect([204, 409, 423]).toContain(status)
      const offset = (await stateOf(url))?.offset ?? 0
      if (offset < bytes.length)
        expect((await b.patch(on(1, url), offset, bytes.subarray(offset))).status).toBe(204)
      expect(await recordsOf(url)).toHaveLength(1)
      expect((await readFile(fileOf(url))).equals(bytes)).toBe(true)
    }
  })

  it('one of which removes it leave no record', async () => {
    for (let round = 0; round < 5; round++) {
      const url = await a.begin(5)
      const [patched, removed] = await Promise.all([
        a.patch(on(0, url), 0, 'hello'),
        b.remove(on(1, url)),
      ])
      expect(removed.status).toBe(204)
      expect([204, 410, 423]).toContain(patched.status)
      expect(await recordsOf(url)).toEqual([])
      expect((await stateOf(url))?.state).toBe('terminated')
    }
  })
})

describe('what begins at one server', () => {
  it('is joined at the other from parts of both, one record', async () => {
    const part = async (tus: TusClient, n: 0 | 1, text: string) => {
      const headers = { 'Upload-Concat': 'partial', 'Upload-Length': String(text.length) }
      const url = (await tus.create(headers)).headers.get('location') ?? ''
      return { url, bring: () => tus.patch(on(n, url), 0, text) }
    }
    const parts = [
      await part(a, 0, 'hello '),
      await part(b, 1, 'brave '),
      await part(a, 1, 'world'),
    ]
    const paths = parts.map(({ url }) => new URL(url).pathname)
    const made = await b.create({ 'Upload-Concat': `final;${paths.join(' ')}` })
    expect(made.status).toBe(201)
    const brought = await Promise.all(parts.map(({ bring }) => bring()))
    expect(brought.map(({ status }) => status)).toEqual([204, 204, 204])
    const whole = made.headers.get('location') ?? ''
    expect(await readFile(fileOf(whole), 'utf8')).toBe('hello brave world')
    expect(await recordsOf(whole)).toHaveLength(1)
  })

  it('in chunks is completed at the other', async () => {
    const bytes = randomBytes(3000)
    const [first, second] = ([0, 1] as const).map((n) => chunkedClient(at(n), user.authorization))
    const begun = await first?.begin(bytes.subarray(0, 1000), 3000)
    const id = begun?.id ?? ''
    for (const [client, from] of [
      [second, 1000],
      [first, 2000],
    ] as const) {
      const file = chunk(bytes.subarray(from, from + 1000))
      const answer = await client?.put(id, `bytes ${from}-${from + 999}/3000`, { file })
      expect(answer?.status).toBe(200)
    }
    const done = await second?.post(id, { md5: digest(bytes) })
    expect(done?.status).toBe(200)
    const again = await first?.post(id, { md5: digest(bytes) })
    expect([again?.status, await again?.text()]).toEqual([
      400,
      expect.stringContaining('already been marked as'),
    ])
    expect(anywhere(await first?.show(id))).toBe(anywhere(await done?.json()))
    expect(await recordsOf(`/${id}`)).toHaveLength(1)
  })

  it('in a session takes files at both, each name once, and is submitted once', async () => {
    const [first, second] = ([0, 1] as const).map((n) => sessionClient(at(n), user.authorization))
    if (first === undefined || second === undefined) throw new Error('there are not two')
    const token = await first.open()
    const added = await Promise.all(
      ['a.txt', 'b.txt', 'same.txt', 'c.txt', 'd.txt', 'same.txt'].map((name, n) =>
        (n % 2 === 0 ? first : second).add(token, name, `text ${n}`),
      ),
    )
    expect(added.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 400])
    expect((await second.names(token)).sort()).toEqual([
      'a.txt',
      'b.txt',
      'c.txt',
      'd.txt',
      'same.txt',
    ])
    const submitted = await Promise.all(
      [first, second].map((client) => client.json('POST', `/${token}/submit`)),
    )
    for (const { status, body } of submitted) {
      expect(status).toBe(200)
      expect(anywhere(body.files)).toBe(anywhere(submitted[0]?.body.files))
    }
    expect(submitted[0]?.body.files).toHaveLength(5)
  })

  it('is counted for its owner at both: the limits hold', async () => {
    const limited = await startServer({ replicas: 2, env: { USER_MAX_OPEN_UPLOADS: '5' } })
    try {
      const { authorization } = await limited.accounts.add('user')
      const tus = tusClient(limited.url, authorization)
      const made = await Promise.all(
        Array.from({ length: 20 }, () => tus.create({ 'Upload-Length': '5' })),
      )
      expect(made.filter(({ status }) => status === 201)).toHaveLength(5)
      expect(made.filter(({ status }) => status === 429)).toHaveLength(15)
    } finally {
      await limited.close()
    }
  })
})

describe('a server that stops', () => {
  it('lets the other go on with what it was receiving, and gives its lease back', async () => {
    const pair = await startServer({ replicas: 2 })
    try {
      const [one, two] = pair.replicas.map(({ url }) => tusClient(url, pair.admin))
      const url = (await one?.begin(1000)) ?? ''
      const raw = await openRaw(pair.replicas[0]?.url ?? '')
      raw.send(
        `PATCH ${new URL(url).pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${pair.admin}\r\n` +
          `Tus-Resumable: 1.0.0\r\nContent-Type: ${BODY_TYPE}\r\nUpload-Offset: 0\r\n` +
          'Content-Length: 1000\r\n\r\nabcde',
      )
      const id = idOf(url)
      const file = path.join(pair.dataDir, 'files', id.slice(0, 2), id)
      await expect.poll(async () => (await stat(file)).size).toBe(5)
      const closing = pair.replicas[0]?.landfall.close()
      expect([(await raw.answer()).status]).toEqual([503])
      await closing
      const other = (pair.replicas[1]?.url ?? '') + new URL(url).pathname
      expect((await two?.head(other))?.headers.get('upload-offset')).toBe('5')
      expect((await two?.patch(other, 5, 'f'.repeat(995)))?.status).toBe(204)
    } finally {
      await pair.close()
    }
  })
})
