import { createReadStream } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { type Serving, serve } from '../../src/media/serve.ts'

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 7) % 251))
const modified = new Date('2026-03-04T05:06:07.123Z')
const lastModified = 'Wed, 04 Mar 2026 05:06:07 GMT'
const etag = '"e7"'
const bigSize = 32 * 1024 * 1024

let directory: string
let server: http.Server
/** What the next requests are served with, beside the defaults. */
let options: Partial<Serving> = {}
/** Every stream that the storage has opened since the test began. */
let opened: Readable[] = []
/** How each call of `serve` since the test began ended: undefined or what it threw. */
let ended: Promise<unknown>[] = []
let broken: unknown[] = []

const storage = {
  read(key: string, range?: { start: number; end: number }): Readable {
    const stream = createReadStream(path.join(directory, key), { ...range })
    opened.push(stream)
    return stream
  },
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'landfall-serve-'))
  await writeFile(path.join(directory, 'small'), bytes)
  await writeFile(path.join(directory, 'big'), Buffer.alloc(bigSize, 1))
  await writeFile(path.join(directory, 'short'), bytes)
  server = http.createServer((request, outgoing) => {
    const done = serve({
      method: request.method === 'HEAD' ? 'HEAD' : 'GET',
      header: (name) => request.headers[name]?.toString(),
      download: false,
      outgoing,
      file: servedFile(),
      storage,
      onBroken: (error) => broken.push(error),
      ...options,
    }).catch((error: unknown) => {
      outgoing.writeHead(error instanceof Fault ? error.status : 500).end()
      return error
    })
    ended.push(done)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(directory, { recursive: true })
})

beforeEach(() => {
  options = {}
  opened = []
  ended = []
  broken = []
})

function servedFile(changes: Partial<Serving['file']> = {}): Serving['file'] {
  const size = bytes.length
  const known = { storageKey: 'small', etag, size, mimeType: 'image/png', name: 'a.png', modified }
  return { ...known, ...changes }
}

interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
  /** Whether the body came to its announced end. */
  whole: boolean
}

function start(method: string, headers: http.OutgoingHttpHeaders): http.ClientRequest {
  const { port } = server.address() as AddressInfo
  return http.request({ port, host: '127.0.0.1', method, headers, agent: false })
}

function ask(headers: http.OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = start(method, headers)
    request.once('error', reject)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.once('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          whole: response.complete,
        }),
      )
    })
    request.end()
  })
}

describe('the whole file', () => {
  it('comes with its length, type, name, validators and protection', async () => {
    const answer = await ask()
    expect(answer.status).toBe(200)
    expect(answer.body.equals(bytes)).toBe(true)
    expect(answer.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=86400, immutable',
      'content-disposition': 'inline; filename=a.png',
      'content-length': '1000',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-type': 'image/png',
      etag,
      'last-modified': lastModified,
      'x-content-type-options': 'nosniff',
    })
  })

  it('can be empty', async () => {
    options = { file: servedFile({ size: 0 }) }
    const answer = await ask()
    expect(answer).toMatchObject({ status: 200, whole: true })
    expect(answer.headers['content-length']).toBe('0')
    expect(answer.body).toHaveLength(0)
  })

  it('is sent on one connection after another answer', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const { port } = server.address() as AddressInfo
    const get = (range: string) =>
      new Promise<string>((resolve, reject) => {
        const headers = { range }
        http
          .get({ port, host: '127.0.0.1', agent, headers }, (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.once('end', () => resolve(Buffer.concat(chunks).toString('hex')))
          })
          .once('error', reject)
      })
    const answers = await Promise.all([get('bytes=0-1,4-5'), get('bytes=2-3'), get('bytes=5000-')])
    expect(answers[1]).toBe(bytes.subarray(2, 4).toString('hex'))
    agent.destroy()
  })

  it('is revalidated every time where a token guards it', async () => {
    options = { cache: 'revalidate' }
    expect((await ask()).headers['cache-control']).toBe('private, no-cache')
  })

  it('keeps the headers of the HTTP layer', async () => {
    options = { extraHeaders: { 'Access-Control-Allow-Origin': '*', 'Cache-Control': 'no-store' } }
    expect((await ask()).headers).toMatchObject({
      'access-control-allow-origin': '*',
      'cache-control': 'no-store',
    })
  })
})

