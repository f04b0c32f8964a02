import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { createHasher, createResumableHasher, type Hasher } from './digest-algorithms.ts'
import type { FromWorker, SavedDigest, ToWorker } from './digest-messages.ts'

/** Follows growing files through the page cache, right behind their writers. */

interface Job {
  path: string
  fd: number | undefined
  hashers: Map<string, Hasher>
  /** Digested up to here. */
  at: number
  /** Bytes up to here are in the file. */
  upTo: number
  /** Its hashers are made. */
  ready: boolean
  failed: string | undefined
  /** Requests for a result at an offset, in order. */
  waiting: { request: number; upTo: number; finish: boolean }[]
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
    return
  }
  job.upTo = Math.max(job.upTo, message.upTo)
  if (message.kind === 'ask') job.waiting.push(message)
  schedule()
})

async function open(message: ToWorker & { kind: 'open' }): Promise<void> {
  const { job: id, path, algorithms, start, state, saves } = message
  const job: Job = {
    path,
    fd: undefined,
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
      // A state that another build wrote is of no use: the file is read from its beginning.
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

/** One slice of one file, then whoever waits for what is reached. True while there is more. */
function step(id: number, job: Job): boolean {
  if (!job.ready) return false
  try {
    if (job.failed === undefined && job.at < job.upTo) {
      job.fd ??= openSync(job.path, 'r')
      const wanted = Math.min(SLICE_BYTES, job.upTo - job.at)
      const read = readSync(job.fd, buffer, 0, wanted, job.at)
      if (read === 0) throw new Error('the file ends before the bytes to digest')
      for (const hasher of job.hashers.values()) hasher.update(buffer.subarray(0, read))
      job.at += read
    }
  } catch (error) {
    job.failed = (error as Error).message
  }
  answer(id, job)
  return job.failed === undefined && job.at < job.upTo
}

function answer(id: number, job: Job): void {
  for (let next = job.waiting[0]; next !== undefined; next = job.waiting[0]) {
    if (job.failed === undefined && job.at < next.upTo) return
    job.waiting.shift()
    const { request, finish } = next
    if (job.failed !== undefined) post({ job: id, request, error: job.failed })
    else if (finish) post({ job: id, request, digests: results(job) })
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
