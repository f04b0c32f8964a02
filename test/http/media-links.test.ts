import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keptSecret } from '../../src/media/kept-secret.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { chunkedClient, digest } from '../support/chunked.ts'
import { databaseKinds, openTestDatabase } from '../support/database.ts'
import { openEvents } from '../support/event-stream.ts'
import { type MediaClient, mediaClient } from '../support/media-client.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { watchStatements } from '../support/statements.ts'
import { tusClient } from '../support/tus.ts'

const HOUR = 3_600_000
const CONTENT = 'a text'

let server: TestServer
let client: MediaClient
let aheadMs = 0
const now = () => new Date(Date.now() + aheadMs)
afterEach(() => {
  aheadMs = 0
})

/** The answer to whoever has nothing but the URL. */
async function opened(url: string): Promise<[status: number, body: string]> {
  const answer = await fetch(url)
  return [answer.status, await answer.text()]
}

const makeLink = (id: number, wanted: unknown, as?: string | null) =>
  client.call('POST', `/${id}/links`, {
    body: JSON.stringify(wanted),
    ...(as === undefined ? {} : { as }),
  })
const linkOf = async (id: number, wanted: unknown) => {
  const answer = await makeLink(id, wanted)
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store'])
  return (await answer.json()) as { url: string; expires_at: string | null }
}

