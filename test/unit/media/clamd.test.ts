import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { scanStream } from '../../../src/media/clamd.ts'

let server: Server | undefined
let sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  sockets = []
  if (server?.listening) {
    server.close()
    await once(server, 'close')
  }
})

/** Somebody at clamd's port who does this with each connection. */
async function listenWith(onSocket: (socket: Socket) => void) {
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

/** Answers once the last frame is there. */
const replying = (reply: string) => (socket: Socket) => {
  socket.on('data', (bytes: Buffer) => {
    if (bytes.subarray(-4).equals(Buffer.alloc(4))) socket.end(`${reply}\0`)
  })
}

const hello = () => Readable.from([Buffer.from('hel'), Buffer.from('lo')])

/** Bytes without end, as long as somebody takes them. */
function endless(): Readable {
  return new Readable({
    read() {
      this.push(Buffer.alloc(65_536))
    },
  })
}

describe('scanStream', () => {
  it('speaks INSTREAM: a command, frames with their lengths, an empty one', async () => {
    let received = Buffer.alloc(0)
    const clamd = await listenWith((socket) => {
      socket.on('data', (bytes: Buffer) => {
        received = Buffer.concat([received, bytes])
        if (received.length === 27) socket.end('stream: OK\0')
      })
    })
    expect(await scanStream(hello(), 5, clamd)).toEqual({ kind: 'clean' })
    expect(received.toString('latin1')).toBe('zINSTREAM\0\0\0\0\x03hel\0\0\0\x02lo\0\0\0\0')
  })

  it.each([
    ['stream: OK', { kind: 'clean' }],
    ['stream: Win.Test.EICAR_HDB-1 FOUND', { kind: 'found', signature: 'Win.Test.EICAR_HDB-1' }],
    ['INSTREAM size limit exceeded. ERROR', { kind: 'too-large' }],
    ['stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND', { kind: 'too-large' }],
  ])('understands %j', async (reply, verdict) => {
    expect(await scanStream(hello(), 5, await listenWith(replying(reply)))).toEqual(verdict)
  })

  it.each([
    '',
    'OK',
    'stream: OK\n',
    'stream:  FOUND',
    'COMMAND READ TIMED OUT',
    'HTTP/1.1 200 OK',
  ])('takes %j for no verdict', async (reply) => {
    const clamd = await listenWith(replying(reply))
    await expect(scanStream(hello(), 5, clamd)).rejects.toThrow('clamd answered')
  })

  it('needs no last byte where the verdict comes before, and lets go of the file', async () => {
    const clamd = await listenWith((socket) => {
      socket.once('data', () => socket.write('stream: Bad FOUND\0'))
      socket.resume()
    })
    const source = endless()
    const verdict = await scanStream(source, Number.MAX_SAFE_INTEGER, clamd)
    expect(verdict).toEqual({ kind: 'found', signature: 'Bad' })
    expect(source.destroyed).toBe(true)
  })

  it.each<[string, (socket: Socket) => void, string]>([
    ['is silent', (socket) => socket.resume(), 'is silent'],
    ['talks and talks', (socket) => socket.write('x'.repeat(5000)), 'too much'],
  ])('gives no verdict with a scanner that %s', async (_name, onSocket, error) => {
    const clamd = await listenWith(onSocket)
    const source = hello()
    await expect(scanStream(source, 5, { ...clamd, verdictMs: 50 })).rejects.toThrow(error)
    expect(source.destroyed).toBe(true)
  })

  it.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => socket.end()],
    ['breaks', (socket) => socket.once('data', () => socket.resetAndDestroy())],
  ])('tells that the scanner %s the connection', async (_name, onSocket) => {
    const source = endless()
    const outcome = await scanStream(source, 5, await listenWith(onSocket))
    expect(outcome).toMatchObject({ kind: 'cut' })
    expect(source.destroyed).toBe(true)
  })

  it('tells that nobody is there', async () => {
    const source = hello()
    const outcome = await scanStream(source, 5, { host: '127.0.0.1', port: 1 })
    expect(outcome).toMatchObject({ kind: 'away', cause: { code: 'ECONNREFUSED' } })
    expect(source.destroyed).toBe(true)
  })

  it('gives no verdict with a scanner that takes no bytes', async () => {
    const clamd = await listenWith((socket) => socket.pause())
    const source = endless()
    const scan = scanStream(source, Number.MAX_SAFE_INTEGER, { ...clamd, stallMs: 50 })
    await expect(scan).rejects.toThrow('is silent')
    expect(source.destroyed).toBe(true)
  })

  it('never calls half a file clean', async () => {
    const clamd = await listenWith(replying('stream: OK'))
    await expect(scanStream(hello(), 6, clamd)).rejects.toThrow('only 5 of 6 bytes')
  })

  it('tells that the file could not be read', async () => {
    const clamd = await listenWith(replying('stream: OK'))
    const source = new Readable({ read() {} })
    // Before anybody reads it.
    source.destroy(new Error('no such file'))
    await expect(scanStream(source, 5, clamd)).rejects.toThrow('no such file')
  })

  it('ends when the server stops', async () => {
    const stopping = new AbortController()
    const clamd = await listenWith((socket) => socket.once('data', () => stopping.abort()).resume())
    await expect(scanStream(hello(), 5, clamd, stopping.signal)).rejects.toThrow(/abort/i)
    await expect(scanStream(hello(), 5, clamd, stopping.signal)).rejects.toThrow()
  })
})
