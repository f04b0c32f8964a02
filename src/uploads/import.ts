import type { FileHandle } from 'node:fs/promises'
import { Fault } from '../errors.ts'
import { toIsoMicros } from '../wire/time.ts'
import type { Core } from './core.ts'
import { newRow, storable, storageKeyOf } from './create.ts'
import { publish } from './finish.ts'
import {
  checkSource,
  type ExistingFile,
  failed,
  type Imported,
  openSource,
  type Source,
} from './import-source.ts'
import type { HeldLock } from './lock.ts'
import { openDigest, type WrittenDigest } from './object-digest.ts'
import type { createImportRepo } from './repo-import.ts'
import { removeBytes } from './terminate.ts'
import { digestAlgorithmsOf, IMPORT_DOOR, isEnded, type Upload } from './upload.ts'

export interface ImportOptions {
  /** Checks what can be checked and changes nothing. Default false. */
  dryRun?: boolean
  /** Gives the bytes a second name instead of copying them. Default false. */
  link?: boolean
}

/**
 * How long one copy may take. A row that is being filled has this end as its `created_at`, so that
 * the sweep, which ends what stands in `creating`, leaves it alone until then.
 */
const LEASE_MS = 24 * 60 * 60 * 1000
const CHUNK_BYTES = 1024 * 1024

export interface ImportCore<P> extends Core<P> {
  imports: ReturnType<typeof createImportRepo>
}

/**
 * Makes one upload, and with it one record, of a file on this machine. The row stands in `creating`
 * while its bytes are copied: no door shows such an upload or lets anybody write to it. Then it is
 * `complete` and goes the way of every upload. A crash leaves a row that the next run begins anew,
 * or that the sweep takes away.
 *
 * @throws Fault for what would befall the next file too: no room, no database.
 */
export async function importFile<P>(
  core: ImportCore<P>,
  file: ExistingFile,
  options: ImportOptions = {},
): Promise<Imported> {
  const lock = await core.lock.acquire(file.id, { timeoutMs: LEASE_MS })
  try {
    const found = await core.repo.get(file.id)
    const before = found && standingOf(found, file)
    if (before === 'present' || before === 'removed') return { outcome: before }
    if (before === 'taken') return failed('taken')
    if (options.dryRun) return await checkSource(file, core.digester)
    if (found && before === 'complete') return await finish(core, lock, found)
    const source = await openSource(file)
    if ('problem' in source) return source
    try {
      return await bring(core, lock, { file, source, stale: found, link: options.link ?? false })
    } finally {
      await source.handle.close()
    }
  } finally {
    lock.release()
  }
}

type Standing = 'present' | 'removed' | 'complete' | 'stale' | 'taken'

/** What an upload that has this id already means for the import. */
function standingOf(found: Upload, file: ExistingFile): Standing {
  if (found.door !== IMPORT_DOOR) return 'taken'
  // The mark of an attempt goes when all bytes are there: this one broke off, or is still running.
  if (found.metadata !== null || found.state === 'rejected') return 'stale'
  if (isEnded(found.state)) return 'removed'
  const same =
    found.filename === storable(file.filename) &&
    found.ownerId === file.ownerId &&
    toIsoMicros(found.createdAt) === toIsoMicros(file.createdAt)
  if (!same) return 'taken'
  return found.state === 'complete' ? 'complete' : 'present'
}

interface Job {
  file: ExistingFile
  source: Source
  /** What an earlier attempt left. */
  stale: Upload | undefined
  link: boolean
}

async function bring<P>(core: ImportCore<P>, lock: HeldLock, job: Job): Promise<Imported> {
  const { file, source, stale } = job
  if (stale && !(await clear(core, stale))) return failed('overtaken')
  const upload = rowOf(core, lock, job)
  if (!(await core.imports.begin(upload))) return failed('overtaken')
  core.at('row-inserted')
  let stored: { digestState: Upload['digestState'] } | Imported
  try {
    stored = await store(core, upload, job)
  } catch (error) {
    // Another import that takes this attempt for a dead one's removes its bytes meanwhile.
    if (await undo(core, upload).catch(() => true)) throw error
    return failed('overtaken')
  }
  if ('outcome' in stored) {
    await undo(core, upload)
    return stored
  }
  const changes = {
    offset: source.size,
    digestState: stored.digestState,
    metadata: null,
    expiresAt: null,
    createdAt: file.createdAt,
    updatedAt: file.updatedAt,
  }
  if (!(await core.imports.complete(upload, changes))) {
    // No other attempt writes under this name.
    await core.storage.remove(upload.storageKey)
    return failed('overtaken')
  }
  core.at('complete')
  return finish(core, lock, { ...upload, ...changes, state: 'complete' })
}

