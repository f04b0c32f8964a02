import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectSound, leakIn, request, sendRaw, stateOf } from '../support/bad-input.ts'
import { resumableClient } from '../support/resumable-http.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { encode, tusClient } from '../support/tus.ts'

const KiB = 1024

let server: TestServer
let admin: string
let before: unknown

beforeAll(async () => {
  server = await startServer()
  admin = server.admin
})
afterAll(() => server.close())
beforeEach(async () => {
  before = await stateOf(server)
})
afterEach(async () => {
  expect(await stateOf(server)).toEqual(before)
  await expectSound(server)
})

/** Text that keeps its bytes in a header: `é` is two characters there. */
const bytes = (text: string) => Buffer.from(text).toString('latin1')

/** The doors that read Upload-Metadata. */
const doors: Record<string, (metadata: string) => string[]> = {
  tus: (metadata) => ['Tus-Resumable: 1.0.0', 'Upload-Length: 5', `Upload-Metadata: ${metadata}`],
  IETF: (metadata) => [
    'Upload-Draft-Interop-Version: 8',
    'Upload-Complete: ?0',
    'Content-Length: 0',
    `Upload-Metadata: ${metadata}`,
  ],
}

const keys = (count: number) => Array.from({ length: count }, (_, n) => `k${n} YQ==`).join(',')

describe.each(Object.keys(doors))('Upload-Metadata at the %s door', (door) => {
  const send = (metadata: string) =>
    sendRaw(server.url, request('POST', '/files/', admin, doors[door]?.(metadata)))

  it.each([
    ['10,000 keys', keys(10_000), [400, 431]],
    ['1,000 keys, over 16 KiB', keys(2_000), [400]],
    ['a value of 1 MB', `a ${'QUFB'.repeat(256 * KiB)}`, [400, 431]],
    ['a value of 60 KB', `a ${'QUFB'.repeat(15_000)}`, [400]],
    ['a key of 60 KB', `${'a'.repeat(60_000)} YQ==`, [400]],
    ['60,000 commas', ','.repeat(60_000), [400]],
    ['60,000 spaces between two pairs', `a YQ==,${' '.repeat(60_000)}b YQ==`, [400]],
    ['base64 with a line end in it', 'a YQ=\t=', [400]],
    ['base64 without its padding', 'a YQ', [400]],
    ['base64 of too much padding', 'a YQ===', [400]],
    ['base64 with an alphabet for URLs', 'a _-__', [400]],
    ['no base64', 'a !!!', [400]],
    ['two values', 'a YQ== YQ==', [400]],
    ['a key twice', 'a YQ==,a Yg==', [400]],
    ['__proto__ twice', '__proto__ YQ==,__proto__ Yg==', [400]],
    ['an empty pair', 'a YQ==,,b YQ==', [400]],
    ['a key outside ASCII', bytes('näme YQ=='), [400]],
    ['a key with DEL', 'a\x7fb YQ==', [400]],
  ] as const)('with %s is refused, and stores nothing', async (_, metadata, statuses) => {
    const answer = await send(metadata)
    expect(statuses).toContain(answer.status)
    expect(leakIn(answer.body)).toBeNull()
  })

  it('with a NUL or a bare CR in it is no HTTP', async () => {
    for (const metadata of ['a YQ==\0', 'a YQ==\rb YQ=='])
      expect((await send(metadata)).status).toBe(400)
  })
})

describe('keys that objects of JavaScript have', () => {
  const names = '__proto__ constructor prototype toString hasOwnProperty valueOf __defineGetter__'
  const pairs = Object.fromEntries(names.split(' ').map((name) => [name, name]))

  it('are ordinary in metadata', async () => {
    const tus = tusClient(server.url, admin)
    const metadata = encode({ ...pairs, ['__proto__']: 'x' })
    const answer = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
    expect(answer.status).toBe(201)
    const url = answer.headers.get('location') ?? ''
    expect((await tus.head(url)).headers.get('upload-metadata')).toBe(metadata)
    await tus.remove(url)
  })

  it('are ordinary in a query, in the fields of forms and in JSON', async () => {
    const query = names
      .split(' ')
      .map((name) => `${name}=1&${name}[x]=1`)
      .join('&')
    const list = await fetch(`${server.url}/api/media/files?${query}`, {
      headers: { Authorization: admin },
    })
    expect(list.status).toBe(200)
    const json = `{"__proto__":{"isAdmin":true,"role":"admin"},"constructor":{"prototype":{"role":"admin"}}}`
    const headers = { Authorization: admin, 'Content-Type': 'application/json' }
    const user = await fetch(`${server.url}/api/users`, { method: 'POST', headers, body: json })
    expect(user.status).toBe(400)
    expect(await user.json()).toEqual({
      username: ['This field is required.'],
      role: ['This field is required.'],
    })
    const form = new FormData()
    for (const name of names.split(' ')) form.append(name, 'x')
    const posted = await fetch(`${server.url}/api/chunked-uploads/complete`, {
      method: 'POST',
      headers: { Authorization: admin },
      body: form,
    })
    expect(await posted.json()).toEqual({ detail: "Both 'upload_id' and 'md5' are required" })
    expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false)
  })
})

