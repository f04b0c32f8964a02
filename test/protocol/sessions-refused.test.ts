import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildPng } from '../support/images.ts'
import { BOUNDARY, field, file, form, formType, remains } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { counted, pdf, type SessionClient, sessionClient } from '../support/sessions.ts'

let server: TestServer
let client: SessionClient
let token: string

beforeAll(async () => {
  server = await startServer({
    env: {
      SESSION_MAX_FILE_SIZE: '2MB',
      SESSION_MAX_TOTAL_SIZE: '3MB',
      SESSION_MAX_FILES: '3',
      SESSION_MAX_OPEN: '4',
      UPLOAD_IDLE_TIMEOUT: '1s',
    },
  })
  client = sessionClient(server.url, (await server.accounts.add('user')).authorization)
  token = await client.open()
})
afterAll(() => server.close())

/** The refused file's name goes back, and its words. */
function refused(name: string, error: string, verboseError: unknown = expect.any(String)) {
  return {
    file: [...name].slice(0, 256).join(''),
    accepted: false,
    uploadSessionToken: token,
    error,
    verboseError,
  }
}

/** Sends it, sees the answer, and sees that nothing of it is left. */
async function isRefused(
  name: string,
  bytes: string | Uint8Array,
  error: string,
  verbose?: string,
): Promise<void> {
  const [before, counters] = [await remains(server), await counted(server, token)]
  const { status, body } = await client.add(token, name, bytes)
  expect(body).toEqual(refused(name, error, verbose))
  expect(status).toBe(400)
  expect(await remains(server)).toEqual(before)
  expect(await counted(server, token)).toEqual(counters)
}

const isTaken = async (name: string, bytes: string | Uint8Array = 'text') => {
  const { status, body } = await client.add(token, name, bytes)
  expect([status, body]).toEqual([200, expect.objectContaining({ file: name, accepted: true })])
  const path = `/${token}/files/${encodeURIComponent(name)}/`
  expect((await client.call('DELETE', path)).status).toBe(204)
}

describe('a name', () => {
  const path = 'Filename contains invalid path characters'
  const absolute = 'Absolute paths are not allowed'
  const characters = 'Filename contains invalid characters'
  const reserved = 'Filename uses reserved system name'
  const extension = 'File is missing an extension.'

  it.each([
    ['  ', 'Filename cannot be empty'],
    ['\u3000\u00a0', 'Filename cannot be empty'],
    ['../../etc/passwd.txt', path],
    ['..', path],
    ['a..b.txt', path],
    ['a/b.txt', path],
    ['%2e%2e%2fx.txt', path],
    ['%2E%2E/x.txt', path],
    ['a%2fb.txt', path],
    ['a%5cb.txt', path],
    ['%252e%252e%252fx.txt', path],
    ['a%25252fb.txt', path],
    [`a%${'25'.repeat(60)}2fb.txt`, path],
    ['a%u2215b.txt', path],
    ['%u002e%u002e%u005cx.txt', path],
    ['%c0%ae%c0%ae%c0%afx.txt', path],
    ['%e0%80%afx.txt', path],
    ['a\uff0fb.txt', path],
    ['a\uff3cb.txt', path],
    ['a\u2215b.txt', path],
    ['a\u2044b.txt', path],
    ['a\u29f8b.txt', path],
    ['a\ufe68b.txt', path],
    ['\uff0e\uff0e.txt', path],
    ['\u2025.txt', path],
    ['a%EF%BC%8Fb.txt', path],
    ['/abs.txt', absolute],
    ['C:\\x.txt', absolute],
    ['C:x.txt', absolute],
    ['a\0b.txt', characters],
    ['a\tb.txt', characters],
    ['a\x7fb.txt', characters],
    ['a\u0085b.txt', characters],
    ['a\u202egnp.txt', characters],
    ['a\u2066b.txt', characters],
    ['a\u2028b.txt', characters],
    ['a%00b.txt', characters],
    ['a%0d%0ab.txt', characters],
    ['a%2500.txt', characters],
    ['CON', reserved],
    ['con.txt', reserved],
    ['Nul.tar.gz', reserved],
    ['aux .txt', reserved],
    ['LPT9.txt', reserved],
    ['COM\u00b9.txt', reserved],
    ['name', extension],
    ['dot.', extension],
    ['dot. ', extension],
    ['.', extension],
    ['__proto__', extension],
  ])('%j is refused', (name, error) => isRefused(name, 'text', error))

  it('longer than 256 characters is refused, and told so', async () => {
    const max = 'Filename is too long'
    await isRefused(
      `${'x'.repeat(253)}.txt`,
      'text',
      max,
      `${max} (257 characters, max 256 is allowed)`,
    )
    await isRefused(`${'😀'.repeat(5000)}.txt`, 'text', max)
    await isTaken(`${'😀'.repeat(252)}.txt`)
  })

  it.each([
    'ordinary.txt',
    '.hidden',
    'Ünïcödé 😀 👨‍👩‍👧.txt',
    'e\u0301.txt',
    'עברית \u200fشرق.txt',
    'to be continued….txt',
    '½ cup.txt',
    '50% off, 100%25.txt',
    'a%20b.txt',
    "'; drop table uploads; --.txt",
    'constructor.prototype',
    'console.txt',
    'com10.txt',
    'zero\u200bwidth.txt',
    '<img src=x onerror=alert(1)>.txt',
  ])('%j is taken as it is', (name) => isTaken(name))

  it('with a line break in its header is no file at all', async () => {
    const body = form(file('a\nb.txt', 'text', { name: 'file' }))
    const headers = { 'Content-Type': formType }
    const answer = await client.json('POST', `/${token}/files/`, { body, headers })
    expect([answer.status, answer.body.error]).toEqual([400, 'No file was uploaded'])
  })

  it('that is in the session is refused, and free again when its file is gone', async () => {
    await client.add(token, 'twice.txt', 'one')
    await isRefused(
      'twice.txt',
      'two',
      'A file with the same name has already been uploaded.',
      'A file with the name "twice.txt" has already been uploaded',
    )
    expect(await (await client.call('GET', `/${token}/files/twice.txt`)).text()).toBe('one')
    await client.call('DELETE', `/${token}/files/twice.txt`)
    await isTaken('twice.txt')
  })
})