describe('type and disposition', () => {
  it.each([
    ...['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/avif', 'video/mp4'],
    ...['video/webm', 'audio/mpeg', 'audio/ogg', 'video/ogg', 'audio/wav', 'application/pdf'],
  ])('shows %s', async (mimeType) => {
    options = { file: servedFile({ mimeType }) }
    const { headers } = await ask({}, 'HEAD')
    expect(headers['content-type']).toBe(mimeType)
    expect(headers['content-disposition']).toBe('inline; filename=a.png')
  })

  it.each([
    ...['text/html', 'image/svg+xml', 'application/xhtml+xml', 'text/xml', 'application/zip'],
    ...['text/javascript', 'application/octet-stream', 'image/tiff'],
  ])('has %s downloaded', async (mimeType) => {
    options = { file: servedFile({ mimeType }) }
    const { headers } = await ask({}, 'HEAD')
    expect(headers['content-type']).toBe(mimeType)
    expect(headers['content-disposition']).toBe('attachment; filename=a.png')
  })

  it('shows plain text as UTF-8 and Ogg with its codec', async () => {
    options = { file: servedFile({ mimeType: 'text/plain' }) }
    const text = await ask({}, 'HEAD')
    expect(text.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(text.headers['content-disposition']).toMatch(/^inline/)
    options = { file: servedFile({ mimeType: 'audio/ogg; codecs=opus' }) }
    const audio = await ask({}, 'HEAD')
    expect(audio.headers['content-type']).toBe('audio/ogg; codecs=opus')
    expect(audio.headers['content-disposition']).toMatch(/^inline/)
  })

  it('lets nothing but a media type into Content-Type', async () => {
    options = { file: servedFile({ mimeType: 'text/plain\r\nX: y' }) }
    const { headers } = await ask({}, 'HEAD')
    expect(headers['content-type']).toBe('application/octet-stream')
    expect(headers['content-disposition']).toMatch(/^attachment/)
  })

  it('has anything downloaded when a download is asked for', async () => {
    options = { download: true }
    expect((await ask()).headers['content-disposition']).toBe('attachment; filename=a.png')
  })

  it('serves a file whatever its name is', async () => {
    options = { file: servedFile({ name: 'a\r\nX: y/"Ж\u202e😀\ud800' }) }
    const { status, headers } = await ask()
    expect(status).toBe(200)
    expect(headers['content-disposition']).toBe(
      `inline; filename="aX: y_\\"???_"; filename*=UTF-8''aX%3A%20y_%22%D0%96%F0%9F%98%80_`,
    )
  })
})

describe('ranges', () => {
  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=10-19', 10, 19],
    ['bytes=990-', 990, 999],
    ['bytes=-10', 990, 999],
    ['bytes=990-18446744073709551616', 990, 999],
    ['bytes=-18446744073709551616', 0, 999],
    ['bytes=0-9,5000-', 0, 9],
  ])('%s is one part of the file', async (range, first, last) => {
    const answer = await ask({ range })
    expect(answer.status).toBe(206)
    expect(answer.headers['content-range']).toBe(`bytes ${first}-${last}/1000`)
    expect(answer.headers['content-length']).toBe(String(last - first + 1))
    expect(answer.headers['content-type']).toBe('image/png')
    expect(answer.headers.etag).toBe(etag)
    expect(answer.body.equals(bytes.subarray(first, last + 1))).toBe(true)
  })

  it('several are sent as multipart/byteranges of exactly the announced length', async () => {
    const answer = await ask({ range: 'bytes=0-4, 100-102, -3' })
    expect(answer.status).toBe(206)
    expect(answer.headers['content-range']).toBeUndefined()
    expect(answer.headers['content-length']).toBe(String(answer.body.length))
    const boundary = /^multipart\/byteranges; boundary=([0-9a-f]{36})$/.exec(
      answer.headers['content-type'] ?? '',
    )?.[1]
    const part = (first: number, last: number) =>
      `--${boundary}\r\nContent-Type: image/png\r\nContent-Range: bytes ${first}-${last}/1000\r\n` +
      `\r\n${bytes.toString('latin1', first, last + 1)}\r\n`
    expect(answer.body.toString('latin1')).toBe(
      `${part(0, 4)}${part(100, 102)}${part(997, 999)}--${boundary}--\r\n`,
    )
  })

  it('as many as are served at once leave no listener behind', async () => {
    const warnings: Error[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    const starts = Array.from({ length: 16 }, (_, index) => index * 10)
    const answer = await ask({ range: `bytes=${starts.map((at) => `${at}-${at}`).join(',')}` })
    await new Promise(setImmediate)
    process.off('warning', listen)
    expect(answer).toMatchObject({ status: 206, whole: true })
    expect(opened).toHaveLength(16)
    expect(warnings).toEqual([])
  })

  it.each(['bytes=1000-', 'bytes=-0', 'bytes=18446744073709551616-'])(
    '%s is outside: 416 with the size, file unopened',
    async (range) => {
      const answer = await ask({ range })
      expect(answer.status).toBe(416)
      expect(answer.headers['content-range']).toBe('bytes */1000')
      expect(answer.headers['cache-control']).toBe('no-store')
      expect(answer.body.toString()).toBe('The requested range lies outside the file.\n')
      expect(opened).toEqual([])
    },
  )

  it('nothing of an empty file can be had by position', async () => {
    options = { file: servedFile({ size: 0 }) }
    const answer = await ask({ range: 'bytes=0-' })
    expect(answer.status).toBe(416)
    expect(answer.headers['content-range']).toBe('bytes */0')
    expect((await ask({ range: 'bytes=-1' })).status).toBe(200)
  })

  it.each(['items=0-1', 'bytes', 'bytes=', 'bytes=a-b', 'bytes=5-1', 'bytes=0-1,x', 'bytes=0-,0-'])(
    '%s is ignored',
    async (range) => {
      const answer = await ask({ range })
      expect(answer.status).toBe(200)
      expect(answer.body.equals(bytes)).toBe(true)
    },
  )

  it.each([
    [etag, 206],
    [`W/${etag}`, 200],
    ['"other"', 200],
    [lastModified, 206],
    ['Wed, 04 Mar 2026 05:06:08 GMT', 200],
    ['nonsense', 200],
  ])('count with If-Range: %s as %d says', async (ifRange, status) => {
    expect((await ask({ range: 'bytes=0-1', 'if-range': ifRange })).status).toBe(status)
  })

  it('outside the file are no error when If-Range does not hold', async () => {
    const answer = await ask({ range: 'bytes=5000-', 'if-range': '"other"' })
    expect(answer.status).toBe(200)
  })
})

