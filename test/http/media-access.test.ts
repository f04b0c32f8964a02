import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLinks } from '../../src/media/links.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

/*
 * Who may read the bytes of a file, for every value of MEDIA_ACCESS, over HTTP.
 * test/http/media-links.test.ts has how links are made and where they stand.
 */

const modes = ['public', 'signed', 'private'] as const
type Mode = (typeof modes)[number]

const OLD = 'an-older-secret-of-thirty-two-bytes'
const SECRETS = ['a-newer-secret-of-thirty-two-bytes!', OLD]
const CONTENT = 'these bytes are not for everybody'

const servers = {} as Record<Mode, TestServer>
/** Authorization by actor; undefined sends none. */
const as: Record<string, Record<string, string | undefined>> = {}
/** Of a file that `owner` has uploaded, and of one that the admin has. */
const files = {} as Record<Mode, { own: MediaRecord; other: MediaRecord }>

beforeAll(async () => {
  for (const mode of modes) {
    const server = await startServer({
      env: { MEDIA_ACCESS: mode, MEDIA_SECRET: SECRETS.join(' ') },
    })
    servers[mode] = server
    const add = async (role: 'user' | 'staff' | 'admin') =>
      (await server.accounts.add(role)).authorization
    as[mode] = {
      nobody: undefined,
      stranger: await add('user'),
      owner: await add('user'),
      staff: await add('staff'),
      admin: await add('admin'),
      'an unknown token': `Token lf_${'x'.repeat(43)}`,
    }
    const client = mediaClient(server, server.admin)
    const tus = tusClient(server.url, as[mode].owner)
    const url = await tus.begin(CONTENT.length, { filename: 'a.txt' })
    const { headers } = await tus.patch(url, 0, CONTENT)
    files[mode] = {
      own: await client.one(Number(headers.get('landfall-media-file'))),
      other: await client.upload('b.txt', Buffer.from('other')),
    }
  }
})
afterAll(async () => {
  for (const server of Object.values(servers)) await server.close()
})

const keyOf = ({ f }: MediaRecord) => new URL(f).pathname.split('/')[2] ?? ''
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600
const signed = (key: string, end = inAnHour(), secret = SECRETS[0] ?? '') =>
  createLinks([Buffer.from(secret)]).sign(key, end)

const plain = ({ f }: MediaRecord) => f.split('?')[0] ?? ''

/** What comes behind the plain URL of the file. */
const queries: Record<string, (mode: Mode) => string> = {
  'no link': () => '',
  'a good link': (mode) => signed(keyOf(files[mode].own)),
  'a link of the older secret': (mode) => signed(keyOf(files[mode].own), inAnHour(), OLD),
  'an ended link': (mode) => signed(keyOf(files[mode].own), 1_700_000_000),
  'a link with another end': (mode) =>
    signed(keyOf(files[mode].own)).replace(/=(\d+)/, (_, end) => `=${Number(end) + 60}`),
  'a link of another file': (mode) => signed(keyOf(files[mode].other)),
  'a link of another secret': (mode) =>
    signed(keyOf(files[mode].own), inAnHour(), 'of-another-server-with-32-bytes-too'),
  'a signature of half the length': (mode) => signed(keyOf(files[mode].own)).slice(0, -20),
  'an end and no signature': () => `expires=${inAnHour()}`,
}

const actors = ['nobody', 'stranger', 'owner', 'staff', 'admin', 'an unknown token'] as const
const all = (status: number) => actors.map(() => status)
/** "token of the owner, staff or admin"; somebody else's file does not exist. */
const byToken = [401, 404, 200, 200, 200, 401]
/** A token that is sent counts, where the link does not any more. */
const endedOrByToken = [410, ...byToken.slice(1)]

const table: [what: string, Record<Mode, number[]>][] = [
  ['no link', { public: all(200), signed: all(404), private: byToken }],
  ['a good link', { public: all(200), signed: all(200), private: all(200) }],
  ['a link of the older secret', { public: all(200), signed: all(200), private: all(200) }],
  ['an ended link', { public: all(200), signed: all(410), private: endedOrByToken }],
  ...[
    'a link with another end',
    'a link of another file',
    'a link of another secret',
    'a signature of half the length',
    'an end and no signature',
  ].map((what): [string, Record<Mode, number[]>] => [
    what,
    { public: all(200), signed: all(404), private: byToken },
  ]),
]

