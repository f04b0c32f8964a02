import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { createHasher, createResumableHasher, type Hasher } from './digest-algorithms.ts'
import type { FromWorker, SavedDigest, ToWorker } from './digest-messages.ts'

/**
 * Follows growing files through the page cache, right behind their writers; or takes the bytes that
 * it is handed, where there is no file.
 */

interface Job {
  path: string | null
  fd: number | undefined
  /** Handed over and not digested yet, in order. */
  fed: Uint8Array[]
  hashers: Map<string, Hasher>
  /** Digested up to here. */
  at: number
  /** Bytes up to here are in the file, or were handed over. */
  upTo: number
  /** Its hashers are made. */
  ready: boolean
  failed: string | undefined
  /** Requests to be answered at an offset, in order. */
  waiting: { request: number; upTo: number; wants: 'digests' | 'state' | 'room' }[]
}

/** Bytes read at a time: few enough that many files take turns, many enough to be fast. */
const SLICE_BYTES = 1024 * 1024

const jobs = new Map<number, Job>()
const buffer = Buffer.allocUnsafeSlow(SLICE_BYTES)
let scheduled = false

const post = (message: FromWorker) => parentPort?.postMessage(message)

parentPort?.on('message', async (message: ToWorker) => {
  if (message.kind === 'open') return open(message)
  const job = jobs.get(message.job)
  if (job === undefined) return
  if (message.kind === 'close') {
    if (job.fd !== undefined) closeSync(job.fd)
    jobs.delete(message.job)
    for (const { request } of job.waiting) post({ job: message.job, request, error: 'closed' })
    return
  }
  take(job, message)
  schedule()
})

function take(job: Job, message: ToWorker & { kind: 'follow' | 'feed' | 'ask' }): void {
  const { upTo } = message
  job.upTo = Math.max(job.upTo, upTo)
  if (message.kind === 'follow') return
  const { request } = message
  if (message.kind === 'feed') {
    job.fed.push(message.bytes)
    job.waiting.push({ request, upTo, wants: 'room' })
  } else job.waiting.push({ request, upTo, wants: message.finish ? 'digests' : 'state' })
}

async function open(message: ToWorker & { kind: 'open' }): Promise<void> {
  const { job: id, path, algorithms, start, state, saves } = message
  const job: Job = {
    path,
    fd: undefined,
    fed: [],
    hashers: new Map(),
    at: start,
    upTo: start,
    ready: false,
    failed: undefined,
    waiting: [],
  }
  // Known at once, so that messages that follow find it; it reads nothing before it is ready.
  jobs.set(id, job)
  try {
    if (!saves) for (const name of algorithms) job.hashers.set(name, createHasher(name))
    else if (!(await resume(job, algorithms, state))) {
      // A state that another build wrote is of no use: the file is read from its beginning. Bytes
      // that are handed over are too few then, which is an error.
      job.at = 0
      await resume(job, algorithms, undefined)
    }
  } catch (error) {
    job.failed = (error as Error).message
  }
  job.ready = true
  schedule()
}

async function resume(
  job: Job,
  algorithms: readonly string[],
  state: SavedDigest | undefined,
): Promise<boolean> {
  for (const name of algorithms) {
    const saved = state?.states[name]
    if (state !== undefined && saved === undefined) return false
    const bytes = saved === undefined ? undefined : Buffer.from(saved, 'base64')
    const hasher = await createResumableHasher(name, bytes)
    if (hasher === null) return false
    job.hashers.set(name, hasher)
  }
  return true
}

function schedule(): void {
  if (scheduled) return
  scheduled = true
  // After the messages that wait: a file's writer may be further on by then.
  setImmediate(() => {
    scheduled = false
    let more = false
    for (const [id, job] of jobs) more = step(id, job) || more
    if (more) schedule()
  })
}

/** One slice of one job, then whoever waits for what is reached. True while there is more. */
function step(id: number, job: Job): boolean {
  if (!job.ready) return false
  try {
    if (job.failed === undefined && job.at < job.upTo) {
      const bytes = job.path === null ? nextFed(job) : readSlice(job, job.path)
      for (const hasher of job.hashers.values()) hasher.update(bytes)
      job.at += bytes.byteLength
    }
  } catch (error) {
    job.failed = (error as Error).message
  }
  // Nobody needs them any more, and there may be no end of them.
  if (job.failed !== undefined) job.fed = []
  answer(id, job)
  return job.failed === undefined && job.at < job.upTo
}

function readSlice(job: Job, path: string): Uint8Array {
  job.fd ??= openSync(path, 'r')
  const wanted = Math.min(SLICE_BYTES, job.upTo - job.at)
  const read = readSync(job.fd, buffer, 0, wanted, job.at)
  if (read === 0) throw new Error('the file ends before the bytes to digest')
  return buffer.subarray(0, read)
}

/** Too few are what the death of an earlier thread leaves, or an owner that says too much. */
function nextFed(job: Job): Uint8Array {
  const bytes = job.fed.shift()
  if (bytes === undefined) throw new Error('not all bytes to digest were handed over')
  return bytes
}

function answer(id: number, job: Job): void {
  for (let next = job.waiting[0]; next !== undefined; next = job.waiting[0]) {
    if (job.failed === undefined && job.at < next.upTo) return
    job.waiting.shift()
    const { request, wants } = next
    if (job.failed !== undefined) post({ job: id, request, error: job.failed })
    else if (wants === 'room') post({ job: id, request, fed: true })
    else if (wants === 'digests') post({ job: id, request, digests: results(job) })
    else post({ job: id, request, saved: save(job) })
  }
}

function results(job: Job): Record<string, string> {
  const entries = [...job.hashers].map(([name, hasher]) => [name, hasher.digest()] as const)
  return Object.fromEntries(entries)
}

function save(job: Job): SavedDigest | null {
  const states: Record<string, string> = {}
  for (const [name, hasher] of job.hashers) {
    const state = hasher.save?.()
    // One that cannot be saved makes all begin again: they read the same bytes.
    if (state === undefined) return null
    states[name] = Buffer.from(state).toString('base64')
  }
  return { at: job.at, states }
}