describe('preconditions', () => {
  it.each([
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': `"x", W/${etag}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-modified-since': lastModified }, 304],
    [{ 'if-modified-since': 'Wed, 04 Mar 2026 05:06:06 GMT' }, 200],
    [{ 'if-none-match': '"x"', 'if-modified-since': lastModified }, 200],
    [{ 'if-match': etag }, 200],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': `W/${etag}` }, 412],
    [{ 'if-unmodified-since': lastModified }, 200],
    [{ 'if-unmodified-since': 'Wed, 04 Mar 2026 05:06:06 GMT' }, 412],
    [{ 'if-none-match': etag, range: 'bytes=0-1' }, 304],
    [{ 'if-match': '"x"', range: 'bytes=5000-' }, 412],
  ])('%j is answered %d', async (headers, status) => {
    expect((await ask(headers)).status).toBe(status)
    expect((await ask(headers, 'HEAD')).status).toBe(status)
  })

  it('that settle the answer leave the file unopened', async () => {
    const unchanged = await ask({ 'if-none-match': etag })
    expect(unchanged.headers).toMatchObject({ etag, 'last-modified': lastModified })
    expect(unchanged.headers['content-type']).toBeUndefined()
    expect(unchanged.headers['content-length']).toBeUndefined()
    expect(unchanged.body).toHaveLength(0)
    const failed = await ask({ 'if-match': '"x"' })
    expect(failed.body.toString()).toBe('A precondition of the request does not hold.\n')
    expect(failed.headers['cache-control']).toBe('no-store')
    expect(opened).toEqual([])
  })
})

describe('HEAD', () => {
  const known = ({ headers: { date, connection, 'keep-alive': kept, ...rest } }: Answer) => rest

  it.each([
    {},
    { range: 'bytes=0-9' },
    { range: 'bytes=5000-' },
    { range: 'bytes=5-1' },
    { 'if-match': '"x"' },
    { 'if-none-match': etag },
  ])('equals GET without the body: %j', async (headers) => {
    const [get, head] = [await ask(headers), await ask(headers, 'HEAD')]
    expect(head.status).toBe(get.status)
    expect(known(head)).toEqual(known(get))
    expect(head.body).toHaveLength(0)
  })

  it('announces the length of several ranges and opens nothing', async () => {
    const range = 'bytes=0-4,100-102'
    const head = await ask({ range }, 'HEAD')
    expect(opened).toEqual([])
    const get = await ask({ range })
    expect(head.headers['content-length']).toBe(get.headers['content-length'])
  })
})

