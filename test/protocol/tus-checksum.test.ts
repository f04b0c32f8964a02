import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { Crc32c } from '@aws-crypto/crc32c'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificate } from '../support/certificate.ts'
import { h2Client } from '../support/h2.ts'
import { openRaw, type RawAnswer } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, type TusClient, tusClient } from '../support/tus.ts'

let server: TestServer
let tus: TusClient
let authorization: string

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_IDLE_TIMEOUT: '2s' } })
  const owner = await server.accounts.add('user')
  authorization = owner.authorization
  tus = tusClient(server.url, authorization)
})
afterAll(() => server.close())

const bigEndian = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
const digests: Record<string, (bytes: Buffer) => Buffer> = {
  md5: (bytes) => createHash('md5').update(bytes).digest(),
  sha1: (bytes) => createHash('sha1').update(bytes).digest(),
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
  sha512: (bytes) => createHash('sha512').update(bytes).digest(),
  crc32: (bytes) => bigEndian(crc32(bytes)),
  crc32c: (bytes) => bigEndian(new Crc32c().update(bytes).digest()),
}
const algorithms = Object.keys(digests)
const checksum = (algorithm: string, text: string | Buffer) =>
  `${algorithm} ${digests[algorithm]?.(Buffer.from(text)).toString('base64')}`

const fileOf = (url: string) => {
  const id = url.slice(url.lastIndexOf('/') + 1)
  return path.join(server.dataDir, 'files', id.slice(0, 2), id)
}
const stored = (url: string) => readFile(fileOf(url), 'utf8')

async function offsetOf(url: string): Promise<number> {
  return Number((await tus.head(url)).headers.get('upload-offset'))
}

