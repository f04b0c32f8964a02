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
  /** Lets go of the file. To be called in any case. */
  close(): void
}

export interface Digester {
  open(job: DigestJob): Digest
  close(): Promise<void>
}

/**
 * Computes digests in a thread that follows the files through the page cache, so that bytes are
 * neither copied on the event loop nor read from the disk a second time: they were written a moment
 * ago. The thread is started with the first job.
 */
export function createDigester(): Digester {
  let worker: Worker | undefined
  let jobs = 0
  let requests = 0
  const waiting = new Map<number, (answer: FromWorker) => void>()

  function send(message: ToWorker): void {
    worker ??= start()
    worker.postMessage(message)
  }

  function start(): Worker {
    const started = startWorker(new URL(import.meta.url))
    started.unref()
    started.on('message', (answer: FromWorker) => {
      waiting.get(answer.request)?.(answer)
      waiting.delete(answer.request)
      if (waiting.size === 0) started.unref()
    })
    started.on('error', (error) => {
      if (worker === started) worker = undefined
      for (const [request, settle] of waiting) settle({ job: 0, request, error: error.message })
      waiting.clear()
    })
    return started
  }

  function ask(job: number, upTo: number, finish: boolean): Promise<FromWorker> {
    const request = ++requests
    return new Promise((resolve) => {
      waiting.set(request, resolve)
      send({ kind: 'ask', job, upTo, request, finish })
      worker?.ref()
    })
  }

  return {
    open({ path, algorithms, start: from, state, saves = false }) {
      const job = ++jobs
      const at = state?.at ?? from ?? 0
      send({ kind: 'open', job, path, algorithms, start: at, state, saves })
      return {
        follow: (upTo) => send({ kind: 'follow', job, upTo }),
        async save(upTo) {
          const answer = await ask(job, upTo, false)
          if ('saved' in answer) return answer.saved
          throw new Error(`digest: ${'error' in answer ? answer.error : 'wrong answer'}`)
        },
        async finish(upTo) {
          const answer = await ask(job, upTo, true)
          if ('digests' in answer) return answer.digests
          throw new Error(`digest: ${'error' in answer ? answer.error : 'wrong answer'}`)
        },
        close: () => send({ kind: 'close', job }),
      }
    },
    async close() {
      await worker?.terminate()
    },
  }
}

/** Node 20 cannot load TypeScript into a thread by an option, so tsx is registered inside. */
const FROM_SOURCE = `
const { workerData } = require('node:worker_threads')
import('tsx/esm/api').then(({ register }) => {
  register()
  return import(workerData)
})`

function startWorker(own: URL): Worker {
  if (own.pathname.endsWith('.js')) return new Worker(new URL('./digest-worker.js', own))
  const module = new URL('./digest-worker.ts', own)
  const stripsTypes = Boolean(Reflect.get(process.features, 'typescript'))
  return stripsTypes
    ? new Worker(module)
    : new Worker(FROM_SOURCE, { eval: true, workerData: module.href })
}