function rowOf(core: ImportCore<unknown>, lock: HeldLock, { file, source }: Job): Upload {
  const attempt = core.newId()
  // A sweep may still be about to remove what lies under the name of an attempt before this one.
  const key = `${storageKeyOf(file.id)}.${attempt.slice(0, 8)}`
  const row = newRow(core, file.ownerId, {
    door: IMPORT_DOOR,
    id: file.id,
    size: source.size,
    filename: file.filename,
    description: file.description,
    expectedDigest: file.sha256 && `sha256:${file.sha256}`,
    metadata: attempt,
    keys: { arriving: key, complete: key },
  })
  const createdAt = new Date(core.now().getTime() + LEASE_MS).toISOString()
  // The lock may have been taken on the row of an attempt before this one, which is gone by now.
  return { ...row, createdAt, lockEpoch: lock.epoch ?? row.lockEpoch }
}

/** Steps 2, 5 and 6 for a body that is a file. */
async function store(
  core: ImportCore<unknown>,
  upload: Upload,
  { file, source, link }: Job,
): Promise<{ digestState: Upload['digestState'] } | Imported> {
  const key = upload.storageKey
  const linked = link ? await linkTo(core, key, file.path) : undefined
  if (linked) return linked
  if (!link) await core.storage.create(key, { size: upload.size })
  core.at('object-created')
  const algorithms = digestAlgorithmsOf(upload)
  const digest =
    algorithms.length === 0 ? undefined : openDigest(core, key, { algorithms, saves: true })
  try {
    if (!link) {
      const copied = await copy(core, key, source.handle, digest)
      if (copied === null) return failed('unreadable')
      if (copied !== source.size) return failed('size-differs', 'It changed while it was copied.')
    }
    core.at('bytes-synced')
    return { digestState: (await digest?.save(source.size)) ?? null }
  } finally {
    digest?.close()
  }
}

async function linkTo(
  core: ImportCore<unknown>,
  key: string,
  path: string,
): Promise<Imported | undefined> {
  try {
    await core.storage.link?.(key, path)
    return undefined
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
    if (code === 'ENOENT') return failed('missing')
    if (!['EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP'].includes(String(code))) throw error
    return failed('not-linked')
  }
}

/** @returns bytes copied, durable; null where the source could not be read. */
async function copy(
  core: ImportCore<unknown>,
  key: string,
  from: FileHandle,
  digest: WrittenDigest | undefined,
): Promise<number | null> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  const appender = await core.storage.append(key, 0)
  try {
    for (let at = 0; ; ) {
      const bytes = await from.read(buffer, 0, CHUNK_BYTES, at).then(
        ({ bytesRead }) => bytesRead,
        () => null,
      )
      if (bytes === null) return null
      if (bytes === 0) {
        await appender.sync(true)
        return at
      }
      const buffers = [buffer.subarray(0, bytes)]
      await appender.write(buffers)
      at += bytes
      core.at('bytes-written')
      await digest?.written(at, buffers)
    }
  } finally {
    await appender.close()
  }
}

/** Steps 9 and 10, those of every upload. */
async function finish<P>(core: ImportCore<P>, lock: HeldLock, upload: Upload): Promise<Imported> {
  try {
    await publish(core, lock, upload, { counted: 0 })
    return { outcome: 'imported', bytes: upload.offset }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.reason === 'pending') return failed('unfinished')
    if (error.reason === 'digest-mismatch') return failed('digest-differs')
    return failed('refused', error.message)
  }
}

/** Takes away what an attempt before this one left. False where it has got on meanwhile. */
async function clear(core: ImportCore<unknown>, stale: Upload): Promise<boolean> {
  await core.imports.giveUp(stale, core.now().toISOString())
  // Not by what was read before: it may be complete by now, and its bytes are then a record's.
  if (!(await core.imports.hasEnded(stale))) return false
  if (await removeBytes(core, stale)) await core.imports.forget(stale)
  return true
}

/** As if this attempt had not been: quota, bytes and row. False where it had been ended before. */
async function undo(core: ImportCore<unknown>, upload: Upload): Promise<boolean> {
  const ended = await core.imports.giveUp(upload, core.now().toISOString())
  if (!ended) await core.storage.remove(upload.storageKey)
  else if (await removeBytes(core, upload)) await core.imports.forget(upload)
  return ended
}
