import { Fault } from '../errors.ts'
import type { Inspection, InspectJob, Job, Reply, ThumbnailJob } from './inspect-job.ts'
import {
  childModuleNextTo,
  type Ended,
  startProcess,
  type WorkerProcess,
} from './inspect-process.ts'
import { createReads, type Reads } from './inspect-reads.ts'

export type { FileBytes, Inspection, InspectJob, ThumbnailJob } from './inspect-job.ts'

export interface InspectorOptions {
  /** Children at work at the same time; default 2. With more than one, the last is kept free of
   * thumbnails, so that uploads never wait for a gallery that someone opens. */
  processes?: number
  /** After which a job's child is killed; default 20,000. */
  timeoutMs?: number
  /** Resident memory at which a child ends itself; default 512 MiB. */
  memoryLimitBytes?: number
  maxImagePixels: number
  log?: (message: string, fields: Record<string, unknown>) => void
  /** The module that children run; tests put a broken one in its place. */
  childModule?: URL
}

/**
 * Looks at finished files in processes of its own: a file that crashes or hangs a parser takes one
 * child with it and nothing else. Jobs start in the order of arrival.
 *
 * Rejects with a Fault: `file-unreadable` when the child died of the file, hung, or found it
 * impossible (see `isInspectionFailure`); `unavailable` when the bytes could not be read or too
 * many jobs wait; `shutting-down` after `close`.
 */
export interface Inspector {
  /**
   * @param begins awaited when a child is about to look at the file, and not while the job waits
   * for one: nobody can be killed by a file that waits. What it rejects with is passed on.
   */
  inspect(job: InspectJob, begins?: () => Promise<void>): Promise<Inspection>
  /** WebP bytes, or null where no thumbnail can be made of the file. */
  thumbnail(job: ThumbnailJob): Promise<Uint8Array | null>
  /** Starts a child ahead of its first job, which would wait for it otherwise. */
  warm(): void
  /** Refuses what waits, gives what runs two seconds, then kills it. */
  close(): Promise<void>
}

/** Whether a file made its inspection fail: the caller counts these tries and refuses after two. */
export const isInspectionFailure = (error: unknown): error is Fault =>
  error instanceof Fault && error.reason === 'file-unreadable'

/** Jobs that may wait; one more is told to come back later. */
const waitingMax = 1_000

const closeGraceMs = 2_000

interface Waiting {
  job: Job
  reads: Reads | undefined
  begins: (() => Promise<void>) | undefined
  resolve: (value: Inspection | Uint8Array | null) => void
  reject: (error: unknown) => void
}

interface Slot {
  child: WorkerProcess | null
  busy: Job['kind'] | null
}

interface Pool {
  slots: readonly Slot[]
  waiting: Waiting[]
  closed: boolean
  whenIdle: (() => void) | null
  timeoutMs: number
  start: () => WorkerProcess
  log: (message: string, fields: Record<string, unknown>) => void
}

const isIdle = ({ slots }: Pool): boolean => slots.every((slot) => slot.busy === null)

const mayStart = ({ slots }: Pool, { kind }: Job): boolean => {
  const thumbnails = slots.filter((slot) => slot.busy === 'thumbnail').length
  return kind === 'inspect' || slots.length === 1 || thumbnails < slots.length - 1
}

const faultOf = (reply: Reply & { ok: false }): Fault =>
  new Fault(reply.fault === 'storage' ? 'unavailable' : 'file-unreadable', {
    cause: new Error(reply.message),
  })

/** That no child could be started, or no byte read, is not the file's fault. */
const isOurs = (ended: Ended, reads: Reads | undefined): boolean =>
  ended === 'not-started' ||
  reads?.failure() !== undefined ||
  (ended === 'timeout' && reads?.waits() === true)

/** Why a job is not given to a child after all; null where it is. */
const refusalOf = async (pool: Pool, child: WorkerProcess, begins: Waiting['begins']) => {
  if (!(await child.awake(pool.timeoutMs)))
    return new Fault(pool.closed ? 'shutting-down' : 'unavailable')
  try {
    await begins?.()
    return null
  } catch (error) {
    return error
  }
}

