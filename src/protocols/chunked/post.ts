import { Fault } from '../../errors.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { BodyFacts, Progress } from '../../uploads/uploads.ts'
import { parseContentRange } from '../../wire/content-range.ts'
import { requireRange, sizeFirst, sizeOf } from './check.ts'
import type { Chunk } from './chunk.ts'
import { type ExpectedDigest, finish } from './complete.ts'
import type { ChunkedDeps, PublishedFile } from './deps.ts'
import { addChunk, beginUpload, type Sender } from './store.ts'
import {
  checksumDiffers,
  checksumMissing,
  emptyFile,
  offsetsDiffer,
  overLimit,
  sizeDiffers,
} from './words.ts'

/** What a POST to the collection came to: a whole file, or a chunk in the ancestor's dialect. */
export type Posted<P> = { whole: Progress<P> } | { chunk: Upload }

/**
 * A POST to the collection. With a digest it is a whole file; with `upload_id`, or with a
 * Content-Range and no digest, a chunk of django-chunked-upload. With none of these it is the
 * ancestor's small file, unless it has a `filename`: only clients of the source send one, and they
 * forgot the digest.
 */
export async function takePosted<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  sender: Sender,
  chunk: Chunk,
  rangeHeader: string | undefined,
): Promise<Posted<P>> {
  const { checksum, maxBytes } = deps.settings
  const uploadId = chunk.fields.get('upload_id')
  if (uploadId) {
    const range = rangeHeader === undefined ? null : requireRange(rangeHeader, maxBytes)
    return { chunk: await addChunk(deps, sender, uploadId, chunk, range) }
  }
  const digest = () => chunk.fields.get(checksum) || undefined
  if (digest() === undefined) await refuseEarly(chunk, rangeHeader, maxBytes)
  const confirm = (bytes: number) => factsOf(deps, chunk, rangeHeader, bytes)
  return beginUpload(deps, sender, chunk, null, confirm, async (lock, upload) => {
    const hex = digest()
    if (hex === undefined) return { chunk: upload }
    const expected = { algorithm: checksum, hex, differs: checksumDiffers }
    return { whole: await finishOrDrop(deps, lock, upload, expected) }
  })
}

/**
 * A whole file in one request leaves nothing behind that its client could ask about: where it
 * cannot be finished now it is dropped, so that sending it again does not make two of it.
 */
async function finishOrDrop<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  lock: HeldLock,
  upload: Upload,
  expected: ExpectedDigest,
): Promise<Progress<P>> {
  try {
    return await finish(deps, lock, upload, expected)
  } catch (error) {
    if (!(error instanceof Fault && error.reason === 'pending')) throw error
    await deps.uploads.terminate(lock, { keepsPublished: true })
    throw error.cause instanceof Fault ? error.cause : new Fault('unavailable', { cause: error })
  }
}

/** What a range says that no field after the file can mend. */
async function refuseEarly(
  chunk: Chunk,
  rangeHeader: string | undefined,
  maxBytes: number | null,
): Promise<void> {
  const range = rangeHeader === undefined ? null : parseContentRange(rangeHeader)
  if (range === null) return
  if (maxBytes !== null && range.total > maxBytes) throw overLimit(maxBytes)
  if (range.start === 0) return
  throw await sizeFirst(chunk, sizeOf(range), maxBytes, offsetsDiffer(0, range.start))
}

/** Decides what it was, now that all fields are here. Throws: nothing of it stays. */
function factsOf<P extends PublishedFile>(
  { settings }: ChunkedDeps<P>,
  { fields }: Chunk,
  rangeHeader: string | undefined,
  bytes: number,
): BodyFacts {
  const { checksum, maxBytes } = settings
  if (fields.get('upload_id'))
    throw new Fault('bad-request', { text: "Send 'upload_id' before the chunk" })
  if (fields.get(checksum)) {
    if (bytes === 0) throw emptyFile()
    return { size: bytes }
  }
  if (rangeHeader === undefined) {
    if (fields.has('filename') || fields.has(checksum)) throw checksumMissing(checksum)
    return { size: bytes }
  }
  const range = requireRange(rangeHeader, maxBytes)
  if (bytes !== sizeOf(range)) throw sizeDiffers(bytes, sizeOf(range))
  return { size: range.total }
}
