import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Fault } from '../../src/errors.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { BOUNDARY, field, file, form, formType, part, remains } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

const MiB = 1024 * 1024
const path = '/api/media/files'

let server: TestServer
let staff: { authorization: string; id: number }

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_MAX_SIZE: '4MiB', UPLOAD_IDLE_TIMEOUT: '1s' } })
  staff = await server.accounts.add('staff')
})
afterAll(() => server.close())

function post(
  body: string | Uint8Array | ReadableStream,
  headers: Record<string, string> = {},
  to = server,
) {
  return fetch(to.url + path, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { Authorization: staff.authorization, 'Content-Type': formType, ...headers },
  })
}

async function answerOf(answer: Response): Promise<[status: number, record: MediaRecord]> {
  return [answer.status, (await answer.json()) as MediaRecord]
}

/** The head of a request on a raw connection, up to where the body begins. */
const head = (...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: test', ...headers, '', ''].join('\r\n')
const authorized = () => `Authorization: ${staff.authorization}`

describe('a form with a file', () => {
  it('becomes a record that is in the list when the answer comes', async () => {
    const bytes = randomBytes(300_000)
    const body = new FormData()
    body.append('description', ' before the file ')
    body.append('f', new Blob([bytes], { type: 'application/x-thing' }), 'naïve 😀.bin')
    body.append('name', 'Nice name')
    const answer = await fetch(`${server.url}${path}/`, {
      method: 'POST',
      body,
      headers: { Authorization: staff.authorization },
    })
    const [status, record] = await answerOf(answer)
    expect(status).toBe(201)
    expect(record).toMatchObject({
      name: 'Nice name',
      description: 'before the file',
      size: bytes.length,
      type: 'other',
      user: { id: staff.id },
    })
    expect(answer.headers.get('location')).toBe(`${path}/${record.id}`)
    const headers = { Authorization: staff.authorization }
    const one = await fetch(`${server.url}${path}/${record.id}`, { headers })
    expect(await one.json()).toEqual(record)
    const list = (await (await fetch(server.url + path, { headers })).json()) as {
      results: unknown[]
    }
    expect(list.results[0]).toEqual(record)
    const download = await fetch(record.f)
    expect(Buffer.from(await download.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('is named like the file where no name is given, or an empty one', async () => {
    for (const fields of [[], [field('name', '')], [field('name', '  ')]]) {
      const [status, record] = await answerOf(await post(form(file('own.txt', 'text'), ...fields)))
      expect([status, record.name, record.description]).toEqual([201, 'own.txt', ''])
    }
  })

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\x', 'x'],
    ['/abs', 'abs'],
    ['C:\\x', 'x'],
    ['CON', 'CON'],
    ['dot.', 'dot.'],
    ['a\0b\u202egnp.exe', 'abgnp.exe'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['😀'.repeat(255), '😀'.repeat(255)],
    ['__proto__', '__proto__'],
    ["'; drop table uploads; --", "'; drop table uploads; --"],
  ])('named %j is a label only', async (filename, name) => {
    const [status, record] = await answerOf(await post(form(file(filename, 'text'))))
    expect([status, record.name]).toEqual([201, name])
    expect((await fetch(record.f)).status).toBe(200)
  })

  it('may have other fields, an empty file input, a preamble and an epilogue', async () => {
    const body = Buffer.concat([
      Buffer.from('preamble\r\n'),
      form(field('__proto__', 'x'), file('', '', { name: 'other' }), file('a.txt', 'text')),
      Buffer.from('epilogue'),
    ])
    expect((await post(body)).status).toBe(201)
  })

  it('arrives whole when it comes in pieces cut at every place', async () => {
    const content = `\r\n--${BOUNDARY.slice(0, -1)}\r\n-\r\n--${BOUNDARY}`
    const inner = content.slice(0, content.lastIndexOf('\r\n'))
    const body = form(file('cut.txt', inner), field('name', 'cut'))
    const connection = await openRaw(server.url)
    connection.socket.setNoDelay(true)
    connection.send(
      head(authorized(), `Content-Type: ${formType}`, `Content-Length: ${body.length}`),
    )
    for (const byte of body) connection.send(Buffer.of(byte))
    const answer = await connection.answer()
    expect(answer.status).toBe(201)
    const record = JSON.parse(answer.body)
    expect(record).toMatchObject({ name: 'cut', size: inner.length })
    const { pathname } = new URL(record.f)
    expect(await (await fetch(server.url + pathname)).text()).toBe(inner)
    connection.reset()
  })
})

describe('a form that is refused leaves nothing', () => {
  const notSubmitted = { f: ['No file was submitted.'] }
  const notAFile = {
    f: ['The submitted data was not a file. Check the encoding type on the form.'],
  }
  const tooLong = (name: string, max: number) => ({
    [name]: [`Ensure this field has no more than ${max} characters.`],
  })
  const malformed = { detail: expect.stringMatching(/^Multipart form parse error - /) }
  const good = () => file('good.txt', 'text')
  const utf16 = Buffer.from('a\ud800b', 'utf16le')

  const cases: [what: string, body: () => Uint8Array | string, answer: object][] = [
    ['without a file', () => form(field('name', 'x')), notSubmitted],
    ['with no part at all', () => `--${BOUNDARY}--\r\n`, notSubmitted],
    ['with an input left empty', () => form(file('', '')), notSubmitted],
    ['with a file name of dots', () => form(file('..', 'text')), notSubmitted],
    ['with a file name nobody can see', () => form(file('\u200b\u202e', 'x')), notSubmitted],
    ['with the file in another field', () => form(file('a', 'x', { name: 'g' })), notSubmitted],
    ['with the file as text', () => form(field('f', 'text')), notAFile],
    ['with the file as text after it', () => form(good(), field('f', 'text')), notAFile],
    ['with an empty file', () => form(file('a', '')), { f: ['The submitted file is empty.'] }],
    [
      'with a file name of 256 characters',
      () => form(file('😀'.repeat(256), 'text')),
      { f: ['Ensure this filename has at most 255 characters (it has 256).'] },
    ],
    [
      'with a file name of 5,000 characters',
      () => form(file('x'.repeat(5000), 'text')),
      { f: ['Ensure this filename has at most 255 characters (it has 5000).'] },
    ],
    ['with two files', () => form(good(), good()), { f: ['Submit one file at a time.'] }],
    [
      'with a second file in another field',
      () => form(good(), file('b', 'x', { name: 'g' })),
      { f: ['Submit one file at a time.'] },
    ],
    [
      'with a long name before',
      () => form(field('name', 'x'.repeat(256)), good()),
      tooLong('name', 255),
    ],
    [
      'with a long name after',
      () => form(good(), field('name', 'x'.repeat(256))),
      tooLong('name', 255),
    ],
    [
      'with a long description',
      () => form(good(), field('description', 'x'.repeat(65_537))),
      tooLong('description', 65_536),
    ],
    [
      'with a NUL in its name',
      () => form(good(), field('name', 'a\0b')),
      { name: ['Null characters are not allowed.'] },
    ],
    [
      'with a lone surrogate in its name',
      () => form(good(), field('name', utf16, 'text/plain; charset=utf-16le')),
      { name: ['Surrogate characters are not allowed: U+D800.'] },
    ],
    ['with a field of 300 KB', () => form(good(), field('x', 'x'.repeat(300_000))), malformed],
    ['with 10,000 fields', () => form(good(), ...Array(10_000).fill(field('x', 'y'))), malformed],
    [
      'with a part header of 100 KB',
      () =>
        form(
          part(
            `X: ${'x'.repeat(100_000)}\r\nContent-Disposition: form-data; name="f"; filename="a"`,
            'x',
          ),
        ),
      notSubmitted,
    ],
    [
      'with 2 MB before the first part',
      () => Buffer.concat([Buffer.alloc(2 * MiB), form(good())]),
      malformed,
    ],
    [
      'with 2 MB after the last part',
      () => Buffer.concat([form(good()), Buffer.alloc(2 * MiB)]),
      malformed,
    ],
    ['never closed', () => form(good()).subarray(0, -BOUNDARY.length - 6), malformed],
    ['cut in a delimiter', () => form(good()).subarray(0, -6), malformed],
    [
      'cut in the headers of a part',
      () => `--${BOUNDARY}\r\nContent-Disposition: form-d`,
      malformed,
    ],
    [
      'cut between two parts',
      () => Buffer.concat([good(), Buffer.from(`--${BOUNDARY}\r\n`)]),
      malformed,
    ],
    ['that is no form', () => 'hello', malformed],
    ['of no bytes', () => '', malformed],
  ]

  it.each(cases)('%s', async (_, body, expected) => {
    const before = await remains(server)
    const [status, answer] = await answerOf(await post(body()))
    expect(answer).toEqual(expected)
    expect(status).toBe(400)
    expect(await remains(server)).toEqual(before)
  })

  it('without a boundary', async () => {
    for (const type of [
      'multipart/form-data',
      'multipart/form-data; boundary=',
      'multipart/form-data; boundary=""',
    ]) {
      const [status, answer] = await answerOf(await post(form(good()), { 'Content-Type': type }))
      expect(status).toBe(400)
      expect(answer).toEqual({
        detail: 'Multipart form parse error - Invalid boundary in multipart: None',
      })
    }
  })

  it.each(['application/json', 'multipart/mixed; boundary=x', 'text/plain; charset="utf-8"', ''])(
    'of the content type %j',
    async (type) => {
      const connection = await openRaw(server.url)
      connection.send(
        head(authorized(), ...(type ? [`Content-Type: ${type}`] : []), 'Content-Length: 2'),
      )
      connection.send('{}')
      const { status, body } = await connection.answer()
      expect(status).toBe(415)
      expect(JSON.parse(body)).toEqual({ detail: `Unsupported media type "${type}" in request.` })
      connection.reset()
    },
  )

  it('when its file is larger than allowed', async () => {
    const before = await remains(server)
    const just = await post(form(file('just.bin', Buffer.alloc(4 * MiB))))
    expect(just.status).toBe(201)
    const [, record] = await answerOf(just)
    await fetch(`${server.url}${path}/${record.id}`, {
      method: 'DELETE',
      headers: { Authorization: server.admin },
    })
    const body = form(file('over.bin', Buffer.alloc(4 * MiB + 1)))
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(body)
        controller.close()
      },
    })
    for (const each of [body, chunked]) {
      const [status, answer] = await answerOf(await post(each))
      expect(status).toBe(413)
      expect(answer).toEqual({ detail: expect.any(String) })
    }
    expect(await remains(server)).toEqual(before)
  })

  it('when nothing more of it arrives', async () => {
    const before = await remains(server)
    const half = form(file('half.bin', Buffer.alloc(100_000))).subarray(0, 50_000)
    for (const sent of [half, Buffer.from(`--${BOUNDARY}`)]) {
      const connection = await openRaw(server.url)
      connection.send(head(authorized(), `Content-Type: ${formType}`, 'Content-Length: 100000'))
      connection.send(sent)
      const { status, body } = await connection.answer()
      expect(status).toBe(408)
      expect(JSON.parse(body)).toEqual({ detail: 'The request body stopped arriving.' })
      connection.reset()
    }
    expect(await remains(server)).toEqual(before)
  })
})

describe('a client that is still sending', () => {
  const endless = [`Content-Type: ${formType}`, `Content-Length: ${3 * MiB}`]

  it.each([
    ['has no token', () => head(...endless), 401],
    ['has a bad token', () => head('Authorization: Token nope', ...endless), 401],
    [
      'sends another type',
      () => head(authorized(), 'Content-Type: text/csv', endless[1] ?? ''),
      415,
    ],
    [
      'announces too much',
      () => head(authorized(), `Content-Type: ${formType}`, `Content-Length: ${100 * MiB}`),
      413,
    ],
  ])('reads its answer when it %s', async (_, request, expected) => {
    const before = await remains(server)
    const connection = await openRaw(server.url)
    connection.send(request())
    connection.send(file('a.bin', Buffer.alloc(MiB)))
    const { status, headers, body } = await connection.answer()
    expect(status).toBe(expected)
    expect(JSON.parse(body)).toEqual({ detail: expect.any(String) })
    expect(headers['www-authenticate']).toBe(expected === 401 ? 'Token' : undefined)
    // Nobody waits for the rest.
    await connection.closed
    expect(await remains(server)).toEqual(before)
  })

  it('reads its answer when it may not upload', async () => {
    const before = await remains(server)
    const user = await server.accounts.add('user')
    const connection = await openRaw(server.url)
    connection.send(head(`Authorization: ${user.authorization}`, ...endless))
    connection.send(file('a.bin', Buffer.alloc(MiB)))
    const { status, body } = await connection.answer()
    expect(status).toBe(403)
    expect(JSON.parse(body)).toEqual({
      detail: 'You do not have permission to perform this action.',
    })
    expect(await remains(server)).toEqual(before)
    connection.reset()
  })

  it('reads its answer when a part of the form is wrong', async () => {
    const before = await remains(server)
    const connection = await openRaw(server.url)
    connection.send(head(authorized(), ...endless))
    connection.send(file('a.bin', Buffer.alloc(MiB)))
    connection.send(field('name', 'x'.repeat(300)))
    connection.send(`--${BOUNDARY}\r\n`)
    expect((await connection.answer()).status).toBe(400)
    expect(await remains(server)).toEqual(before)
    connection.reset()
  })
})

describe('a client that goes away in the middle', () => {
  it('leaves no row, no file and no descriptor, however many there are', async () => {
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = await remains(server)
    const openBefore = descriptors()
    const half = form(file('gone.bin', Buffer.alloc(200_000))).subarray(0, 100_000)
    for (let round = 0; round < 5; round += 1) {
      const connections = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const connection = await openRaw(server.url)
          connection.send(head(authorized(), `Content-Type: ${formType}`, 'Content-Length: 200500'))
          connection.send(half.subarray(0, index * 5_000))
          return connection
        }),
      )
      await vi.waitFor(async () => expect((await remains(server)).open.length).toBeGreaterThan(10))
      for (const connection of connections) connection.reset()
      await vi.waitFor(async () => expect(await remains(server)).toEqual(before), 10_000)
    }
    await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(openBefore + 5))
    expect(server.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('a server that accepts images only', () => {
  let picky: TestServer
  beforeAll(async () => {
    picky = await startServer({
      env: { ACCEPTED_FILE_FORMATS: 'image', ADMIN_TOKEN: 'p'.repeat(32) },
    })
  })
  afterAll(() => picky.close())

  it('refuses other files by what they say, and by what they are before all of them has come', async () => {
    const refuse = async (name: string, type: string, bytes: Buffer) => {
      const connection = await openRaw(picky.url)
      connection.send(
        head(
          `Authorization: Token ${'p'.repeat(32)}`,
          `Content-Type: ${formType}`,
          `Content-Length: ${100 * MiB}`,
        ),
      )
      connection.send(file(name, bytes, { type }))
      const { status, body } = await connection.answer()
      expect(status).toBe(415)
      expect(JSON.parse(body)).toEqual({ detail: 'Files of this type are not accepted here.' })
      expect(await remains(picky)).toMatchObject({ files: 0, open: [], media: 0 })
      connection.reset()
    }
    await refuse('a.pdf', 'application/pdf', Buffer.from('%PDF-1.7\n'))
    await refuse(
      'a.png',
      'image/png',
      Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(8192)]),
    )
  })
})

describe('a server whose storage fails', () => {
  it.each(['append', 'finalise'] as const)('in %s: 503, and nothing is left', async (method) => {
    const broken = await startServer({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          [method]: async () => {
            throw new Fault('unavailable')
          },
        }),
      },
    })
    try {
      const authorization = { Authorization: broken.admin }
      const answer = await post(form(file('a.bin', 'bytes')), authorization, broken)
      expect(answer.status).toBe(503)
      expect(await remains(broken)).toEqual({
        files: 0,
        open: [],
        media: 0,
        counters: { open: 0, used: 0 },
      })
    } finally {
      await broken.close()
    }
  })
})