/** A chunked request with trailers, as it is on the wire; `end` false leaves the body open. */
async function chunked(
  request: { method: string; target: string; headers?: Record<string, string> },
  chunks: string[],
  trailers: Record<string, string> = {},
): Promise<RawAnswer> {
  const raw = await openRaw(server.url)
  const headers = {
    Host: 'x',
    Authorization: authorization,
    'Tus-Resumable': '1.0.0',
    'Content-Type': BODY_TYPE,
    'Transfer-Encoding': 'chunked',
    ...request.headers,
  }
  raw.send(
    [
      `${request.method} ${request.target} HTTP/1.1`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      '\r\n',
    ].join('\r\n'),
  )
  for (const chunk of chunks) raw.send(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`)
  raw.send(`0\r\n${lines.join('')}\r\n`)
  const answer = await raw.answer()
  raw.socket.destroy()
  return answer
}

const patchChunked = (
  url: string,
  chunks: string[],
  trailers: Record<string, string>,
  headers: Record<string, string> = { Trailer: 'Upload-Checksum' },
) =>
  chunked(
    {
      method: 'PATCH',
      target: new URL(url).pathname,
      headers: { 'Upload-Offset': '0', ...headers },
    },
    chunks,
    trailers,
  )

describe('Upload-Checksum as a header', () => {
  it.each(algorithms)(
    'of %s is verified: a good body counts, a bad one never came',
    async (name) => {
      const url = await tus.begin(10)
      const bad = await tus.patch(url, 0, 'hellO', { 'Upload-Checksum': checksum(name, 'hello') })
      expect(bad.status).toBe(460)
      expect(bad.headers.get('upload-offset')).toBe('0')
      expect(await offsetOf(url)).toBe(0)
      expect(await stored(url)).toBe('')
      const good = await tus.patch(url, 0, 'hello', { 'Upload-Checksum': checksum(name, 'hello') })
      expect(good.status).toBe(204)
      expect(good.headers.get('upload-offset')).toBe('5')
      const second = await tus.patch(url, 5, 'w0rld', {
        'Upload-Checksum': checksum(name, 'world'),
      })
      expect(second.status).toBe(460)
      expect(await offsetOf(url)).toBe(5)
      expect(await stored(url)).toBe('hello')
    },
  )

  it('is of the body alone, wherever in the file that stands', async () => {
    const bytes = randomBytes(3_000_000)
    const url = await tus.begin(bytes.length)
    for (const [start, end, name] of [
      [0, 1_500_000, 'sha256'],
      [1_500_000, 1_500_000, 'md5'],
      [1_500_000, 3_000_000, 'crc32c'],
    ] as const) {
      const body = bytes.subarray(start, end)
      const answer = await tus.patch(url, start, body, { 'Upload-Checksum': checksum(name, body) })
      expect(answer.status).toBe(204)
    }
    const whole = await fetch(url, { headers: { Authorization: authorization } })
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('that is wrong keeps the last body from finishing the upload', async () => {
    const url = await tus.begin(5)
    const bad = await tus.patch(url, 0, 'hello', { 'Upload-Checksum': checksum('sha1', 'other') })
    expect(bad.status).toBe(460)
    expect(bad.headers.get('landfall-media-file')).toBeNull()
    expect(await offsetOf(url)).toBe(0)
    const good = await tus.patch(url, 0, 'hello', { 'Upload-Checksum': checksum('sha1', 'hello') })
    expect(good.headers.get('landfall-media-file')).not.toBeNull()
  })

  it.each([
    ['sha1', digests.md5],
    ['md5', digests.sha512],
    ['crc32', digests.sha1],
    ['sha512', digests.crc32],
  ] as const)('of %s with a digest of another length is a mismatch', async (name, other) => {
    const url = await tus.begin(5)
    const value = `${name} ${other?.(Buffer.from('hello')).toString('base64')}`
    expect((await tus.patch(url, 0, 'hello', { 'Upload-Checksum': value })).status).toBe(460)
    expect(await offsetOf(url)).toBe(0)
  })

  it('is big-endian for the CRCs', async () => {
    const url = await tus.begin(9)
    // The check values of CRC-32 and CRC-32C for "123456789".
    const crc = Buffer.from('cbf43926', 'hex')
    const swapped = Buffer.from(crc).reverse()
    const send = (value: string) => tus.patch(url, 0, '123456789', { 'Upload-Checksum': value })
    expect((await send(`crc32 ${swapped.toString('base64')}`)).status).toBe(460)
    expect((await send(`crc32c ${crc.toString('base64')}`)).status).toBe(460)
    const c = Buffer.from('e3069283', 'hex')
    expect((await send(`crc32c ${c.toString('base64')}`)).status).toBe(204)
  })

  it.each([
    ['an unknown algorithm', 'sha3 qvTGHdzF6KLavt4PO0gs2a6pQ00='],
    ['an algorithm in capitals', `SHA1 ${checksum('sha1', 'hello').slice(5)}`],
    ['an algorithm of another place', '__proto__ qvTGHdzF6KLavt4PO0gs2a6pQ00='],
    ['what is not base64', 'sha1 not*base64'],
    ['base64 without its padding', 'sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00'],
    ['base64 for URLs', 'sha1 qvTGHdzF6KLavt4PO0gs2a6pQ-_='],
    ['no digest', 'sha1'],
    ['nothing', ''],
    ['two values', `${checksum('sha1', 'hello')}, ${checksum('sha1', 'hello')}`],
  ])('refuses %s with 400, taking no byte', async (_name, value) => {
    const url = await tus.begin(5)
    const answer = await tus.patch(url, 0, 'hello', { 'Upload-Checksum': value })
    expect(answer.status).toBe(400)
    expect(await offsetOf(url)).toBe(0)
    expect(await stored(url)).toBe('')
    const creation = { 'Upload-Length': '5', 'Content-Type': BODY_TYPE, 'Upload-Checksum': value }
    expect((await tus.create(creation, 'hello')).status).toBe(400)
  })

  it('makes a body that is cut as if it had not come', async () => {
    const url = await tus.begin(10)
    await tus.patch(url, 0, 'abc')
    const raw = await openRaw(server.url)
    raw.send(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${authorization}`,
        'Tus-Resumable: 1.0.0',
        `Content-Type: ${BODY_TYPE}`,
        'Upload-Offset: 3',
        'Content-Length: 7',
        `Upload-Checksum: ${checksum('sha1', 'defghij')}`,
        '',
        'defg',
      ].join('\r\n'),
    )
    await expect.poll(() => stored(url)).toBe('abcdefg')
    raw.reset()
    expect(await offsetOf(url)).toBe(3)
    expect(await stored(url)).toBe('abc')
    expect((await tus.patch(url, 3, 'defghij')).status).toBe(204)
  })
})

describe('creation with a checksum', () => {
  const creation = (value: string) => ({
    'Upload-Length': '5',
    'Content-Type': BODY_TYPE,
    'Upload-Checksum': value,
  })

  it('takes a good body', async () => {
    const answer = await tus.create(creation(checksum('sha256', 'hello')), 'hello')
    expect(answer.status).toBe(201)
    expect(answer.headers.get('upload-offset')).toBe('5')
    expect(answer.headers.get('landfall-media-file')).not.toBeNull()
  })

  it('that differs answers 460 and leaves nothing', async () => {
    const open = async () =>
      /^landfall_open_uploads (\d+)$/m.exec(
        await (await fetch(`${server.url}/metrics`)).text(),
      )?.[1]
    const before = await open()
    const answer = await tus.create(creation(checksum('sha256', 'hellO')), 'hello')
    expect(answer.status).toBe(460)
    expect(answer.headers.get('location')).toBeNull()
    expect(answer.headers.get('upload-offset')).toBeNull()
    expect(await open()).toBe(before)
  })

  it('takes the checksum as a trailer', async () => {
    const request = {
      method: 'POST',
      target: '/files/',
      headers: { 'Upload-Length': '5', Trailer: 'Upload-Checksum' },
    }
    const good = { 'Upload-Checksum': checksum('crc32', 'hello') }
    expect((await chunked(request, ['hel', 'lo'], good)).status).toBe(201)
    const bad = { 'Upload-Checksum': checksum('crc32', 'other') }
    const refused = await chunked(request, ['hel', 'lo'], bad)
    expect(refused.status).toBe(460)
    expect(refused.headers.location).toBeUndefined()
  })
})