describe('trouble', () => {
  const closed = (stream: Readable | undefined) =>
    stream?.closed ? undefined : new Promise((resolve) => stream?.once('close', resolve))

  it('of the storage before the first byte is a Fault and nothing is sent', async () => {
    options = { file: servedFile({ storageKey: 'absent' }) }
    expect((await ask()).status).toBe(503)
    expect(await ended[0]).toMatchObject({ reason: 'unavailable' })
    const fault = new Fault('not-found')
    options = { storage: { read: () => new Readable({ read: (): void => void 0 }).destroy(fault) } }
    expect((await ask()).status).toBe(404)
    expect(await ended[1]).toBe(fault)
  })

  it('of the storage after the first byte cuts the connection', async () => {
    const failure = new Error('EIO')
    let reads = 0
    const read = () =>
      new Readable({
        read() {
          reads += 1
          if (reads === 1) this.push(bytes.subarray(0, 100))
          else setImmediate(() => this.destroy(failure))
        },
      })
    options = { storage: { read } }
    const answer = await ask()
    expect(answer).toMatchObject({ status: 200, whole: false })
    expect(await ended[0]).toBeUndefined()
    expect(broken).toEqual([failure])
  })

  it('a file shorter than its record cuts the connection instead of leaving the client waiting', async () => {
    await truncate(path.join(directory, 'short'), 600)
    options = { file: servedFile({ storageKey: 'short' }) }
    const answer = await ask()
    expect(answer).toMatchObject({ status: 200, whole: false })
    expect(answer.body).toHaveLength(600)
    expect(broken).toHaveLength(1)
    expect((await ask({ range: 'bytes=600-' })).status).toBe(503)
  })

  it('a client that leaves in the middle has the file closed', async () => {
    options = { file: servedFile({ storageKey: 'big', size: bigSize }) }
    const request = start('GET', {})
    request.on('error', () => {})
    request.end()
    const response = await new Promise<http.IncomingMessage>((r) => request.once('response', r))
    await new Promise((resolve) => response.once('data', resolve))
    expect(opened[0]?.closed).toBe(false)
    response.on('error', () => {})
    request.destroy()
    await closed(opened[0])
    expect(await ended[0]).toBeUndefined()
    expect(broken).toEqual([])
  })

  it('a client that leaves while the file is being opened has it closed', async () => {
    let asked: () => void
    const reading = new Promise<void>((resolve) => {
      asked = resolve
    })
    const read = () => {
      const stream = new Readable({ read: () => asked() })
      opened.push(stream)
      return stream
    }
    options = { storage: { read } }
    const request = start('GET', {})
    request.on('error', () => {})
    request.end()
    await reading
    request.destroy()
    await closed(opened[0])
    expect(await ended[0]).toBeUndefined()
  })

  it('a client that takes nothing is cut off', async () => {
    options = { file: servedFile({ storageKey: 'big', size: bigSize }), stallTimeoutMs: 50 }
    const request = start('GET', {})
    request.on('error', () => {})
    request.end()
    const response = await new Promise<http.IncomingMessage>((r) => request.once('response', r))
    response.on('error', () => {})
    response.pause()
    await closed(opened[0])
    expect(await ended[0]).toBeUndefined()
    request.destroy()
  })

  it('a slow client has the file read at its pace', async () => {
    options = { file: servedFile({ storageKey: 'big', size: bigSize }) }
    const request = start('GET', {})
    request.end()
    const response = await new Promise<http.IncomingMessage>((r) => request.once('response', r))
    response.pause()
    const source = opened[0]
    if (source === undefined) throw new Error('nothing was opened')
    if (!source.isPaused()) await new Promise((resolve) => source.once('pause', resolve))
    expect(source.readableEnded).toBe(false)
    let received = 0
    response.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    response.resume()
    await new Promise((resolve) => response.once('end', resolve))
    expect(received).toBe(bigSize)
    await closed(source)
  })
})
