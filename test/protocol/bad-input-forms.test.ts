import { readdir, readlink } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { uploads } from '../../src/db/schema.ts'
import { expectSound, leakIn, request, sendRaw, stateOf } from '../support/bad-input.ts'
import { CHUNKED, chunkedClient } from '../support/chunked.ts'
import { BOUNDARY, field, file, form, formType, part } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { serversOnS3 } from '../support/s3.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'

/** Clients that go away in the middle of each form; 1,000 in the long form. */
const GONE = Number(process.env.FAULT_CYCLES ?? 60)

let server: TestServer
let admin: string
let before: unknown
/** Where a form with a file goes, and the field that the file has there. */
let doors: Record<string, { method: string; path: string; field: string; headers: string[] }>

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_IDLE_TIMEOUT: '30s', SESSION_MAX_OPEN: '1000' } })
  admin = server.admin
  const token = await sessionClient(server.url, admin).open()
  const { id } = await chunkedClient(server.url, admin).begin('hello', 10)
  const range = ['Content-Range: bytes 0-4/10']
  doors = {
    media: { method: 'POST', path: '/api/media/files', field: 'f', headers: [] },
    session: {
      method: 'POST',
      path: `/upload-session/${token}/files/`,
      field: 'file',
      headers: [],
    },
    'first chunk': { method: 'PUT', path: `${CHUNKED}/`, field: 'file', headers: range },
    'next chunk': {
      method: 'PUT',
      path: `${CHUNKED}/${id}`,
      field: 'file',
      headers: ['Content-Range: bytes 5-9/10'],
    },
    'chunk of the ancestor': { method: 'POST', path: `${CHUNKED}/`, field: 'file', headers: range },
  }
})
afterAll(() => server.close())
beforeEach(async () => {
  before = await stateOf(server)
})
afterEach(async () => {
  await vi.waitFor(async () => expect(await stateOf(server)).toEqual(before), { timeout: 10_000 })
  await expectSound(server)
})

const DOORS = ['media', 'session', 'first chunk', 'next chunk', 'chunk of the ancestor']
const door = (name: string) => {
  const found = doors[name]
  if (found === undefined) throw new Error(`there is no door ${name}`)
  return found
}

function head(name: string, length: number, type = `Content-Type: ${formType}`): string[] {
  const { method, path, headers } = door(name)
  return request(method, path, admin, [...headers, type, `Content-Length: ${length}`])
}

describe.each(DOORS)('a form at the door %s', (name) => {
  const good = () => file('a.txt', 'world', { name: door(name).field })
  const bodies: [what: string, body: () => Uint8Array][] = [
    ['that is never closed', () => form(good()).subarray(0, -BOUNDARY.length - 6)],
    ['cut in its last delimiter', () => form(good()).subarray(0, -3)],
    ['with a part header of 100 KB', () => form(part(`X: ${'x'.repeat(100_000)}`, 'x'))],
    [
      'with a part header of 100 KB before the name of its file',
      () =>
        form(
          part(
            `Content-Disposition: form-data; x="${'x'.repeat(100_000)}"; name="${door(name).field}"; filename="a"`,
            'world',
          ),
        ),
    ],
    [
      'with 10,000 headers on a part',
      () =>
        form(
          part(
            Array.from({ length: 10_000 }, (_, n) => `X-${n}: y`),
            'x',
          ),
        ),
    ],
    ['with 10,000 fields', () => form(...Array(10_000).fill(field('x', 'y')))],
    [
      'with 10,000 fields behind its file',
      () => form(good(), ...Array(10_000).fill(field('x', 'y'))),
    ],
    ['with a field of 2 MB', () => form(field('x', 'x'.repeat(2_000_000)))],
    ['without a file', () => form(field('name', 'x'))],
    ['with its file as text', () => form(field(door(name).field, 'world'))],
    ['with two files', () => form(good(), good())],
    ['with a part that has no name', () => form(part('Content-Type: text/plain', 'world'))],
    ['with a part that has no headers', () => form(part('', 'world'))],
    ['of an empty body', () => new Uint8Array()],
    ['of a delimiter alone', () => Buffer.from(`--${BOUNDARY}`)],
    ['of its end alone', () => Buffer.from(`--${BOUNDARY}--\r\n`)],
    ['of 1 MB of dashes', () => Buffer.alloc(1_000_000, '-')],
    ['of 1 MB of line ends', () => Buffer.alloc(1_000_000, '\r\n')],
    ['with LF for CRLF', () => Buffer.from(form(good()).toString().replaceAll('\r\n', '\n'))],
    [
      'with another delimiter',
      () => Buffer.from(form(good()).toString().replaceAll(BOUNDARY, 'x')),
    ],
  ]

  it.each(bodies)('%s is refused', async (_, body) => {
    const bytes = body()
    const answer = await sendRaw(server.url, head(name, bytes.length), bytes)
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toContain('application/json')
    expect(leakIn(answer.body)).toBeNull()
  })

  it.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    `multipart/form-data; boundary=${'x'.repeat(1_000)}`,
    'multipart/form-data; boundary="a\tb"',
    'multipart/form-data; boundary=\xe4',
    'multipart/form-data; x=y',
  ])('of the type %j is refused', async (type) => {
    const body = form(good())
    const answer = await sendRaw(server.url, head(name, body.length, `Content-Type: ${type}`), body)
    expect(answer.status).toBe(400)
    expect(leakIn(answer.body)).toBeNull()
  })

  it(`whose client is gone at half, ${GONE} times, leaves no file and no descriptor`, async () => {
    const descriptors = async () => {
      const all = await readdir('/proc/self/fd')
      if (!serversOnS3) return all.length
      // Connections to a store are kept for the next request: there files and pipes are counted.
      const targets = await Promise.all(
        all.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => 'socket:')),
      )
      return targets.filter((target) => !target.startsWith('socket:')).length
    }
    const large = file('half.txt', Buffer.alloc(200_000, 'x'), { name: door(name).field })
    const body = form(large)
    // What a session holds of a name is free only when its sender is known to be gone.
    const named = () =>
      Buffer.from(
        body.toString('latin1').replace('half.txt', `half-${Math.random()}.txt`),
        'latin1',
      )
    const begun = () => server.database.db.$count(uploads)
    const once = async (n = 0) => {
      const connection = await openRaw(server.url)
      const bytes = named()
      connection.send(`${head(name, bytes.length).join('\r\n')}\r\n\r\n`)
      const half = bytes.subarray(0, bytes.length / 2)
      await new Promise<void>((sent) => connection.socket.write(half, () => sent()))
      // A reset takes along what nobody has read yet; an end does not.
      if (n % 2 === 0) connection.socket.end()
      else connection.reset()
      await connection.closed
    }
    const settled = () =>
      vi.waitFor(async () => expect(await stateOf(server)).toEqual(before), { timeout: 20_000 })
    await once()
    await settled()
    const open = await descriptors()
    const earlier = await begun()
    for (let n = 0; n < GONE; n += 1) await once(n)
    await settled()
    if (name !== 'next chunk') expect(await begun()).toBeGreaterThanOrEqual(earlier + GONE / 2)
    await vi.waitFor(async () => expect(await descriptors()).toBeLessThan(open + 8))
  })
})