describe('Upload-Checksum over HTTP/2', () => {
  it('is verified as a header and as a trailer', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'landfall-tls-'))
    const { cert, key } = createCertificate()
    const env = { TLS_CERT: path.join(folder, 'cert.pem'), TLS_KEY: path.join(folder, 'key.pem') }
    await writeFile(env.TLS_CERT, cert)
    await writeFile(env.TLS_KEY, key)
    const secure = await startServer({ env })
    const client = h2Client(secure.url, cert, secure.admin)
    const common = { 'tus-resumable': '1.0.0', 'content-type': BODY_TYPE }
    /** A body of unknown length, and a trailer after it. */
    const send = (method: string, to: string, head: object, body: string, sum: string) => {
      const headers = { ...common, trailer: 'upload-checksum', ...head }
      const { stream, answer } = client.begin(method, to, headers, { body: true, trailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'upload-checksum': sum }))
      stream.end(body)
      return answer
    }
    try {
      const length = { 'upload-length': '10' }
      const created = await send('POST', '/files/', length, 'hello', checksum('sha1', 'hello'))
      expect(created.status).toBe(201)
      const url = created.headers.location ?? ''
      const bad = { ...common, 'upload-offset': '5', 'upload-checksum': checksum('md5', 'x') }
      expect((await client.ask('PATCH', url, bad, 'world')).status).toBe(460)
      const at = { 'upload-offset': '5' }
      expect((await send('PATCH', url, at, 'world', checksum('crc32', 'x'))).status).toBe(460)
      expect((await send('PATCH', url, at, 'world', checksum('crc32', 'world'))).status).toBe(204)
    } finally {
      await client.close()
      await secure.close()
      await rm(folder, { recursive: true })
    }
  })
})

describe('Upload-Checksum as a trailer', () => {
  it.each(algorithms)('of %s is verified', async (name) => {
    const url = await tus.begin(10)
    const bad = await patchChunked(url, ['he', 'llO'], {
      'Upload-Checksum': checksum(name, 'hello'),
    })
    expect(bad.status).toBe(460)
    expect(bad.headers['upload-offset']).toBe('0')
    expect(await offsetOf(url)).toBe(0)
    expect(await stored(url)).toBe('')
    const good = await patchChunked(url, ['he', 'llo'], {
      'Upload-Checksum': checksum(name, 'hello'),
    })
    expect(good.status).toBe(204)
    expect(good.headers['upload-offset']).toBe('5')
  })

  it('finishes an upload only when it is right', async () => {
    const url = await tus.begin(5)
    const trailer = (text: string) => ({ 'upload-checksum': checksum('sha1', text) })
    expect((await patchChunked(url, ['hello'], trailer('other'))).status).toBe(460)
    expect(await offsetOf(url)).toBe(0)
    const done = await patchChunked(url, ['hello'], trailer('hello'), {
      Trailer: 'X-Other, upload-checksum',
    })
    expect(done.status).toBe(204)
    expect(done.headers['landfall-media-file']).toBeDefined()
  })

  it.each([
    ['that was announced and is absent', {}],
    ['with an unknown algorithm', { 'Upload-Checksum': 'sha3 qvTGHdzF6KLavt4PO0gs2a6pQ00=' }],
    ['that is not base64', { 'Upload-Checksum': 'sha1 ***' }],
  ])('%s answers 400 and discards the body', async (_name, trailers) => {
    const url = await tus.begin(5)
    const answer = await patchChunked(url, ['hello'], trailers as Record<string, string>)
    expect(answer.status).toBe(400)
    expect(await offsetOf(url)).toBe(0)
    expect(await stored(url)).toBe('')
  })

  it('announced for a body without room for it, or beside a header, is refused with 400', async () => {
    const url = await tus.begin(5)
    expect((await tus.patch(url, 0, 'hello', { Trailer: 'Upload-Checksum' })).status).toBe(400)
    const both = { Trailer: 'Upload-Checksum', 'Upload-Checksum': checksum('sha1', 'hello') }
    const trailers = { 'Upload-Checksum': checksum('sha1', 'hello') }
    expect((await patchChunked(url, ['hello'], trailers, both)).status).toBe(400)
    expect(await offsetOf(url)).toBe(0)
  })

  it('that never comes does not let the last byte finish the upload', async () => {
    const url = await tus.begin(5)
    const raw = await openRaw(server.url)
    raw.send(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${authorization}`,
        'Tus-Resumable: 1.0.0',
        `Content-Type: ${BODY_TYPE}`,
        'Upload-Offset: 0',
        'Transfer-Encoding: chunked',
        'Trailer: Upload-Checksum',
        '',
        '5\r\nhello\r\n',
      ].join('\r\n'),
    )
    await expect.poll(() => stored(url)).toBe('hello')
    // Somebody else asks while the trailer is waited for: the body is not whole.
    expect(await offsetOf(url)).toBe(0)
    expect((await raw.answer()).status).toBe(423)
    expect(await stored(url)).toBe('')
  })
})
