import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Fault } from '../errors.ts'
import { createAppender } from './disk-appender.ts'
import { fileFault } from './file-fault.ts'
import { appendFiles, openOurs } from './join-files.ts'
import { filesBelow } from './list-files.ts'
import type { Appender, ByteRange, IsOurs, Storage } from './storage.ts'
import { assertStorageKey } from './storage-key.ts'

export interface DiskOptions {
  /** Folder for all objects; made when absent. */
  root: string
  /** `power`: sync files and folders, so that a power cut loses nothing. `process`: leave it to the kernel. */
  durability: 'power' | 'process'
}

const READ_CHUNK_BYTES = 256 * 1024
/** An unfinished `put` older than this belongs to a process that is gone. */
const STALE_PUT_MS = 60_000

/** Objects as files below one folder. The key is the path; folders are made as they are needed. */
export async function openDiskStorage({ root, durability }: DiskOptions): Promise<Storage> {
  const synced = durability === 'power'
  const puts = path.join(root, '.tmp')
  await mkdir(puts, { recursive: true })
  await removePuts(puts, new Date(Date.now() - STALE_PUT_MS))
  if (synced) await syncPath(root)

  /** Folders that are there and durable, or are being made so: whoever needs one waits for it. */
  const folders = new Map<string, Promise<void>>([[root, Promise.resolve()]])

  function pathOf(key: string): string {
    assertStorageKey(key)
    return path.join(root, key)
  }

  async function ensureFolder(folder: string): Promise<void> {
    const made = folders.get(folder) ?? makeFolder(folder)
    folders.set(folder, made)
    await made.catch((error: unknown) => {
      folders.delete(folder)
      throw error
    })
  }

  async function makeFolder(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true })
    // A folder is an entry of its parent, and that entry needs a sync of its own. Also where the
    // folder was there: a process that made it may have died before it came to this.
    for (let at = folder; synced && at !== root; at = path.dirname(at))
      await syncPath(path.dirname(at))
  }

  async function openNew(file: string): Promise<FileHandle> {
    const folder = path.dirname(file)
    await ensureFolder(folder)
    // Its first bytes are looked at before the rest has come.
    return open(file, 'wx+').catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      // Somebody removed the empty folder that we remembered.
      folders.delete(folder)
      await ensureFolder(folder)
      return open(file, 'wx+')
    })
  }

  async function create(key: string): Promise<void> {
    const file = pathOf(key)
    await (await openNew(file)).close()
    if (synced) await syncPath(path.dirname(file))
  }

  /** The entry in the folder becomes durable while the first bytes are on their way. */
  async function createOpen(key: string): Promise<Appender> {
    const file = pathOf(key)
    const handle = await openNew(file)
    const entered = synced ? syncPath(path.dirname(file)) : Promise.resolve()
    // Its failure is met in `sync`, not as an unhandled rejection.
    entered.catch(() => {})
    const appender = createAppender(handle, 0, synced)
    return {
      ...appender,
      async sync() {
        await Promise.all([appender.sync(), entered.catch(rethrow)])
      },
      async close() {
        await entered.catch(() => {})
        await appender.close()
      },
    }
  }

  async function append(key: string, offset: number, isOurs?: IsOurs): Promise<Appender> {
    const handle = await openOurs(pathOf(key), isOurs)
    try {
      const { size } = await handle.stat()
      if (size < offset) throw new Error(`object holds ${size} bytes where ${offset} were recorded`)
      if (size > offset) await handle.truncate(offset)
      return createAppender(handle, offset, synced)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async function join(key: string, sources: readonly string[], isOurs?: IsOurs): Promise<void> {
    await appendFiles(pathOf(key), sources.map(pathOf), { sync: synced, isOurs })
  }

  /** A copy takes the name (a shared one where the file system can): what is open has none now. */
  async function detach(key: string, isOurs: IsOurs): Promise<void> {
    const file = pathOf(key)
    const temporary = path.join(puts, randomUUID())
    try {
      await fs.promises.copyFile(file, temporary, fs.constants.COPYFILE_FICLONE)
    } catch (error) {
      await rm(temporary, { force: true })
      // Nobody can write to what is not there.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    try {
      if (synced) await syncPath(temporary)
      if (!isOurs()) throw new Fault('locked', { retryAfterSeconds: 1 })
      // At once: in the queue of the thread pool our time could run out.
      fs.renameSync(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    if (synced) await syncPath(path.dirname(file))
  }

  async function link(key: string, source: string): Promise<void> {
    const file = pathOf(key)
    // link(2) would give a second name to a symbolic link instead of to what it names.
    const original = await fs.promises.realpath(source)
    if (synced) await syncPath(original)
    await ensureFolder(path.dirname(file))
    await fs.promises.link(original, file)
    if (synced) await syncPath(path.dirname(file))
  }

  async function put(key: string, bytes: Uint8Array): Promise<void> {
    const file = pathOf(key)
    const temporary = path.join(puts, randomUUID())
    try {
      const handle = await open(temporary, 'wx')
      try {
        await handle.writeFile(bytes)
        if (synced) await handle.datasync()
      } finally {
        await handle.close()
      }
      await ensureFolder(path.dirname(file))
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    if (synced) await syncPath(path.dirname(file))
  }

  async function finalise(key: string, size: number, to?: string): Promise<void> {
    const file = pathOf(key)
    const target = to === undefined ? file : pathOf(to)
    const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
      // A run before this one may have come as far as the new name.
      if (error.code !== 'ENOENT' || target === file) throw error
      return stat(target)
    })
    if (found.size !== size)
      throw new Error(`object holds ${found.size} bytes where ${size} were recorded`)
    if (target === file) return
    await ensureFolder(path.dirname(target))
    await rename(file, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (synced) await syncPath(path.dirname(target))
  }

  /** Durable also where there is nothing to remove: whoever removed it may have died before that. */
  async function remove(key: string): Promise<void> {
    const file = pathOf(key)
    await rm(file, { force: true })
    if (!synced) return
    // Otherwise a power cut brings it back, after the row says that its bytes are gone.
    await syncPath(path.dirname(file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  }

  async function get(key: string, most: number): Promise<Uint8Array | null> {
    const found = await stat(pathOf(key)).catch(nullWhereAbsent)
    return found !== null && found.size <= most ? fs.promises.readFile(pathOf(key)) : null
  }

  async function readAt(key: string, start: number, length: number): Promise<Uint8Array> {
    const handle = await open(pathOf(key), 'r')
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  }

  return {
    create: (key) => create(key).catch(rethrow),
    createOpen: (key) => createOpen(key).catch(rethrow),
    append: (...args) => append(...args).catch(rethrow),
    join: (...args) => join(...args).catch(rethrow),
    detach: (...args) => detach(...args).catch(rethrow),
    put: (key, bytes) => put(key, bytes).catch(rethrow),
    get: (key, most) => get(key, most).catch(rethrow),
    readAt: (key, start, length) => readAt(key, start, length).catch(rethrow),
    read: (key, range) => readStream(pathOf(key), range),
    link: (key, source) => link(key, source).catch(rethrow),
    remove: (key) => remove(key).catch(rethrow),
    localPath: pathOf,
    keys: (ending) => filesBelow(root, ending),

    size: async (key) => (await stat(pathOf(key)).catch(nullWhereAbsent))?.size ?? null,

    finalise: (key, size, to) => finalise(key, size, to).catch(rethrow),

    removeUnfinishedPuts: (before) => removePuts(puts, before).catch(rethrow),

    async ping() {
      await fs.promises.access(root, fs.constants.W_OK | fs.constants.X_OK).catch(rethrow)
    },
  }
}

function readStream(file: string, range: ByteRange | undefined): fs.ReadStream {
  return fs.createReadStream(file, {
    ...range,
    highWaterMark: READ_CHUNK_BYTES,
    // The same calls as ever, but their errors are Faults, which carry no path to a client.
    fs: {
      open: (name: string, flags: string, mode: number, done: OpenCallback) =>
        fs.open(name, flags, mode, (error, fd) => done(error && fileFault(error), fd)),
      read: fs.read,
      close: fs.close,
    },
  })
}

type OpenCallback = (error: Error | null, fd: number) => void

/** A folder, whose entries become durable, or a file. */
async function syncPath(target: string): Promise<void> {
  const handle = await open(target, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function removePuts(folder: string, before: Date): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name)
    // Another server may be at the same, or the put come to its end.
    const found = await stat(file).catch(() => null)
    if (found !== null && found.mtime < before) await rm(file, { force: true })
  }
}

function nullWhereAbsent(error: NodeJS.ErrnoException): null {
  return error.code === 'ENOENT' ? null : rethrow(error)
}

function rethrow(error: unknown): never {
  throw fileFault(error)
}