describe('with MEDIA_ACCESS=signed', () => {
  let receiver: Receiver
  let record: MediaRecord

  beforeAll(async () => {
    receiver = await startReceiver()
    server = await startServer({
      env: { MEDIA_ACCESS: 'signed', ...receiver.env },
      replaced: { now },
      replicas: 2,
    })
    client = mediaClient(server, server.admin)
    record = await client.upload('a b.txt', Buffer.from(CONTENT))
  })
  afterAll(async () => {
    await server.close()
    await receiver.close()
  })

  it('f opens for anybody, on every server of the database, for most of an hour', async () => {
    expect(new URL(record.f).pathname).toMatch(/^\/media\/[\w-]{22}\/a%20b\.txt$/)
    for (const later of [0, 0.7 * HOUR]) {
      aheadMs = later
      // Each of the two gets every other request.
      for (let n = 0; n < 4; n++) expect(await opened(record.f)).toEqual([200, CONTENT])
    }
    aheadMs = HOUR
    expect((await opened(record.f))[0]).toBe(410)
    const again = await client.one(record.id)
    expect(await opened(again.f)).toEqual([200, CONTENT])
    const { results } = (await (await client.call('GET', '')).json()) as { results: MediaRecord[] }
    expect(results.map(({ f }) => f)).toEqual([again.f])
  })

  it('f opens under any name, and as a download', async () => {
    const { f } = await client.one(record.id)
    expect(await opened(f.replace('a%20b.txt', 'another'))).toEqual([200, CONTENT])
    const download = await fetch(`${f}&download=1`)
    expect(download.headers.get('content-disposition')).toMatch(/^attachment/)
    await download.text()
  })

  it('every door answers with a URL that opens', async () => {
    const urls: (string | null | undefined)[] = []
    const tus = tusClient(server.url, server.admin)
    const upload = await tus.begin(5)
    urls.push((await tus.patch(upload, 0, 'hello')).headers.get('landfall-media-url'))
    urls.push((await tus.head(upload)).headers.get('landfall-media-url'))

    const ietf = await fetch(`${server.url}/files/`, {
      method: 'POST',
      headers: {
        Authorization: server.admin,
        'Upload-Draft-Interop-Version': '6',
        'Upload-Complete': '?1',
      },
      body: 'hello',
    })
    urls.push(ietf.headers.get('landfall-media-url'), ((await ietf.json()) as MediaRecord).f)

    const chunked = chunkedClient(server.url, server.admin)
    const { id } = await chunked.begin('hello', 5)
    const done = await chunked.post(id, { md5: digest('hello') })
    urls.push(((await done.json()) as { file: string }).file, (await chunked.show(id)).file)

    const sessions = sessionClient(server.url, server.admin)
    const token = await sessions.open()
    await sessions.add(token, 'a.pdf', pdf())
    const { body } = await sessions.json('POST', `/${token}/submit`)
    expect(JSON.stringify(body)).toContain('a.pdf')
    urls.push(...(/"(http[^"]*\/media\/[^"]*)"/.exec(JSON.stringify(body))?.slice(1) ?? []))

    expect(urls).toHaveLength(7)
    for (const url of urls) {
      expect(url).toContain('signature=')
      expect((await opened(url ?? ''))[0]).toBe(200)
      expect((await opened(url?.split('?')[0] ?? ''))[0]).toBe(404)
    }
  })

  it('events carry a URL that opens when they are sent', async () => {
    const stream = await openEvents(`${server.url}/api/events`, server.admin, {})
    const sentBefore = receiver.received.length
    const { id } = await client.upload('event.txt', Buffer.from(CONTENT))
    const streamed = (await stream.next())?.data.data as { id: number; file: MediaRecord }
    stream.close()
    expect(streamed.id).toBe(id)
    expect(await opened(streamed.file.f)).toEqual([200, CONTENT])
    await receiver.count(sentBefore + 1)
    const sent = receiver.received.map(({ message }) => message.data as { file: MediaRecord })
    const { f } = sent.find(({ file }) => file.id === id)?.file ?? { f: '' }
    // The receiver knows where the server is: there is no PUBLIC_URL.
    expect(await opened(server.url + f)).toEqual([200, CONTENT])
  })

  it('a link opens for as long as was asked, and tells when it ends', async () => {
    const before = now().getTime()
    for (const expires_in of [600, '10m', '600s']) {
      const { url, expires_at } = await linkOf(record.id, { expires_in })
      const lasts = Date.parse(expires_at ?? '') - before
      expect(lasts).toBeGreaterThanOrEqual(600_000)
      expect(lasts).toBeLessThan(660_000)
      expect(await opened(url)).toEqual([200, CONTENT])
      aheadMs = 660_000
      expect((await opened(url))[0]).toBe(410)
      aheadMs = 0
    }
    const year = await linkOf(record.id, { expires_in: '365d' })
    const usual = await linkOf(record.id, {})
    const lasts = (link: typeof year) => Date.parse(link.expires_at ?? '') - before
    expect(Math.round(lasts(year) / 86_400_000)).toBe(365)
    expect(Math.round(lasts(usual) / 60_000)).toBe(60)
    expect(year.expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  })

  it('a link can make the browser save the file', async () => {
    for (const [wanted, kind] of [
      [{ download: true }, /^attachment/],
      [{ download: false }, /^inline/],
      [{ expires_in: null }, /^inline/],
    ] as const) {
      const { url } = await linkOf(record.id, wanted)
      const answer = await fetch(url)
      expect(answer.headers.get('content-disposition')).toMatch(kind)
      await answer.text()
    }
  })

  it.each([
    ['0', 0],
    ['less than nothing', -5],
    ['half a second', 0.5],
    ['more than a year', 365 * 86_400 + 1],
    ['a year in words', '366d'],
    ['a number without its unit', '600'],
    ['a date', '2030-01-01'],
    ['a boolean', true],
    ['a list', [600]],
  ])('a link for %s is refused by the name of the field', async (_, expires_in) => {
    const answer = await makeLink(record.id, { expires_in, download: 'maybe' })
    expect([answer.status, await answer.json()]).toEqual([
      400,
      {
        expires_in: ['Give seconds, or a duration such as 90s, 24h or 7d; at most 365d.'],
        download: ['Must be a valid boolean.'],
      },
    ])
  })

  it('a link is made of a file that is there, from an object, by POST', async () => {
    const absent = await makeLink(999_999, {})
    expect([absent.status, await absent.json()]).toEqual([404, { detail: 'Not found.' }])
    expect((await makeLink(record.id, [])).status).toBe(400)
    const listed = await client.call('GET', `/${record.id}/links`)
    expect([listed.status, listed.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
    const bare = await client.call('POST', `/${record.id}/links/`)
    expect(bare.status).toBe(201)
  })

  it('a file that is removed has no link that opens', async () => {
    const { id } = await client.upload('gone.txt', Buffer.from(CONTENT))
    const { url } = await linkOf(id, {})
    expect((await opened(url))[0]).toBe(200)
    expect((await client.call('DELETE', `/${id}`)).status).toBe(204)
    expect((await opened(url))[0]).toBe(404)
  })

  it('no signature is in the log', async () => {
    const { url } = await linkOf(record.id, {})
    await opened(url)
    const signature = new URL(url).searchParams.get('signature') ?? ''
    const lines = JSON.stringify(server.logged)
    expect(lines).toContain('"path":"/media/')
    expect(signature).toHaveLength(43)
    expect(lines).not.toContain(signature)
  })
})

describe('with MEDIA_ACCESS=private', () => {
  beforeAll(async () => {
    server = await startServer({ env: { MEDIA_ACCESS: 'private' }, replaced: { now } })
    client = mediaClient(server, server.admin)
  })
  afterAll(() => server.close())

  it('f has no signature, and a link opens the file without a token until it ends', async () => {
    const { id, f } = await client.upload('a.txt', Buffer.from(CONTENT))
    expect(new URL(f).search).toBe('')
    expect((await opened(f))[0]).toBe(401)
    const { url } = await linkOf(id, { expires_in: '1h', download: true })
    expect(await opened(url)).toEqual([200, CONTENT])
    aheadMs += HOUR + 1000
    expect((await opened(url))[0]).toBe(410)
  })
})

describe('with MEDIA_ACCESS=public', () => {
  beforeAll(async () => {
    server = await startServer()
    client = mediaClient(server, server.admin)
  })
  afterAll(() => server.close())

  it('a link is the URL of the file, which does not end', async () => {
    const { id, f } = await client.upload('a.txt', Buffer.from(CONTENT))
    expect(await linkOf(id, {})).toEqual({ url: f, expires_at: null })
    expect(await linkOf(id, { download: true })).toEqual({
      url: `${f}?download=1`,
      expires_at: null,
    })
  })

  it('a link that is to end is refused: it would open for ever', async () => {
    const { id } = await client.upload('a.txt', Buffer.from(CONTENT))
    const answer = await makeLink(id, { expires_in: 60 })
    expect([answer.status, await answer.json()]).toEqual([
      400,
      { expires_in: ['Links cannot end here: every media URL is public (MEDIA_ACCESS).'] },
    ])
  })
})

describe('a request with no link', () => {
  it('costs no statement of the database, whether the file is there or not', async () => {
    const database = await openTestDatabase('embedded')
    const embedded = await startServer({
      database: 'embedded',
      env: { MEDIA_ACCESS: 'signed' },
      replaced: { database },
    })
    try {
      const { f } = await mediaClient(embedded, embedded.admin).upload('a', Buffer.from(CONTENT))
      const statements = watchStatements(database)
      const ofFiles = () => statements.take().filter((text) => text.includes('media_files'))
      expect(await opened(f)).toEqual([200, CONTENT])
      expect(ofFiles()).toHaveLength(1)
      const url = f.replace(/signature=.*/, `signature=${'x'.repeat(43)}`)
      const found = [await opened(url), await opened(url.replace(/media\/.{22}/, 'media/nobody'))]
      expect(found[0]).toEqual(found[1])
      expect(ofFiles()).toEqual([])
    } finally {
      await embedded.close()
    }
  })
})

describe.each(databaseKinds)('the secret of a database (%s)', (kind) => {
  it('is made once, of 256 random bits, whoever asks at the same time', async () => {
    const database = await openTestDatabase(kind)
    try {
      const ask = () => keptSecret(database.db, () => new Date())
      const [first, ...others] = await Promise.all([ask(), ask(), ask(), ask()])
      expect(first?.toString()).toMatch(/^[\w-]{43}$/)
      for (const other of [...others, await ask()]) expect(other).toEqual(first)
    } finally {
      await database.close()
    }
  })
})