describe('a file', () => {
  it('without a byte is refused, whatever else is wrong with it', async () => {
    await isRefused('empty.txt', '', 'File is empty.', 'The file "empty.txt" is empty')
    await isRefused('../CON', '', 'File is empty.')
  })

  it('larger than allowed is refused, with and without an announced length', async () => {
    const big = Buffer.alloc(2_000_001, 'x')
    const error = 'File is too big. Max filesize: 2MB'
    await isRefused('big.txt', big, error, `The file "big.txt" is too big. Max filesize: 2MB`)
    await isRefused('bigger.txt', Buffer.alloc(8_000_000, 'x'), error)
    const before = await remains(server)
    const whole = form(file('big.txt', big, { name: 'file' }))
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(whole)
        controller.close()
      },
    })
    const init = { body, duplex: 'half', headers: { 'Content-Type': formType } } as RequestInit
    const answer = await client.json('POST', `/${token}/files/`, init)
    expect([answer.status, answer.body]).toEqual([400, refused('big.txt', error)])
    expect(await remains(server)).toEqual(before)
    await isTaken('just.txt', big.subarray(1))
  })

  it('that the session has no room for is refused, and the session keeps what it has', async () => {
    await client.add(token, 'first.txt', Buffer.alloc(2_000_000, 'x'))
    await isRefused(
      'second.txt',
      Buffer.alloc(1_000_001, 'x'),
      'Maximum total upload size (3 MB) exceeded',
      'The file "second.txt" would push the total transfer size past the 3MB max',
    )
    await isTaken('second.txt', Buffer.alloc(1_000_000, 'x'))
    expect(await client.names(token)).toEqual(['first.txt'])
    await client.call('DELETE', `/${token}/files/first.txt`)
  })

  it('beyond the number of files is refused', async () => {
    for (const name of ['a.txt', 'b.txt', 'c.txt']) await client.add(token, name, 'text')
    await isRefused(
      'd.txt',
      'text',
      'You can not upload anymore files.',
      'The file "d.txt" would push the total file count past the maximum number of files (3)',
    )
    await client.call('DELETE', `/${token}/files/a.txt`)
    await isTaken('d.txt')
    for (const name of ['b.txt', 'c.txt']) await client.call('DELETE', `/${token}/files/${name}`)
  })

  it('that is not what its extension says is refused', async () => {
    const photo = buildPng(4, 4)
    await isRefused(
      'photo.pdf',
      photo,
      'File MIME type mismatch. Expected "application/pdf" but got "image/png".',
      'The file "photo.pdf" has MIME type "image/png" but expected "application/pdf"',
    )
    await isRefused(
      'photo.jpg',
      photo,
      'File MIME type mismatch. Expected "image/jpeg" but got "image/png".',
    )
    await isRefused(
      'text.png',
      'no picture',
      'File MIME type mismatch. Expected "image/png" but got "text/plain".',
    )
    await isRefused(
      'nothing.zip',
      Buffer.alloc(100, 1),
      'File MIME type mismatch. Expected "application/zip" but got "application/octet-stream".',
    )
    await isTaken('photo.PNG', photo)
    await isTaken('photo.unheard-of', photo)
    await isTaken('notes.md', 'text')
    await isTaken('paper.pdf', pdf())
  })

  it('with more pixels than the server takes is refused', async () => {
    await isRefused(
      'bomb.png',
      buildPng(30_000, 30_000, 1, 0),
      'The image has more pixels than this server accepts.',
    )
  })
})