function ask(
  mode: Mode,
  who: string,
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Response> {
  const authorization = as[mode]?.[who]
  return fetch(url, {
    method,
    headers: { ...(authorization ? { Authorization: authorization } : {}), ...headers },
  })
}

/** All that a client learns of an answer, but for its time and id. */
async function learned(answer: Response) {
  const headers = [...answer.headers].filter(([name]) => !/^(?:date|x-request-id)$/.test(name))
  return { status: answer.status, headers, body: await answer.text() }
}

const urlOf = (mode: Mode, query: string) => `${plain(files[mode].own)}${query && `?${query}`}`

describe.each(modes)('MEDIA_ACCESS=%s', (mode) => {
  const urlWith = (query: string) => urlOf(mode, query)

  it.each(table)('with %s: who reads the bytes', async (what, statuses) => {
    const url = urlWith(queries[what]?.(mode) ?? '')
    for (const [index, who] of actors.entries()) {
      const status = statuses[mode][index]
      const get = await ask(mode, who, url)
      expect([who, get.status]).toEqual([who, status])
      const text = await get.text()
      if (status === 200) expect(text).toBe(CONTENT)
      else expect(text).not.toContain(CONTENT.slice(0, 5))
      if (status === 410)
        expect(JSON.parse(text)).toEqual({ detail: 'This link has ended: ask for a new one.' })
      if (status === 401) expect(get.headers.get('www-authenticate')).toBe('Token')
      if (status !== 200) expect(get.headers.get('cache-control')).toBe('no-store')

      const head = await ask(mode, who, url, {}, 'HEAD')
      expect([head.status, await head.text()]).toEqual([status, ''])
      if (status === 200) expect(head.headers.get('content-length')).toBe(`${CONTENT.length}`)
      const range = await ask(mode, who, url, { Range: 'bytes=6-10' })
      expect([range.status, await range.text()]).toEqual(
        status === 200 ? [206, CONTENT.slice(6, 11)] : [status, text],
      )
      const same = await ask(mode, who, url, { 'If-None-Match': `"${keyOf(files[mode].own)}"` })
      expect([who, same.status]).toEqual([who, status === 200 ? 304 : status])
      await same.text()
    }
  })

  it('tells caches how long the bytes are whose', async () => {
    const fileUrl = urlWith('')
    const cacheOf = async (who: string, url: string, headers = {}) => {
      const answer = await ask(mode, who, url, headers)
      await answer.text()
      return answer.headers.get('cache-control') ?? ''
    }
    if (mode === 'public') {
      expect(await cacheOf('nobody', fileUrl)).toBe('private, max-age=86400, immutable')
      return
    }
    if (mode === 'private') expect(await cacheOf('owner', fileUrl)).toBe('private, no-cache')
    const until = async (seconds: number, headers = {}) => {
      const end = Math.floor(Date.now() / 1000) + seconds
      const query = signed(keyOf(files[mode].own), end)
      const cache = await cacheOf('nobody', urlWith(query), headers)
      const [, maxAge = ''] = /^private, max-age=(\d+), immutable$/.exec(cache) ?? []
      return Number(maxAge)
    }
    const etag = { 'If-None-Match': `"${keyOf(files[mode].own)}"` }
    for (const headers of [{}, etag]) {
      const left = await until(600, headers)
      expect(left).toBeGreaterThan(500)
      expect(left).toBeLessThanOrEqual(600)
    }
    expect(await until(30 * 86_400)).toBe(86_400)
  })

  it('answers a preflight, and no other method, as ever', async () => {
    const url = urlWith('')
    const preflight = await ask(mode, 'nobody', url, { Origin: 'https://a.example' }, 'OPTIONS')
    expect(preflight.status).toBe(204)
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const answer = await ask(mode, 'nobody', url, {}, method)
      expect([method, answer.status]).toEqual([method, 405])
      await answer.text()
    }
  })

  it('keeps the bytes at the URL of the upload for owner, staff and admin', async () => {
    const tus = tusClient(servers[mode].url, as[mode]?.owner)
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'hello')
    const found = []
    for (const who of actors) {
      const answer = await ask(mode, who, url)
      found.push(answer.status)
      await answer.text()
    }
    expect(found).toEqual([401, 404, 200, 200, 200, 401])
  })
})

describe.each(['signed', 'private'] as const)('a refusal with MEDIA_ACCESS=%s', (mode) => {
  it('says the same of a file that is not there', async () => {
    const { own } = files[mode]
    const nowhere = (url: string) => url.replace(keyOf(own), 'A'.repeat(22))
    const refusing = table.filter(([what]) => !/good|older|ended/.test(what))
    for (const [what, statuses] of refusing) {
      const url = urlOf(mode, queries[what]?.(mode) ?? '')
      for (const [index, who] of actors.entries()) {
        if (statuses[mode][index] === 200) continue
        for (const method of ['GET', 'HEAD']) {
          const there = await learned(await ask(mode, who, url, {}, method))
          const absent = await learned(await ask(mode, who, nowhere(url), {}, method))
          expect([what, who, there]).toEqual([what, who, absent])
        }
      }
    }
  })
})

describe('a file that nobody owns', () => {
  it('is for staff and admins where MEDIA_ACCESS is private', async () => {
    const server = await startServer({
      env: { MEDIA_ACCESS: 'private', ALLOW_ANONYMOUS_UPLOADS: 'true' },
    })
    try {
      const tus = tusClient(server.url)
      const upload = await tus.begin(5)
      const { headers } = await tus.patch(upload, 0, 'hello')
      const url = headers.get('landfall-media-url') ?? ''
      const tokens = [
        undefined,
        (await server.accounts.add('user')).authorization,
        (await server.accounts.add('staff')).authorization,
        server.admin,
      ]
      const statuses = []
      for (const token of tokens) {
        const answer = await fetch(url, { headers: token ? { Authorization: token } : {} })
        statuses.push(answer.status)
        await answer.text()
      }
      expect(statuses).toEqual([401, 404, 200, 200])
      // Whoever sent it still has the URL of the upload.
      expect(await (await fetch(upload)).text()).toBe('hello')
    } finally {
      await server.close()
    }
  })
})
