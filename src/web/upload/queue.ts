import { createStore, type Store } from '../state/store.ts'
import type { Claims } from './claims.ts'
import type { Found } from './collect.ts'
import { fingerprintOf, type Item, isOpen, isRunning } from './item.ts'
import { createJob, createJobs, type Job, type JobsDeps, keptOf } from './jobs.ts'
import type { Memory } from './memory.ts'

export interface QueueDeps extends Omit<JobsDeps, 'store' | 'claims' | 'memory'> {
  memory: Memory
  claims: Claims
}

export interface Queue {
  store: Store<readonly Item[]>
  /**
   * Somebody has signed in: their uploads go on. `keepsDone`: what is done is shown after a reload
   * too, for those who see no library.
   */
  enter(owner: number, keepsDone: boolean): Promise<void>
  /** Nobody is signed in: everything stops, and nothing is lost. */
  leave(): void
  /** Answers how many are new, go on, or were on their way already. */
  add(found: readonly Found[], session?: string): Added
  pause(id?: string): void
  /** Also takes up one whose file the browser gives out after a question. */
  resume(id?: string): Promise<void>
  /**
   * Gives a file to an upload that has lost its own, which fails where the file was changed since.
   * False: it is another file.
   */
  attach(id: string, found: Found): boolean
  /** Ends it here and on the server. */
  cancel(id: string): void
  /** Forgets what is done or has failed. */
  clear(): void
  /** The connection may be back. */
  hurry(): void
}

export interface Added {
  begun: number
  resumed: number
  known: number
}

/** Bytes of a file that the browser keeps itself where it gives no handle, and of all of them. */
const KEPT_FILE = 32 * 1024 * 1024
const KEPT_FILES = 512 * 1024 * 1024

const CHANGED = 'The file has changed since. Cancel this upload and add it again.'

export function createQueue(deps: QueueDeps): Queue {
  const store = createStore<readonly Item[]>([])
  const jobs = createJobs({ ...deps, store })
  const { all, change, pump } = jobs
  let owner: number | null = null

  /** False: the file is not the one of which a part is sent already, and the upload has failed. */
  function isSame(job: Job, file: File): boolean {
    const same = fingerprintOf(file) === fingerprintOf(job.item)
    if (!same) change(job, { state: 'failed', trouble: CHANGED, speed: null })
    return same
  }

  function start(job: Job, file: File): void {
    job.file = file
    job.tries = 0
    change(job, { state: 'waiting', trouble: null })
  }

  /** What was begun in an earlier life of the page, by this user in this browser. */
  async function takeUp(id: string, keepsDone: boolean): Promise<void> {
    if (all.has(id)) return
    await deps.claims.claim(id)
    // Another tab may have had it in hand until now.
    const kept = await deps.memory.find(id)
    if (kept === undefined || kept.owner !== owner || all.has(id)) {
      if (!all.has(id)) deps.claims.release(id)
      return
    }
    const { item, handle, file, session } = kept
    const { state } = item
    if (state === 'failed' || (state === 'done' && !keepsDone)) {
      deps.claims.release(item.id)
      return deps.memory.remove([item.id])
    }
    const job = createJob({ ...item, speed: null }, { handle, session, file })
    all.set(item.id, job)
    if (state === 'done') {
      deps.claims.release(id)
      return change(job, {})
    }
    if (handle !== null && file === null) {
      const opened = await openAllowed(handle)
      // Cancelled, or given its file by somebody, while the browser was opening it.
      if (all.get(id) !== job || job.file !== null) return
      if (opened !== null && !isSame(job, opened)) return
      job.file = opened
    }
    const stopped = handle === null ? 'detached' : 'locked'
    const next = job.file === null ? stopped : state === 'paused' ? 'paused' : 'waiting'
    change(job, { state: next, trouble: null })
    pump()
  }

  /** @param same open uploads of a file that looks the same, to the same place */
  function addOne(found: Found, session: string | null, same: readonly Job[]): keyof Added {
    const { file, folder, handle } = found
    const { name, size, type, lastModified } = file
    const near = same.filter(({ item }) => item.folder === folder)
    const isLost = (job: Job) => job.file === null
    const known = near.find(isLost) ?? near[0] ?? same.find(isLost)
    if (known && isLost(known)) {
      known.handle = handle
      start(known, file)
      return 'resumed'
    }
    if (known) {
      if (known.item.state === 'paused') start(known, file)
      return 'known'
    }
    const facts = { name, size, type, lastModified, folder }
    const job = createJob(newItem(facts), { file, handle, session })
    all.set(job.item.id, job)
    void deps.claims.claim(job.item.id)
    return 'begun'
  }

  function keep(given: readonly Job[]): void {
    if (owner !== null && given.length > 0) void deps.memory.save(withFiles(given, owner))
  }

  const chosen = (id: string | undefined) =>
    id === undefined ? [...all.values()] : [all.get(id)].filter((job) => job !== undefined)

  return {
    store,
    hurry: jobs.hurry,
    async enter(id, keepsDone) {
      if (owner !== id) {
        for (const each of all.keys()) deps.claims.release(each)
        all.clear()
        store.set([])
      }
      owner = id
      pump()
      const kept = await deps.memory.load(id)
      kept.sort((left, right) => left.id.localeCompare(right.id))
      for (const each of kept) void takeUp(each.id, keepsDone)
    },
    leave() {
      for (const job of all.values()) {
        if (!isRunning(job.item)) continue
        void jobs.halt(job)
        change(job, { state: 'waiting', speed: null })
      }
    },
    add(found, session) {
      const added: Added = { begun: 0, resumed: 0, known: 0 }
      const place = session ?? null
      const before = new Map([...all].map(([id, { file }]) => [id, file]))
      const open = [...all.values()].filter((job) => isOpen(job.item) && job.session === place)
      const byFile = Map.groupBy(open, ({ item }) => fingerprintOf(item))
      for (const each of found) {
        const same = byFile.get(fingerprintOf(each.file)) ?? []
        added[addOne(each, place, same)] += 1
      }
      // New ones, and those that have a file again.
      keep([...all.values()].filter(({ item, file }) => before.get(item.id) !== file))
      store.set([...all.values()].map(({ item }) => item))
      pump()
      return added
    },
    pause(id) {
      for (const job of chosen(id)) {
        if (!isRunning(job.item) || job.item.state === 'finishing') continue
        void jobs.halt(job)
        change(job, { state: 'paused', speed: null, trouble: null })
      }
      pump()
    },
    async resume(id) {
      for (const job of chosen(id)) {
        const { state } = job.item
        if (
          state === 'locked' &&
          job.handle &&
          (id !== undefined || (await isAllowed(job.handle)))
        ) {
          const file = await openAsked(job.handle)
          if (file && isSame(job, file)) start(job, file)
        } else if (job.file && (state === 'paused' || state === 'retrying')) {
          void jobs.halt(job)
          start(job, job.file)
        } else if (job.file && state === 'failed') start(job, job.file)
      }
      pump()
    },
    attach(id, { file, handle }) {
      const job = all.get(id)
      if (!job || job.item.size !== file.size || job.item.name !== file.name) return false
      if (!isSame(job, file)) return true
      job.handle = handle
      start(job, file)
      keep([job])
      pump()
      return true
    },
    cancel(id) {
      const job = all.get(id)
      if (job) jobs.drop(job)
    },
    clear() {
      for (const job of [...all.values()]) if (!isOpen(job.item)) jobs.drop(job)
    },
  }
}

