import type { Actor } from '../../auth/actor.ts'
import { Fault } from '../../errors.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { NewUpload, Upload } from '../../uploads/upload.ts'
import type { BodyFacts } from '../../uploads/uploads.ts'
import type { ContentRange } from '../../wire/content-range.ts'
import { strftime } from '../../wire/strftime.ts'
import { requireOpen } from './answer.ts'
import {
  nameOf,
  requireLength,
  requireName,
  requirePlace,
  requireTotal,
  sizeFirst,
  sizeOf,
} from './check.ts'
import type { Chunk } from './chunk.ts'
import type { ChunkedDeps, PublishedFile } from './deps.ts'
import { DOOR, findUpload } from './find.ts'
import { alreadyComplete, offsetsDiffer, sizeDiffers } from './words.ts'

/** Who sends a request, and whether they still wait for its answer. */
export interface Sender {
  actor: Actor
  gone: AbortSignal
}

/**
 * Begins an upload with its first chunk, and hands it to `then` while its lock is held. When the
 * chunk fails nothing is left of it: nobody was told of the upload. What `then` rejects with
 * changes nothing.
 *
 * @param range null where only the end of the body tells how much it is
 * @param confirm told the bytes that came; by then all fields of the form are known
 */
export async function beginUpload<P extends PublishedFile, T>(
  deps: ChunkedDeps<P>,
  { actor }: Sender,
  chunk: Chunk,
  range: ContentRange | null,
  confirm: (bytes: number) => BodyFacts,
  then: (lock: HeldLock, upload: Upload) => Promise<T>,
): Promise<T> {
  const { uploads, settings } = deps
  const size = range && sizeOf(range)
  let lock: HeldLock | undefined
  let created: { upload: Upload } | undefined
  try {
    let upload: Upload
    try {
      requireLength(chunk, size)
      if (range !== null && range.start !== 0) throw offsetsDiffer(0, range.start)
      created = await uploads.create(actor, newUpload(deps, chunk, range?.total ?? null))
      lock = await uploads.lock(created.upload.id)
      upload = await store(deps, lock, created.upload, chunk, size, (bytes) => ({
        filename: requireName(chunk),
        ...confirm(bytes),
      }))
    } catch (error) {
      if (created !== undefined) {
        lock ??= await uploads.lock(created.upload.id)
        await abandon(deps, lock)
      }
      throw await sizeFirst(chunk, size, settings.maxBytes, error)
    }
    return await then(lock, upload)
  } finally {
    lock?.release()
  }
}

/**
 * Adds a chunk to an upload: all of it or, whatever goes wrong, nothing.
 *
 * @param range null: the chunk is the whole file
 */
export async function addChunk<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  sender: Sender,
  id: string,
  chunk: Chunk,
  range: ContentRange | null,
): Promise<Upload> {
  const size = range && sizeOf(range)
  try {
    requireLength(chunk, size)
    const found = await findUpload(deps, sender.actor, id)
    requireOpen(found, deps.now())
    // Before the lock: a chunk that has no place here must not stop the one that is being written.
    requirePlace(found, range)
    return await underLock(deps, found.id, sender.gone, async (lock) => {
      const { upload, published } = await deps.uploads.current(lock)
      if (published !== null) throw alreadyComplete()
      requirePlace(upload, range)
      return store(deps, lock, upload, chunk, size, (bytes) => {
        const total = range?.total ?? bytes
        requireTotal(upload, total)
        return { size: total }
      })
    })
  } catch (error) {
    throw await sizeFirst(chunk, size, deps.settings.maxBytes, error)
  }
}

/** Runs `work` with the upload's lock, which is let go however it ends. */
export async function underLock<P extends PublishedFile, T>(
  { uploads }: Pick<ChunkedDeps<P>, 'uploads'>,
  id: string,
  signal: AbortSignal,
  work: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const lock = await uploads.lock(id, { signal })
  try {
    return await work(lock)
  } finally {
    lock.release()
  }
}

/** Straight to its place; nothing counts before the request is whole and as long as it said. */
async function store<P extends PublishedFile>(
  { uploads, settings }: ChunkedDeps<P>,
  lock: HeldLock,
  upload: Upload,
  chunk: Chunk,
  size: number | null,
  confirm: (bytes: number) => BodyFacts,
): Promise<Upload> {
  const done = await uploads.append(lock, upload, {
    offset: upload.offset,
    body: chunk.body,
    mode: 'whole',
    maxBytes: size ?? settings.maxBytes ?? Number.MAX_SAFE_INTEGER,
    async confirm(bytes) {
      await chunk.rest()
      if (size !== null && bytes !== size) throw sizeDiffers(bytes, size)
      return confirm(bytes)
    },
  })
  return done.upload
}

function newUpload<P extends PublishedFile>(
  { settings, newId, now }: ChunkedDeps<P>,
  chunk: Chunk,
  size: number | null,
): NewUpload {
  const { checksum, storagePath, incompleteExt, completeExt, expirationMs } = settings
  const id = newId()
  const place = `${strftime(storagePath, now()) ?? ''}/${id}`
  return {
    id,
    door: DOOR,
    size,
    filename: nameOf(chunk),
    declaredType: chunk.declaredType,
    // Begun by a POST, it may be one of the ancestor's, which knows no other digest.
    digestAlgorithms: size === null ? [checksum, 'md5'] : [checksum],
    autoFinish: false,
    endsAfterMs: expirationMs,
    keys: { arriving: place + incompleteExt, complete: place + completeExt },
  }
}

async function abandon<P extends PublishedFile>(
  { uploads, log }: ChunkedDeps<P>,
  lock: HeldLock,
): Promise<void> {
  try {
    await uploads.terminate(lock)
  } catch (error) {
    // The core ends by itself what it refuses.
    if (error instanceof Fault && error.reason === 'upload-ended') return
    log.warn({ err: error, upload: lock.id }, 'a failed first chunk left an unfinished upload')
  }
}