const run = async (pool: Pool, slot: Slot, waiting: Waiting): Promise<void> => {
  const { job, reads, begins, resolve, reject } = waiting
  if (!slot.child?.isAlive()) slot.child = pool.start()
  const child = slot.child
  const refusal = await refusalOf(pool, child, begins)
  if (refusal !== null) return reject(refusal)
  const outcome = await child.ask(job, pool.timeoutMs, reads)
  if ('ended' in outcome) {
    slot.child = null
    pool.log('inspection failed', {
      kind: job.kind,
      ended: outcome.ended,
      detail: outcome.detail,
    })
    if (pool.closed) return reject(new Fault('shutting-down'))
    return reject(new Fault(isOurs(outcome.ended, reads) ? 'unavailable' : 'file-unreadable'))
  }
  if (outcome.reply.spent) {
    slot.child = null
    void child.kill()
  }
  // Whatever the child made of a file with holes in it.
  const cause = reads?.failure()
  if (cause !== undefined) return reject(new Fault('unavailable', { cause }))
  if (outcome.reply.ok) return resolve(outcome.reply.value)
  pool.log('inspection failed', { kind: job.kind, detail: outcome.reply.message })
  reject(faultOf(outcome.reply))
}

/**
 * Its slot is free when whoever asked is told: what they ask next goes to the same child, and does
 * not wait for another one to start.
 */
const freeing = (slot: Slot, { resolve, reject, ...waiting }: Waiting): Waiting => ({
  ...waiting,
  resolve(value) {
    slot.busy = null
    resolve(value)
  },
  reject(error) {
    slot.busy = null
    reject(error)
  },
})

const startWaiting = (pool: Pool): void => {
  for (;;) {
    const free = pool.slots.filter((slot) => slot.busy === null)
    // A warm child before a cold one.
    const slot = free.find(({ child }) => child?.isAlive()) ?? free[0]
    const index = slot ? pool.waiting.findIndex(({ job }) => mayStart(pool, job)) : -1
    const [first] = index < 0 ? [] : pool.waiting.splice(index, 1)
    if (!slot || !first) break
    const next = freeing(slot, first)
    slot.busy = next.job.kind
    void run(pool, slot, next)
      .catch((cause: unknown) => {
        // No child at all (no memory, no descriptors), or one out of its mind. The file can wait.
        void slot.child?.kill()
        slot.child = null
        next.reject(new Fault('unavailable', { cause }))
      })
      // Whoever was told goes on first: the next file's try is not counted before what this one led to.
      .finally(() => setImmediate(startWaiting, pool))
  }
  if (isIdle(pool)) pool.whenIdle?.()
}

const enqueue = (
  pool: Pool,
  job: Job,
  { reads, begins }: Partial<Pick<Waiting, 'reads' | 'begins'>> = {},
): Promise<Inspection | Uint8Array | null> =>
  new Promise((resolve, reject) => {
    if (pool.closed) return reject(new Fault('shutting-down'))
    if (pool.waiting.length >= waitingMax) return reject(new Fault('unavailable'))
    pool.waiting.push({ job, reads, begins, resolve, reject })
    startWaiting(pool)
  })

const startOrNull = (pool: Pool): WorkerProcess | null => {
  try {
    return pool.start()
  } catch {
    return null
  }
}

const closePool = async (pool: Pool): Promise<void> => {
  pool.closed = true
  for (const { reject } of pool.waiting.splice(0)) reject(new Fault('shutting-down'))
  if (!isIdle(pool)) {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      pool.whenIdle = resolve
      timer = setTimeout(resolve, closeGraceMs)
    })
    clearTimeout(timer)
  }
  await Promise.all(pool.slots.map((slot) => slot.child?.kill()))
}

export const createInspector = (options: InspectorOptions): Inspector => {
  const { maxImagePixels, memoryLimitBytes = 512 * 1024 * 1024 } = options
  const module = options.childModule ?? childModuleNextTo(import.meta.url)
  const pool: Pool = {
    slots: Array.from({ length: options.processes ?? 2 }, () => ({ child: null, busy: null })),
    waiting: [],
    closed: false,
    whenIdle: null,
    timeoutMs: options.timeoutMs ?? 20_000,
    start: () => startProcess({ module, memoryLimitBytes }),
    log: options.log ?? (() => {}),
  }
  return {
    async inspect({ size, name, declaredType, ...source }, begins) {
      const path = 'path' in source ? source.path : null
      const job = { kind: 'inspect', path, size, name, declaredType, maxImagePixels } as const
      const reads = 'read' in source ? createReads(source.read, size) : undefined
      const value = await enqueue(pool, job, { reads, begins })
      if (value && 'mimeType' in value) return value
      throw new Fault('file-unreadable')
    },
    async thumbnail({ path, width }) {
      const value = await enqueue(pool, { kind: 'thumbnail', path, width, maxImagePixels })
      return value instanceof Uint8Array ? value : null
    },
    warm() {
      const [slot] = pool.slots
      // Where it cannot be started now, the first job tries again and tells.
      if (slot && slot.child === null) slot.child = startOrNull(pool)
    },
    close: () => closePool(pool),
  }
}
