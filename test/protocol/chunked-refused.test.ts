import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  answered,
  CHUNKED,
  type ChunkedClient,
  chunk,
  chunkedClient,
  digest,
} from '../support/chunked.ts'
import { field, file, form, formType } from '../support/multipart.ts'
import { openRaw, type RawConnection } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

let server: TestServer
let client: ChunkedClient
let authorization: string
const open: RawConnection[] = []

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_IDLE_TIMEOUT: '1s' } })
})
afterAll(() => server.close())
afterEach(() => {
  for (const connection of open.splice(0)) connection.reset()
})

/** A client of its own, whose list holds what it began and nothing else. */
async function fresh(): Promise<void> {
  ;({ authorization } = await server.accounts.add('user'))
  client = chunkedClient(server.url, authorization)
}

/** The head of a PUT on a raw connection, up to where the body begins. */
async function rawPut(
  to: string,
  range: string,
  headers: Record<string, string | number>,
  credentials: string | null = authorization,
): Promise<RawConnection> {
  const connection = await openRaw(server.url)
  open.push(connection)
  const lines = [
    `PUT ${CHUNKED}/${to} HTTP/1.1`,
    'Host: test',
    ...(credentials === null ? [] : [`Authorization: ${credentials}`]),
    `Content-Range: ${range}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  connection.send(`${lines.join('\r\n')}\r\n\r\n`)
  return connection
}

const formHeaders = (body: Uint8Array) => ({
  'Content-Type': formType,
  'Content-Length': body.length,
})
const part = (bytes: string | Uint8Array) => file('a.bin', bytes, { name: 'file' })

const soon = <T>(check: () => Promise<T>) => vi.waitFor(check, { interval: 5, timeout: 5_000 })

/** The bytes of an unfinished upload as they lie on the disk. */
async function stored(id: string): Promise<Buffer | null> {
  const root = path.join(server.dataDir, 'files')
  const names = await readdir(root, { recursive: true })
  const found = names.find((name) => name.endsWith(`${id}.part`))
  return found === undefined ? null : readFile(path.join(root, found))
}

const storedParts = async () =>
  (await readdir(path.join(server.dataDir, 'files'), { recursive: true })).filter((name) =>
    name.endsWith('.part'),
  ).length

describe('who may not', () => {
  it('get the same 404 for a foreign upload, one of another door, and none', async () => {
    await fresh()
    const { id: foreign } = await client.begin('hello', 10)
    await fresh()
    const tus = await tusClient(server.url, authorization).begin(10)
    const ids = [foreign, tus.split('/').at(-1) ?? '', '00000000-0000-4000-8000-000000000000']
    const answers = async (id: string) => [
      await answered(client.call('GET', id)),
      await answered(client.put(id, 'bytes 5-9/10', { file: chunk('world') })),
      await answered(client.post(id, { md5: digest('x') })),
      await answered(client.call('DELETE', id)),
      await answered(client.post('', { upload_id: id, file: chunk('x') })),
      await answered(client.post('complete', { upload_id: id, md5: 'x' })),
    ]
    for (const id of [...ids, 'nonsense', '%2e%2e%2f', '%00', '%E0%A4%A'])
      expect(await answers(id)).toEqual(Array(6).fill([404, { detail: 'Not found.' }]))
  })

  it('are told before a byte of the body is read', async () => {
    const head = { 'Content-Type': formType, 'Content-Length': 10 ** 9 }
    const anonymous = await rawPut('', 'bytes 0-4/10', head, null)
    const answer = await anonymous.answer()
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Token'])
  })
})

describe('a range', () => {
  it.each([
    'bytes -1-4/10',
    'bytes +0-4/10',
    'bytes 0-4e0/10',
    'bytes 0-0x4/10',
    'bytes 0- 4/10',
    'bytes 0-4.0/10',
    'bytes 0-4/9007199254740992',
    'bytes 0-4/18446744073709551616',
    'bytes ٠-٤/١٠',
    'bytes 0-4/10\r\nContent-Range: bytes 0-4/10',
  ])('of %j is none', async (range) => {
    await fresh()
    const body = form(part('hello'))
    const connection = await rawPut('', range, formHeaders(body))
    connection.send(body)
    const { status, body: text } = await connection.answer()
    expect([status, JSON.parse(text)]).toEqual([400, { detail: 'Error in request headers' }])
    expect(await client.list()).toEqual([])
  })

  it('that was stored before, or overlaps what was, changes nothing', async () => {
    await fresh()
    const { url, id } = await client.begin('hello', 10)
    for (const [range, bytes, start] of [
      ['bytes 0-4/10', 'HELLO', 0],
      ['bytes 3-7/10', 'LOWOR', 3],
      ['bytes 7-9/10', 'RLD', 7],
    ] as const) {
      const refusal = {
        detail: 'Offsets do not match',
        expected_offset: 5,
        provided_offset: start,
      }
      expect(await answered(client.put(url, range, { file: chunk(bytes) }))).toEqual([400, refusal])
    }
    expect((await stored(id))?.toString()).toBe('hello')
  })

  it('of an upload that is unknown is answered at once where its chunk is long', async () => {
    await fresh()
    const head = { 'Content-Type': formType, 'Content-Length': 10 ** 9 }
    const connection = await rawPut('x', `bytes 0-${10 ** 9 - 1}/${10 ** 9}`, head)
    connection.send(part('the first of many').subarray(0, -2))
    expect((await connection.answer()).status).toBe(404)
  })
})

describe('a form', () => {
  const range = 'bytes 5-9/10'
  const good = form(part('world'))

  it.each<[string, Buffer, string]>([
    ['never closed', good.subarray(0, good.length - 8), 'Multipart form parse error'],
    [
      'with a second chunk',
      Buffer.concat([part('world'), form(part('WORLD'))]),
      'Submit one chunk at a time.',
    ],
    [
      'with more after the chunk than a form has',
      Buffer.concat([part('world'), form(...Array(200).fill(field('x', 'y')))]),
      'Multipart form parse error - too many parts',
    ],
    ['with the chunk as text', form(field('file', 'world')), 'No chunk file was submitted'],
    ['without a part', form(), 'No chunk file was submitted'],
    [
      'with an empty file input',
      form(file('', '', { name: 'file' })),
      'No chunk file was submitted',
    ],
  ])('%s stores nothing', async (_, body, words) => {
    await fresh()
    const { id, url } = await client.begin('hello', 10)
    const headers = { 'Content-Type': formType, 'Content-Range': range }
    const answer = await answered(client.call('PUT', url, { headers, body: new Uint8Array(body) }))
    expect(answer).toEqual([400, { detail: expect.stringContaining(words) }])
    expect((await stored(id))?.toString()).toBe('hello')
    expect((await client.show(url)).offset).toBe(5)
    const [status] = await answered(client.put(url, range, { file: chunk('world') }))
    expect(status).toBe(200)
  })

  it('whose first chunk fails leaves no upload', async () => {
    await fresh()
    const before = await storedParts()
    const headers = { 'Content-Type': formType, 'Content-Range': 'bytes 0-4/10' }
    const body = new Uint8Array(good.subarray(0, good.length - 8))
    expect((await client.call('PUT', '', { headers, body })).status).toBe(400)
    const wrong = { filename: 'x'.repeat(256), file: chunk('hello') }
    expect((await client.put('', 'bytes 0-4/10', wrong)).status).toBe(400)
    expect(await client.list()).toEqual([])
    expect(await storedParts()).toBe(before)
  })

  it.each([
    ['a list', '[1]', 'application/json', 400],
    ['no JSON', '{', 'application/json', 400],
    ['null', 'null', 'application/json', 400],
    ['a digest that is null', '{"md5": null}', 'application/json', 400],
    ['a digest that is a number', '{"md5": 5}', 'application/json', 400],
    ['far too long', 'x'.repeat(100_000), 'application/json', 413],
    ['of another type', 'md5=x', 'text/plain', 415],
  ])('that is %s completes nothing', async (_, body, type, wanted) => {
    await fresh()
    const { url } = await client.begin('hello', 5)
    const headers = { 'Content-Type': type }
    const [status] = await answered(client.call('POST', url, { headers, body }))
    expect(status).toBe(wanted)
    expect((await client.post(url, { md5: digest('hello') })).status).toBe(200)
  })
})

describe('a client that is gone', () => {
  it('in the middle of a chunk leaves offset and bytes as they were', async () => {
    await fresh()
    const { id, url } = await client.begin('hello', 1_000_005)
    const body = form(part(randomBytes(1_000_000)))
    const connection = await rawPut(id, 'bytes 5-1000004/1000005', formHeaders(body))
    connection.send(body.subarray(0, 600_000))
    await soon(async () => expect((await stored(id))?.length).toBeGreaterThan(5))
    connection.reset()
    await soon(async () => expect((await stored(id))?.toString()).toBe('hello'))
    expect((await client.show(url)).offset).toBe(5)
  })

  it('after the chunk, before the end of the form, leaves them as well', async () => {
    await fresh()
    const { id, url } = await client.begin('hello', 10)
    const body = Buffer.concat([part('world'), form(field('x', 'y'))])
    const connection = await rawPut(id, 'bytes 5-9/10', formHeaders(body))
    connection.send(body.subarray(0, body.length - 10))
    await soon(async () => expect((await stored(id))?.length).toBe(10))
    connection.reset()
    await soon(async () => expect((await stored(id))?.toString()).toBe('hello'))
    expect((await client.show(url)).offset).toBe(5)
  })

  it('in the middle of the first chunk leaves no upload, and 200 of them no descriptor', async () => {
    await fresh()
    const parts = await storedParts()
    const descriptors = async () => (await readdir('/proc/self/fd')).length
    const body = form(part(randomBytes(200_000)))
    const once = async () => {
      const connection = await rawPut('', 'bytes 0-199999/1000000', formHeaders(body))
      connection.send(body.subarray(0, 100_000))
      await soon(async () => expect(await storedParts()).toBe(parts + 1))
      connection.reset()
      await soon(async () => expect(await storedParts()).toBe(parts))
    }
    await once()
    const before = await descriptors()
    for (let n = 0; n < 200; n += 1) await once()
    await soon(async () => expect(await descriptors()).toBeLessThan(before + 5))
    expect(await client.list()).toEqual([])
  })

  it('in silence is cut, and the chunk can be sent again', async () => {
    await fresh()
    const { id, url } = await client.begin('hello', 10)
    const body = form(part('world'))
    const connection = await rawPut(id, 'bytes 5-9/10', formHeaders(body))
    connection.send(body.subarray(0, body.length - 40))
    expect((await connection.answer()).status).toBe(408)
    const [status] = await answered(client.put(url, 'bytes 5-9/10', { file: chunk('world') }))
    expect(status).toBe(200)
  })
})

describe('two requests at once', () => {
  it('never mix: one chunk is stored, whole', async () => {
    for (let round = 0; round < 10; round += 1) {
      await fresh()
      const { url, id } = await client.begin('hello', 200_005)
      const bodies = ['a', 'b', 'c'].map((letter) => letter.repeat(200_000))
      const range = 'bytes 5-200004/200005'
      const answers = await Promise.all(
        bodies.map((text) => answered(client.put(url, range, { file: chunk(text) }))),
      )
      const winners = bodies.filter((_, n) => answers[n]?.[0] === 200)
      expect(winners).toHaveLength(1)
      expect((await stored(id))?.toString() === `hello${winners[0]}`).toBe(true)
      for (const [status] of answers) expect([200, 400, 423]).toContain(status)
    }
  })

  it('of which one has stalled: the other takes its place', async () => {
    await fresh()
    const { id, url } = await client.begin('hello', 100_005)
    const range = 'bytes 5-100004/100005'
    const body = form(part('W'.repeat(100_000)))
    const stalled = await rawPut(id, range, formHeaders(body))
    stalled.send(body.subarray(0, 90_000))
    await soon(async () => expect((await stored(id))?.length).toBeGreaterThan(5))
    const [status] = await answered(client.put(url, range, { file: chunk('w'.repeat(100_000)) }))
    expect(status).toBe(200)
    expect((await stored(id))?.toString()).toBe(`hello${'w'.repeat(100_000)}`)
    expect((await stalled.answer()).status).toBe(423)
  })

  it('of which one has no place here: the other is not disturbed', async () => {
    await fresh()
    const { id, url } = await client.begin('hello', 100_005)
    const body = form(part('w'.repeat(100_000)))
    const slow = await rawPut(id, 'bytes 5-100004/100005', formHeaders(body))
    slow.send(body.subarray(0, 90_000))
    await soon(async () => expect((await stored(id))?.length).toBeGreaterThan(5))
    expect((await client.put(url, 'bytes 0-4/100005', { file: chunk('hello') })).status).toBe(400)
    expect((await client.show(url)).offset).toBe(5)
    slow.send(body.subarray(90_000))
    expect((await slow.answer()).status).toBe(200)
    expect((await stored(id))?.toString()).toBe(`hello${'w'.repeat(100_000)}`)
  })

  it('that complete the same upload make one record', async () => {
    await fresh()
    const { url } = await client.begin('hello', 5)
    const md5 = digest('hello')
    const answers = await Promise.all([1, 2, 3].map(() => answered(client.post(url, { md5 }))))
    const refusal = { detail: 'Upload has already been marked as "complete"' }
    const [done, ...again] = answers.filter(([status]) => status === 200)
    expect(done?.[1]).toMatchObject({ status: 2, media_file: expect.any(Number) })
    // Who comes between its last byte and its record is told of the same record.
    for (const answer of again) expect(answer).toEqual(done)
    for (const answer of answers) if (answer[0] !== 200) expect(answer).toEqual([400, refusal])
  })
})
