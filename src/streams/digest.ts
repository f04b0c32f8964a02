import { Worker } from 'node:worker_threads'
import type { FromWorker, SavedDigest, ToWorker } from './digest-messages.ts'

export interface DigestJob {
  /** Names of node:crypto, and `crc32`, `crc32c`. */
  algorithms: readonly string[]
  /** First byte to digest. Default 0, or where `state` ends. */
  start?: number
  /** What an earlier `save` gave. */
  state?: SavedDigest | undefined
  /** Whether `save` will be called. Such digests are computed by a slower implementation. */
  saves?: boolean
}

/** Digests that are computed behind whoever writes the bytes. */
export interface Digest {
  /** The state once all up to here is in it; null where the algorithm has none that can be saved. */
  save(upTo: number): Promise<SavedDigest | null>
  /** The digests of all up to here, lower-case hex by algorithm. Ends the computation. */
  finish(upTo: number): Promise<Record<string, string>>
  /** Lets go of the bytes. To be called in any case, and last. */
  close(): void
}

/** Of a file on this machine that is being written, or is there. */
export interface FileDigest extends Digest {
  /** Says that bytes up to here are in the file. Returns at once. */
  follow(upTo: number): void
}

/** Of bytes that cannot be read again. */
export interface FedDigest extends Digest {
  /**
   * Takes the next bytes; they are the caller's again at once. Resolves as soon as few enough wait
   * to be digested. What goes wrong is told by `save` and `finish`, and stays so.
   */
  feed(buffers: readonly Uint8Array[]): Promise<void>
}

export interface Digester {
  open(job: DigestJob & { path: string }): FileDigest
  openFed(job: DigestJob): FedDigest
  /** Whoever waits is told that nothing comes. */
  close(): Promise<void>
}

/** Bytes of one digest that may wait in the thread before whoever feeds it has to. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

export interface DigesterOptions {
  /** Default: the thread of this module. Tests keep it, to end it in the middle. */
  startThread?: () => Worker
}

/**
 * Computes digests in a thread. Where there are files it follows them through the page cache, so
 * that bytes are neither copied on the event loop nor read from the disk a second time: they were
 * written a moment ago. Where there are none it is handed a copy.
 *
 * The thread is started with the first job. Should it die, whoever waits is told, and the files that
 * are open are begun again in the next one; a digest of bytes that are gone fails.
 */
export function createDigester({
  startThread = startDigestThread,
}: DigesterOptions = {}): Digester {
  let thread: Worker | undefined
  let closed = false
  let jobs = 0
  let requests = 0
  const waiting = new Map<number, (answer: FromWorker) => void>()

  function startUp(): Worker {
    const started = startThread()
    started.unref()
    started.on('message', (answer: FromWorker) => {
      waiting.get(answer.request)?.(answer)
      waiting.delete(answer.request)
      if (waiting.size === 0) started.unref()
    })
    started.on('error', (error) => forget(started, error.message))
    started.on('exit', () => forget(started, 'the thread has ended'))
    return started
  }

  function forget(ended: Worker, why: string): void {
    if (thread !== ended) return
    thread = undefined
    for (const [request, settle] of waiting) settle({ job: 0, request, error: why })
    waiting.clear()
  }

  function begin(path: string | null, options: DigestJob): Begun {
    const { algorithms, state, saves = false } = options
    const job = ++jobs
    const start = state?.at ?? options.start ?? 0
    const opening: ToWorker = { kind: 'open', job, path, algorithms, start, state, saves }
    let knownTo: Worker | undefined

    function send(message?: ToWorker, handedOver: ArrayBuffer[] = []): void {
      if (closed) return
      thread ??= startUp()
      if (knownTo !== thread) thread.postMessage(opening)
      knownTo = thread
      if (message) thread.postMessage(message, handedOver)
    }

    const ask: Begun['ask'] = (question, handedOver) => {
      const request = ++requests
      if (closed) return Promise.resolve({ job, request, error: 'no more digests are computed' })
      return new Promise((resolve) => {
        waiting.set(request, resolve)
        send(question(request), handedOver)
        thread?.ref()
      })
    }

    const askFor = (upTo: number, finish: boolean) =>
      ask((request) => ({ kind: 'ask', job, upTo, request, finish }))

    send()
    const digest: Digest = {
      async save(upTo) {
        const answer = await askFor(upTo, false)
        if ('saved' in answer) return answer.saved
        throw failure(answer)
      },
      async finish(upTo) {
        const answer = await askFor(upTo, true)
        if ('digests' in answer) return answer.digests
        throw failure(answer)
      },
      close() {
        if (knownTo === thread) send({ kind: 'close', job })
      },
    }
    return { job, start, send, ask, digest }
  }

  return {
    open({ path, ...rest }) {
      const { job, send, digest } = begin(path, rest)
      return { ...digest, follow: (upTo) => send({ kind: 'follow', job, upTo }) }
    },
    openFed: (job) => fedDigest(begin(null, job)),
    async close() {
      closed = true
      await thread?.terminate()
    },
  }
}

/** A job that the thread knows of, and how to speak with it. */
interface Begun {
  job: number
  start: number
  digest: Digest
  send(message: ToWorker): void
  /** Never rejects. */
  ask(question: (request: number) => ToWorker, handedOver?: ArrayBuffer[]): Promise<FromWorker>
}

function fedDigest({ job, start, digest, ask }: Begun): FedDigest {
  let upTo = start
  let waitingBytes = 0
  let onLess: (() => void) | undefined
  return {
    ...digest,
    async feed(buffers) {
      const bytes = copyOf(buffers)
      const length = bytes.byteLength
      upTo += length
      const end = upTo
      waitingBytes += length
      void ask(
        (request) => ({ kind: 'feed', job, upTo: end, bytes, request }),
        [bytes.buffer],
      ).then(() => {
        waitingBytes -= length
        onLess?.()
      })
      while (waitingBytes > MAX_WAITING_BYTES)
        await new Promise<void>((resolve) => {
          onLess = resolve
        })
    },
  }
}

/** In memory of its own: what is left of a shared one would be handed over with it. */
function copyOf(buffers: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(buffers.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const buffer of buffers) {
    bytes.set(buffer, at)
    at += buffer.byteLength
  }
  return bytes
}

function failure(answer: FromWorker): Error {
  return new Error(`digest: ${'error' in answer ? answer.error : 'wrong answer'}`)
}

/** Node 20 cannot load TypeScript into a thread by an option, so tsx is registered inside. */
const FROM_SOURCE = `
const { workerData } = require('node:worker_threads')
import('tsx/esm/api').then(({ register }) => {
  register()
  return import(workerData)
})`

/** From dist/ as it is; from src/ with whatever it takes to run TypeScript. */
export function startDigestThread(): Worker {
  const own = new URL(import.meta.url)
  if (own.pathname.endsWith('.js')) return new Worker(new URL('./digest-worker.js', own))
  const module = new URL('./digest-worker.ts', own)
  const stripsTypes = Boolean(Reflect.get(process.features, 'typescript'))
  return stripsTypes
    ? new Worker(module)
    : new Worker(FROM_SOURCE, { eval: true, workerData: module.href })
}
