import type { Store } from '../state/store.ts'
import type { Claims } from './claims.ts'
import { backOff } from './failure.ts'
import { type Item, isRunning } from './item.ts'
import type { Kept, Memory } from './memory.ts'
import { createSpeedMeter, type SpeedMeter } from './speed.ts'
import { endUpload, startTransfer, type Transfer } from './transfer.ts'

/** An upload with what only this life of the page has of it. */
export interface Job {
  item: Item
  /** Null where it has to be got or given first. */
  file: File | null
  handle: FileSystemFileHandle | null
  /** The upload session it goes into; null: into the library. */
  session: string | null
  meter: SpeedMeter
  transfer: Transfer | null
  /** Failures since the last byte that went through. */
  tries: number
  timer: ReturnType<typeof setTimeout> | undefined
}

export interface JobsDeps {
  store: Store<readonly Item[]>
  memory: Memory
  claims: Claims
  /** Headers that say who uploads; null: nobody does at the moment. */
  headers: () => Record<string, string> | null
  parallel: () => number
  /** The server does not know the token. */
  onUnknownToken: () => void
}

export interface Jobs {
  all: Map<string, Job>
  change(job: Job, change: Partial<Item>): void
  /** Begins what waits, as many at a time as are wanted. */
  pump(): void
  /** Ends the request that runs, and any wait for the next one. */
  halt(job: Job): Promise<void>
  /** Whatever waits for its next try has it now. */
  hurry(): void
  drop(job: Job): void
}

/** Milliseconds between two looks of the page, and between two notes to the browser's store. */
const SHOW_MS = 80
const KEEP_MS = 2_000
const TICK_MS = 1_000

export function createJob(item: Item, kept: Partial<Job> = {}): Job {
  return {
    item,
    file: null,
    handle: null,
    session: null,
    meter: createSpeedMeter(),
    transfer: null,
    tries: 0,
    timer: undefined,
    ...kept,
  }
}

/** Runs uploads, some at a time, and brings each of them to an end if there is one. */
export function createJobs(deps: JobsDeps): Jobs {
  const all = new Map<string, Job>()
  const dirty = new Set<string>()
  const notes = createNotes(() => {
    const items = [...dirty].flatMap((id) => all.get(id)?.item ?? [])
    dirty.clear()
    if (items.length > 0) void deps.memory.update(items)
  }, KEEP_MS)
  const show = createNotes(() => deps.store.set([...all.values()].map(({ item }) => item)), SHOW_MS)

  const change: Jobs['change'] = (job, change) => {
    const moved = change.state !== undefined && change.state !== job.item.state
    job.item = { ...job.item, ...change }
    dirty.add(job.item.id)
    show.soon()
    if (moved || change.url) notes.now()
    else notes.soon()
  }

  // A line that has gone quiet tells nothing: its speed falls all the same.
  setInterval(() => {
    for (const job of all.values()) {
      const speed = job.item.state === 'sending' ? job.meter.speed(performance.now()) : null
      if (speed !== job.item.speed) change(job, { speed })
    }
  }, TICK_MS)

  function pump(): void {
    const headers = deps.headers()
    if (headers === null) return
    const jobs = [...all.values()]
    let free = deps.parallel() - jobs.filter(({ item }) => isActive(item)).length
    for (const job of jobs) {
      if (free <= 0) return
      if (job.item.state !== 'waiting' || job.file === null) continue
      free -= 1
      begin(job, job.file, headers)
    }
  }

  function begin(job: Job, file: File, headers: Record<string, string>): void {
    change(job, { state: 'sending', trouble: null })
    job.meter.reset()
    const transfer = startTransfer({
      file,
      url: job.item.url,
      metadata: metadataOf(job),
      headers,
      onUrl: (url) => change(job, { url }),
      onProgress(sent) {
        if (sent > job.item.sent) job.tries = 0
        job.meter.at(sent, performance.now())
        const state = sent >= job.item.size ? 'finishing' : 'sending'
        change(job, { sent, state, speed: job.meter.speed(performance.now()) })
      },
      onDone(result) {
        job.transfer = null
        change(job, { ...result, state: 'done', sent: job.item.size, speed: null, trouble: null })
        deps.claims.release(job.item.id)
        pump()
      },
      onFailure(verdict) {
        job.transfer = null
        void settle(job, file, verdict)
      },
    })
    job.transfer = transfer
  }

  async function settle(
    job: Job,
    file: File,
    verdict: Parameters<Parameters<typeof startTransfer>[0]['onFailure']>[0],
  ): Promise<void> {
    if (verdict.next === 'retry') {
      if (!(await isReadable(file, job.item))) {
        const trouble = 'The file was moved or changed. Cancel this upload and choose it again.'
        change(job, { state: 'failed', trouble, speed: null })
        return pump()
      }
      const wait = Math.max(backOff(job.tries), verdict.afterMs)
      job.tries += 1
      change(job, { state: 'retrying', trouble: verdict.words, speed: null })
      job.timer = setTimeout(() => {
        change(job, { state: 'waiting' })
        pump()
      }, wait)
      return
    }
    if (verdict.next === 'sign-in') {
      change(job, { state: 'waiting', trouble: verdict.words, speed: null })
      return deps.onUnknownToken()
    }
    const again = verdict.next === 'restart' ? { url: null, sent: 0 } : {}
    change(job, { ...again, state: 'failed', trouble: verdict.words, speed: null })
    pump()
  }

  const halt: Jobs['halt'] = async (job) => {
    clearTimeout(job.timer)
    const { transfer } = job
    job.transfer = null
    await transfer?.stop()
  }

  return {
    all,
    change,
    pump,
    halt,
    hurry() {
      for (const job of all.values()) {
        if (job.item.state !== 'retrying') continue
        clearTimeout(job.timer)
        job.tries = 0
        change(job, { state: 'waiting' })
      }
      pump()
    },
    drop(job) {
      const { id, url, state } = job.item
      void halt(job).then(async () => {
        const headers = deps.headers()
        // An unfinished upload that cannot be ended now is removed by the server in time.
        if (url && headers && state !== 'done') await endUpload(url, headers).catch(() => {})
      })
      all.delete(id)
      dirty.delete(id)
      deps.claims.release(id)
      void deps.memory.remove([id])
      show.soon()
      pump()
    },
  }
}

/** What the browser's store is to have of a job. */
export function keptOf(job: Job, owner: number, file: File | null): Kept {
  const { item, handle, session } = job
  return { id: item.id, owner, item, handle, file, session }
}

/** One that waits for its next try holds its place: others would meet the same trouble. */
function isActive(item: Item): boolean {
  return isRunning(item) && item.state !== 'waiting'
}

function metadataOf({ item, session }: Job): Record<string, string> {
  return {
    filename: item.name,
    ...(item.type && { filetype: item.type }),
    ...(item.folder && { description: `Folder: ${item.folder}` }),
    ...(session && { session }),
  }
}

/** A file that was changed or moved looks like a lost connection to whoever sends it. */
async function isReadable(file: File, { size }: Item): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer()
    return file.size === size
  } catch {
    return false
  }
}

/** Calls `work` once for many wishes. Timers, since a page that is not seen draws no frames. */
function createNotes(work: () => void, everyMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined
  const now = () => {
    clearTimeout(timer)
    timer = undefined
    work()
  }
  return {
    now,
    soon() {
      timer ??= setTimeout(now, everyMs)
    },
  }
}
