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
  /** Gives a file to an upload that has lost its own. False: it is another file. */
  attach(id: string, file: File): boolean
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

export function createQueue(deps: QueueDeps): Queue {
  const store = createStore<readonly Item[]>([])
  const jobs = createJobs({ ...deps, store })
  const { all, change, pump } = jobs
  let owner: number | null = null

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
    job.file ??= handle && (await openAllowed(handle))
    const stopped = handle === null ? 'detached' : 'locked'
    const next = job.file === null ? stopped : state === 'paused' ? 'paused' : 'waiting'
    change(job, { state: next, trouble: null })
    pump()
  }

  /** @param same open uploads of a file that looks the same */
  function addOne(found: Found, session: string | null, same: readonly Job[]): keyof Added {
    const { file, folder, handle } = found
    const { name, size, type, lastModified } = file
    const lost = same.find((job) => job.file === null)
    if (lost) {
      lost.handle = handle
      start(lost, file)
      return 'resumed'
    }
    const known = same.find((job) => job.item.folder === folder && job.session === session)
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
      const before = new Set(all.keys())
      const open = [...all.values()].filter(({ item }) => isOpen(item))
      const byFile = Map.groupBy(open, ({ item }) => fingerprintOf(item))
      for (const each of found) {
        const same = byFile.get(fingerprintOf(each.file)) ?? []
        added[addOne(each, session ?? null, same)] += 1
      }
      const fresh = [...all.values()].filter(({ item }) => !before.has(item.id))
      if (owner !== null) void deps.memory.save(withFiles(fresh, owner))
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
          if (file && fingerprintOf(file) === fingerprintOf(job.item)) start(job, file)
          else if (file) {
            const trouble = 'The file has changed since. Cancel this upload and add it again.'
            change(job, { state: 'failed', trouble })
          }
        } else if (job.file && (state === 'paused' || state === 'retrying')) {
          void jobs.halt(job)
          start(job, job.file)
        } else if (job.file && state === 'failed') start(job, job.file)
      }
      pump()
    },
    attach(id, file) {
      const job = all.get(id)
      if (!job || job.item.size !== file.size || job.item.name !== file.name) return false
      start(job, file)
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