function newItem(facts: Pick<Item, 'name' | 'size' | 'type' | 'lastModified' | 'folder'>): Item {
  return {
    ...facts,
    id: newId(),
    state: 'waiting',
    sent: 0,
    url: null,
    trouble: null,
    speed: null,
    fileId: null,
    link: null,
  }
}

let made = 0

/** Ids in the order in which they were made, different in every tab. */
function newId(): string {
  made += 1
  const [chance = 0] = crypto.getRandomValues(new Uint32Array(1))
  return `${Date.now().toString(36)}-${String(made).padStart(6, '0')}-${chance.toString(36)}`
}

/** Small files without a handle are kept themselves, while there is room. */
function withFiles(jobs: readonly Job[], owner: number) {
  let room = KEPT_FILES
  return jobs.map((job) => {
    const fits = job.handle === null && job.item.size <= Math.min(KEPT_FILE, room)
    if (fits) room -= job.item.size
    return keptOf(job, owner, fits ? job.file : null)
  })
}

type Permitted = FileSystemFileHandle & {
  queryPermission?(options: { mode: 'read' }): Promise<PermissionState>
  requestPermission?(options: { mode: 'read' }): Promise<PermissionState>
}

async function isAllowed(handle: Permitted): Promise<boolean> {
  return (await handle.queryPermission?.({ mode: 'read' }).catch(() => 'denied')) === 'granted'
}

async function openAllowed(handle: Permitted): Promise<File | null> {
  return (await isAllowed(handle)) ? handle.getFile().catch(() => null) : null
}

/** The browser asks whoever sits there. */
async function openAsked(handle: Permitted): Promise<File | null> {
  const answer = await handle.requestPermission?.({ mode: 'read' }).catch(() => 'denied')
  return answer === 'granted' ? handle.getFile().catch(() => null) : null
}
