import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'

export interface ClamdOptions {
  host: string
  port: number
  /** Milliseconds to get a connection. Default 5,000. */
  connectMs?: number
  /** Milliseconds without progress while bytes are sent. Default 30,000. */
  stallMs?: number
  /** Milliseconds for the verdict after the last byte. Default 180,000: clamd itself gives up at 120 s. */
  verdictMs?: number
  /**
   * Milliseconds to wait after each frame. Default none. Over its limit clamd says so and resets the
   * connection; a write that is under way then fails and takes that word along. With a pause no write
   * is under way.
   */
  pauseMs?: number
}

export type Verdict =
  | { kind: 'clean' }
  /** With the name that the scanner has for it. */
  | { kind: 'found'; signature: string }
  /** Over one of clamd's limits (StreamMaxLength, or MaxFileSize and MaxScanSize with alerts). */
  | { kind: 'too-large' }

/** What came of it: a verdict, or nobody was there, or the connection broke without a word. */
export type Outcome = Verdict | { kind: 'away'; cause: unknown } | { kind: 'cut'; cause: unknown }

/** A verdict is a line; whoever sends more is no clamd. */
const MAX_REPLY_BYTES = 4096

/**
 * Has clamd scan a stream of `size` bytes: the command INSTREAM, then frames of a length (4 bytes,
 * big-endian) and so many bytes, then a length of 0 (clamd(8)). The stream is read as fast as clamd
 * takes it, and destroyed in the end. Rejects where something else went wrong: the stream failed or
 * has another size, clamd is silent or says what nobody understands, the signal fired.
 */
export async function scanStream(
  source: Readable,
  size: number,
  options: ClamdOptions,
  signal?: AbortSignal,
): Promise<Outcome> {
  const { host, port, connectMs = 5000, stallMs = 30_000, verdictMs = 180_000 } = options
  const socket = connect({ host, port })
  const reply = readReply(socket)
  // It is awaited when there is something to answer; until then its failure is nobody's surprise.
  reply.catch(() => {})
  // So is that of a file which cannot be opened: it is met when it is read.
  source.on('error', () => {})
  // Not by an option of connect(), which leaves its listener behind.
  const stop = () => socket.destroy(new Error('the scan was aborted'))
  signal?.addEventListener('abort', stop)
  try {
    signal?.throwIfAborted()
    const failure = await connecting(socket, connectMs)
    if (failure) return { kind: 'away', cause: failure }
    socket.once('timeout', () => socket.destroy(new Error('clamd is silent')))
    socket.setTimeout(stallMs)
    // The verdict may come before the last byte: what is left is of no interest then.
    await Promise.race([reply, sendFrames(socket, source, size, options.pauseMs ?? 0)])
    socket.setTimeout(verdictMs)
    return outcomeOf(await reply)
  } finally {
    signal?.removeEventListener('abort', stop)
    source.destroy()
    socket.destroy()
  }
}

/** Gives what stood in the way of a connection. */
async function connecting(socket: Socket, withinMs: number): Promise<unknown> {
  const timer = globalThis.setTimeout(() => socket.destroy(new Error('no answer')), withinMs)
  try {
    await once(socket, 'connect')
    return undefined
  } catch (error) {
    return error
  } finally {
    clearTimeout(timer)
  }
}

async function sendFrames(
  socket: Socket,
  source: Readable,
  size: number,
  pauseMs: number,
): Promise<void> {
  const gone = new Promise((resolve) => socket.once('close', resolve))
  socket.write('zINSTREAM\0')
  let sent = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const flushed = sendFrame(socket, chunk)
    // That the connection broke is told by the reply.
    if (!flushed) await Promise.race([new Promise((go) => socket.once('drain', go)), gone])
    if (pauseMs > 0) await setTimeout(pauseMs)
    if (socket.destroyed) return
    sent += chunk.byteLength
  }
  // Half a file that is clean says nothing.
  if (sent !== size) throw new Error(`only ${sent} of ${size} bytes are there to be scanned`)
  sendFrame(socket, Buffer.alloc(0))
}

/** False where the next one has to wait. */
function sendFrame(socket: Socket, bytes: Buffer): boolean {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.byteLength)
  socket.cork()
  socket.write(length)
  const flushed = socket.write(bytes)
  socket.uncork()
  return flushed
}

/** All up to the first NUL; an error of the system where the connection ends before. */
function readReply(socket: Socket): Promise<string | Error> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (more: string) => {
      text += more
      const end = text.indexOf('\0')
      if (end >= 0) resolve(text.slice(0, end))
      else if (text.length > MAX_REPLY_BYTES) reject(new Error('clamd answers too much'))
    })
    // What we end it with has no code.
    socket.once('error', (error) => ('code' in error ? resolve(error) : reject(error)))
    for (const end of ['end', 'close'])
      socket.once(end, () => resolve(new Error('clamd closed the connection')))
  })
}

function outcomeOf(reply: string | Error): Outcome {
  if (reply instanceof Error) return { kind: 'cut', cause: reply }
  if (reply === 'stream: OK') return { kind: 'clean' }
  if (reply === 'INSTREAM size limit exceeded. ERROR') return { kind: 'too-large' }
  const [, signature] = /^stream: (.+) FOUND$/.exec(reply) ?? []
  if (signature === undefined) throw new Error(`clamd answered ${JSON.stringify(reply)}`)
  return signature.startsWith('Heuristics.Limits.Exceeded')
    ? { kind: 'too-large' }
    : { kind: 'found', signature }
}