describe('values that mean something', () => {
  it.each([
    ['sha256', 'xyz'],
    ['sha256', '0'.repeat(63)],
    ['sha256', `${'0'.repeat(64)} md5:x`],
    ['sha256', '\u0660'.repeat(64)],
    ['md5', '0'.repeat(64)],
    ['session', 'x'.repeat(32)],
    ['session', '../../../../etc/passwd'],
    ['session', "' or ''='"],
    ['session', ''],
    ['session', '\0'],
  ])('%s %j is refused', async (key, value) => {
    const tus = tusClient(server.url, admin)
    const headers = { 'Upload-Length': '5', 'Upload-Metadata': encode({ [key]: value }) }
    const answer = await tus.create(headers)
    expect(answer.status).toBe(400)
    expect(leakIn(await answer.text())).toBeNull()
  })

  it.each([
    'text/html\r\nSet-Cookie: x=1',
    'x'.repeat(10_000),
    '\0',
    'image/svg+xml, text/html',
    '%s',
  ])('the type %j is never served', async (filetype) => {
    const tus = tusClient(server.url, admin)
    const answer = await tus.create(
      {
        'Upload-Length': '5',
        'Content-Type': 'application/offset+octet-stream',
        'Upload-Metadata': encode({ filetype, filename: 'a' }),
      },
      'hello',
    )
    expect(answer.status).toBe(201)
    const file = await fetch(answer.headers.get('landfall-media-url') ?? '')
    expect(file.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(file.headers.has('set-cookie')).toBe(false)
    await file.arrayBuffer()
    await tus.remove(answer.headers.get('location') ?? '')
  })

  it.each([
    ['Upload-Checksum', 'sha1'],
    ['Upload-Checksum', 'sha1 !!!'],
    ['Upload-Checksum', `sha1 ${'QUFB'.repeat(10_000)}`],
    ['Upload-Checksum', '__proto__ YQ=='],
    ['Upload-Checksum', 'constructor YQ=='],
    ['Upload-Concat', 'final'],
    ['Upload-Concat', 'final;'],
    ['Upload-Concat', `final;${' /files/x'.repeat(5_000)}`],
    ['Upload-Concat', 'final;http://[/'],
    ['Upload-Concat', 'final;/files/../../etc/passwd /files/%00'],
    ['Upload-Concat', 'partial;x'],
    ['X-HTTP-Method-Override', 'CONNECT'],
    ['X-HTTP-Method-Override', '__proto__'],
  ])('%s: %s is refused', async (name, value) => {
    const head = ['Tus-Resumable: 1.0.0', 'Content-Length: 5', `${name}: ${value}`]
    const length =
      name === 'Upload-Concat' && value.startsWith('final;') ? [] : ['Upload-Length: 5']
    const type = 'Content-Type: application/offset+octet-stream'
    const answer = await sendRaw(
      server.url,
      request('POST', '/files/', admin, [...head, ...length, type]),
      'hello',
    )
    expect([400, 403, 404, 460]).toContain(answer.status)
    expect(leakIn(answer.body)).toBeNull()
  })

  it.each([
    ['Content-Digest', 'sha-256=:AAAA:'],
    ['Content-Digest', 'sha-256=?1'],
    ['Content-Digest', '__proto__=:AAAA:'],
    ['Repr-Digest', `sha-256=:${'QUFB'.repeat(10_000)}:`],
    ['Repr-Digest', 'sha-256'],
    ['Repr-Digest', ''],
    ['Upload-Complete', '?2'],
    ['Upload-Complete', '1'],
    ['Upload-Complete', '?0, ?0'],
  ])('%s: %s is refused at the IETF door', async (name, value) => {
    const told = await resumableClient(server.url, admin).ask('POST', '/files/', {
      version: 8,
      body: 'hello',
      headers: { 'Upload-Complete': '?1', [name]: value },
    })
    expect([400, 404]).toContain(told.status)
    expect(leakIn(told.body)).toBeNull()
  })
})
