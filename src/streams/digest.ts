import { Worker } from 'node:worker_threads'
import type { FromWorker, SavedDigest, ToWorker } from './digest-messages.ts'

export interface DigestJob {
  /** A file on this machine that is being written, or is there. */
  path: string
  /** Names of node:crypto, and `crc32`, `crc32c`. */
  algorithms: readonly string[]
  /** First byte to digest. Default 0, or where `state` ends. */
  start?: number
  /** What an earlier `save` gave. */
  state?: SavedDigest | undefined
  /** Whether `save` will be called. Such digests are computed by a slower implementation. */
  saves?: boolean
}

/** Digests of one file, computed behind its writer. */
export interface Digest {
  /** Says that bytes up to here are in the file. Returns at once. */
  follow(upTo: number): void
  /** The state once all up to here is in it; null where the algorithm has none that can be saved. */
  save(upTo: number): Promise<SavedDigest | null>
  /** The digests of all up to here, lower-case hex by algorithm. Ends the computation. */
  finish(upTo: number): Promise<Record<string, string>>
  /** Lets go of the file. To be called in any case, and last. */
  close(): void
}

export interface Digester {
  open(job: DigestJob): Digest
  /** Whoever waits is told that nothing comes. */
  close(): Promise<void>
}

export interface DigesterOptions {
  /** Default: the thread of this module. Tests keep it, to end it in the middle. */
  startThread?: () => Worker
}

/**
 * Computes digests in a thread that follows the files through the page cache, so that bytes are
 * neither copied on the event loop nor read from the disk a second time: they were written a moment
 * ago. The thread is started with the first job. Should it die, whoever waits is told, and the jobs
 * that are open begin again in the next one with the bytes that are in the files.
 */
export function createDigester({
  startThread = startDigestThread,
}: DigesterOptions = {}): Digester {
  let thread: Worker | undefined
  let closed = false
  let jobs = 0
  let requests = 0
  const waiting = new Map<number, (answer: FromWorker) => void>()

  function start(): Worker {
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

  function open({ path, algorithms, start: from, state, saves = false }: DigestJob): Digest {
    const job = ++jobs
    const opening: ToWorker = {
      kind: 'open',
      job,
      path,
      algorithms,
      start: state?.at ?? from ?? 0,
      state,
      saves,
    }
    let knownTo: Worker | undefined

    function send(message?: ToWorker): void {
      if (closed) return
      thread ??= start()
      if (knownTo !== thread) thread.postMessage(opening)
      knownTo = thread
      if (message) thread.postMessage(message)
    }

    function ask(upTo: number, finish: boolean): Promise<FromWorker> {
      const request = ++requests
      if (closed) return Promise.resolve({ job, request, error: 'no more digests are computed' })
      return new Promise((resolve) => {
        waiting.set(request, resolve)
        send({ kind: 'ask', job, upTo, request, finish })
        thread?.ref()
      })
    }

    send()
    return {
      follow: (upTo) => send({ kind: 'follow', job, upTo }),
      async save(upTo) {
        const answer = await ask(upTo, false)
        if ('saved' in answer) return answer.saved
        throw failure(answer)
      },
      async finish(upTo) {
        const answer = await ask(upTo, true)
        if ('digests' in answer) return answer.digests
        throw failure(answer)
      },
      close() {
        if (knownTo === thread) send({ kind: 'close', job })
      },
    }
  }

  return {
    open,
    async close() {
      closed = true
      await thread?.terminate()
    },
  }
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