describe('a request', () => {
  const noFile = () => ({ uploadSessionToken: token, error: 'No file was uploaded' })
  const malformed = () => ({
    uploadSessionToken: token,
    error: expect.stringMatching(/^Multipart form parse error - /),
  })
  const good = () => file('good.txt', 'text', { name: 'file' })

  const cases: [what: string, body: () => Uint8Array | string, answer: () => object][] = [
    ['with no part', () => `--${BOUNDARY}--\r\n`, noFile],
    ['with a field only', () => form(field('x', 'y')), noFile],
    ['with the file as text', () => form(field('file', 'text')), noFile],
    ['with the file in another field', () => form(file('a.txt', 'x', { name: 'f' })), noFile],
    ['with an input left empty', () => form(file('', '', { name: 'file' })), noFile],
    [
      'with a file without a name',
      () => form(file('', 'text', { name: 'file' })),
      () => refused('', 'Filename cannot be empty'),
    ],
    [
      'with two files',
      () => form(good(), file('b.txt', 'text', { name: 'file' })),
      () => refused('good.txt', 'Upload one file at a time.'),
    ],
    ['with 10,000 fields before', () => form(...Array(10_000).fill(field('x', 'y'))), malformed],
    ['that is no form', () => 'hello', malformed],
    ['of no bytes', () => '', malformed],
    ['cut in the last delimiter', () => form(good()).subarray(0, -6), malformed],
  ]

  it.each(cases)('%s is refused and leaves nothing', async (_, body, expected) => {
    const before = await remains(server)
    const headers = { 'Content-Type': formType }
    const answer = await client.json('POST', `/${token}/files/`, { body: body(), headers })
    expect(answer.body).toEqual(expected())
    expect(answer.status).toBe(400)
    expect(await remains(server)).toEqual(before)
    expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
  })

  it.each(['application/json', 'text/plain', 'multipart/mixed; boundary=x', ''])(
    'of the type %j has no file',
    async (type) => {
      const options = { body: '{}', headers: new Headers(type ? { 'Content-Type': type } : {}) }
      const answer = await client.json('POST', `/${token}/files/`, options)
      expect([answer.status, answer.body]).toEqual([400, noFile()])
    },
  )

  it('without a boundary, or without a body, has no file', async () => {
    const headers = { 'Content-Type': 'multipart/form-data' }
    const answer = await client.json('POST', `/${token}/files/`, { body: 'x', headers })
    expect([answer.status, answer.body]).toEqual([400, malformed()])
    const none = await client.json('POST', `/${token}/files/`)
    expect([none.status, none.body]).toEqual([400, noFile()])
  })

  it('whose client is gone or silent in the middle leaves nothing, and its name is free', async () => {
    const before = await remains(server)
    const half = form(file('half.txt', 'x'.repeat(100_000), { name: 'file' })).subarray(0, 50_000)
    const head = [
      `POST /upload-session/${token}/files/ HTTP/1.1`,
      'Host: test',
      `Authorization: ${client.authorization}`,
      `Content-Type: ${formType}`,
      'Content-Length: 100000',
      '',
      '',
    ].join('\r\n')
    const silent = await openRaw(server.url)
    silent.send(head)
    silent.send(half)
    const { status, body } = await silent.answer()
    expect([status, JSON.parse(body)]).toEqual([
      408,
      { uploadSessionToken: token, error: 'The request body stopped arriving.' },
    ])
    silent.reset()
    const gone = await openRaw(server.url)
    gone.send(head)
    gone.send(half)
    await expect.poll(async () => (await counted(server, token)).files).toBe(1)
    gone.reset()
    await expect.poll(() => counted(server, token)).toMatchObject({ status: 'created', files: 0 })
    await expect.poll(() => remains(server)).toEqual(before)
    await isTaken('half.txt')
  })
})

describe('one session too many', () => {
  it('is refused, however many requests ask at the same time', async () => {
    const many = sessionClient(server.url, (await server.accounts.add('user')).authorization)
    const answers = await Promise.all(Array.from({ length: 12 }, () => many.json('POST', '/')))
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([...Array(4).fill(201), ...Array(8).fill(400)])
    expect(answers.find(({ status }) => status === 400)?.body).toEqual({
      error: expect.stringContaining('4 open upload sessions'),
    })
    expect((await many.json('GET', '/')).body.sessions).toHaveLength(4)
    const open = (await many.json('GET', '/')).body.sessions as { uploadSessionToken: string }[]
    const first = open[0]?.uploadSessionToken ?? ''
    await many.add(first, 'a.txt', 'text')
    await many.json('POST', `/${first}/submit`)
    expect((await many.json('POST', '/')).status).toBe(201)
  })
})
