import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Fault } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { FileBytes } from './inspect.ts'
import { createTurns } from './turns.ts'

/** A larger object is not brought here; it is no image that a thumbnail is expected of. */
const COPY_MAX_BYTES = 256 * 1024 * 1024
/** Copies on this machine at a time: one that is being rendered, and the next. */
const MAX_AT_ONCE = 2
/** A copy is in use for minutes at the most. An older one belongs to a process that is gone. */
const STALE_MS = 60 * 60 * 1000
const NAME = /^copy-[\da-f-]{36}$/

/** Where the bytes of an object can be looked into. */
export function bytesOf(storage: Pick<Storage, 'localPath' | 'readAt'>, key: string): FileBytes {
  if (storage.localPath !== undefined) return { path: storage.localPath(key) }
  return { read: (start, length) => storage.readAt(key, start, length) }
}

export interface LocalFilesOptions {
  storage: Pick<Storage, 'localPath' | 'read'>
  /** Where copies are kept while they are needed; made when absent. */
  folder: string
  /** Default 256 MiB. */
  maxBytes?: number
}

/** Lends objects to programs that need a file. */
export interface LocalFiles {
  /**
   * Runs `work` with the path of the object, or of a copy that is removed when it has ended.
   *
   * @returns null, without running it, where the object is empty or too large to be copied.
   * @throws Fault `unavailable` where it could not be copied, and what the storage says.
   */
  lend<T>(
    object: { storageKey: string; size: number },
    work: (path: string) => Promise<T>,
  ): Promise<T | null>
}

export function createLocalFiles({
  storage,
  folder,
  maxBytes = COPY_MAX_BYTES,
}: LocalFilesOptions): LocalFiles {
  const { localPath } = storage
  if (localPath !== undefined)
    return { lend: ({ storageKey }, work) => work(localPath(storageKey)) }
  const inTurn = createTurns(MAX_AT_ONCE)
  // What a run before this one left. Where that fails, copying will fail as well and tells.
  const cleared = removeStale(folder).catch(() => {})

  async function lend<T>(
    { storageKey, size }: { storageKey: string; size: number },
    work: (path: string) => Promise<T>,
  ): Promise<T> {
    await cleared
    const file = path.join(folder, `copy-${randomUUID()}`)
    try {
      await copyTo(file, storage, storageKey, size).catch((error: unknown) => {
        throw error instanceof Fault ? error : new Fault('unavailable', { cause: error })
      })
      return await work(file)
    } finally {
      await rm(file, { force: true })
    }
  }

  return {
    lend: async (object, work) =>
      object.size === 0 || object.size > maxBytes ? null : inTurn(() => lend(object, work)),
  }
}

async function copyTo(
  file: string,
  storage: Pick<Storage, 'read'>,
  key: string,
  size: number,
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  const target = createWriteStream(file, { flags: 'wx', mode: 0o600 })
  await pipeline(storage.read(key, { start: 0, end: size - 1 }), target)
  // Half an image would be rendered as one, and kept.
  if (target.bytesWritten !== size)
    throw new Error(`${target.bytesWritten} bytes were read where there are ${size}`)
}

async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!NAME.test(name)) continue
    const file = path.join(folder, name)
    const age = Date.now() - (await stat(file)).mtimeMs
    if (age > STALE_MS) await rm(file, { force: true })
  }
}
