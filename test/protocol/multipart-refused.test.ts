import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  answerOf,
  BOUNDARY,
  type FormClient,
  field,
  file,
  form,
  formClient,
  formHead,
  formPath,
  formType,
  part,
  remains,
} from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

const MiB = 1024 * 1024

let server: TestServer
let client: FormClient

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_MAX_SIZE: '4MiB', UPLOAD_IDLE_TIMEOUT: '1s' } })
  client = formClient(server, (await server.accounts.add('staff')).authorization)
})
afterAll(() => server.close())

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
    const [status, answer] = await answerOf(await client.post(body()))
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
      const [status, answer] = await answerOf(
        await client.post(form(good()), { 'Content-Type': type }),
      )
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
        formHead(
          client.authorization,
          ...(type ? [`Content-Type: ${type}`] : []),
          'Content-Length: 2',
        ),
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
    const just = await client.post(form(file('just.bin', Buffer.alloc(4 * MiB))))
    expect(just.status).toBe(201)
    const [, record] = await answerOf(just)
    await fetch(`${server.url}${formPath}/${record.id}`, {
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
      const [status, answer] = await answerOf(await client.post(each))
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
      connection.send(
        formHead(client.authorization, `Content-Type: ${formType}`, 'Content-Length: 100000'),
      )
      connection.send(sent)
      const { status, body } = await connection.answer()
      expect(status).toBe(408)
      expect(JSON.parse(body)).toEqual({ detail: 'The request body stopped arriving.' })
      connection.reset()
    }
    expect(await remains(server)).toEqual(before)
  })
})
