import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { finished, type Readable } from 'node:stream'
import { Fault } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import { freeMemory } from '../streams/free-memory.ts'
import type { ServeWith } from './hand-over.ts'
import type { ServedFile } from './serve-headers.ts'
import { type PlannedBody, planResponse, type ServePlan, type ServeRequest } from './serve-plan.ts'

/** Where bytes come from and who sends them: the same for all files of a server. */
export interface Delivery {
  storage: Pick<Storage, 'read'>
  /** Default: we send them. */
  serveWith?: ServeWith | undefined
}

/** One download: what is asked for, where it comes from and where it goes. */
export interface Serving extends ServeRequest, Delivery {
  outgoing: ServerResponse
  file: ServedFile
  /** Headers of the HTTP layer; they win over ours. Those set on `outgoing` before are kept too. */
  extraHeaders?: Record<string, string> | undefined
  /** A client that takes nothing for this long is cut off, in milliseconds; 60 s by default. */
  stallTimeoutMs?: number | undefined
  /** Hears of a storage that failed when the answer was already under way. */
  onBroken?: ((error: unknown) => void) | undefined
}

/**
 * Answers a GET or HEAD with the bytes of a file, or with the word to whoever sends them instead
 * (`serveWith`), straight to the Node response: a web stream between the disk and the socket would
 * cost as much as the reading. The file is opened only when bytes of it are sent, and closed when
 * the client goes away. Resolves when all is handed to the socket or the client is gone. Rejects
 * with a Fault when the storage fails before the first byte: nothing is sent then. When it fails
 * later the connection is destroyed, since a body that ends early is the only honest sign left.
 */
export async function serve(serving: Serving): Promise<void> {
  const { outgoing, file } = serving
  const plan = planResponse(serving, file)
  const { body } = plan
  if (body.kind === 'parts') return sendParts(serving, plan, body)
  writeHead(serving, plan)
  outgoing.end(body.kind === 'text' ? body.text : undefined)
}

function writeHead({ outgoing, extraHeaders }: Serving, plan: ServePlan): void {
  outgoing.writeHead(plan.status, { ...plan.headers, ...extraHeaders })
}

async function sendParts(
  serving: Serving,
  plan: ServePlan,
  body: PlannedBody & { kind: 'parts' },
): Promise<void> {
  const { outgoing, file, storage } = serving
  try {
    for (const { preamble, range } of body.parts) {
      if (isGone(outgoing)) return
      const source = storage.read(file.storageKey, range)
      // A stream that we destroyed may still report that its opening failed.
      source.on('error', () => {})
      if (!outgoing.headersSent) {
        await firstBytes(source, outgoing)
        writeHead(serving, plan)
        outgoing.setTimeout(serving.stallTimeoutMs ?? 60_000, () => outgoing.destroy())
      }
      if (preamble !== '') outgoing.write(preamble)
      await pass(source, outgoing, range.end - range.start + 1)
    }
    outgoing.end(body.closing)
  } catch (error) {
    if (isGone(outgoing)) return
    if (!outgoing.headersSent) {
      throw error instanceof Fault ? error : new Fault('unavailable', { cause: error })
    }
    outgoing.destroy()
    serving.onBroken?.(error)
  }
}

/** An answer over HTTP/2 has no `destroyed`: its stream has. */
export function isGone(outgoing: ServerResponse): boolean {
  const { stream } = outgoing as { stream?: { destroyed: boolean } }
  return outgoing.destroyed || stream?.destroyed === true
}

/** Resolves when bytes can be read; rejects when none come or the client goes away. */
async function firstBytes(source: Readable, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController()
  const leave = () => gone.abort()
  outgoing.once('close', leave)
  try {
    await once(source, 'readable', { signal: gone.signal })
    // An end is announced as readable too.
    if (source.readableLength === 0) throw new Error('The object ends before the range starts.')
  } catch (error) {
    source.destroy()
    throw error
  } finally {
    outgoing.off('close', leave)
  }
}

/**
 * Pipes all of `source`, at the pace of the client. Rejects when the source fails, the client goes
 * away (the source is destroyed in both cases) or other than `length` bytes came: after fewer, a
 * connection that stays open would have the client wait, and take its next answer for the rest of
 * this one. Not `stream.pipeline`: with the destination kept open for the next part it leaves its
 * listeners on it.
 */
function pass(source: Readable, outgoing: ServerResponse, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let passed = 0
    const leave = () => source.destroy()
    const goOn = () => source.resume()
    outgoing.once('close', leave).on('drain', goOn)
    finished(source, { writable: false }, (error) => {
      outgoing.off('close', leave).off('drain', goOn)
      if (error) reject(error)
      else if (passed === length) resolve()
      else reject(new Error(`The object gave ${passed} bytes where ${length} were recorded.`))
    })
    if (isGone(outgoing)) return leave()
    source.on('data', (chunk: Uint8Array) => {
      passed += chunk.byteLength
      // One whose write was given up may still be on its way to the socket.
      if (!outgoing.write(chunk, (error) => error || freeMemory([chunk]))) source.pause()
    })
  })
}
