import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../errors.ts'
import type { StoredPart } from './s3-bucket.ts'
import { isNoSuchKey, s3Code } from './s3-faults.ts'
import type { S3Object } from './s3-objects.ts'
import { type Assembly, assemble, endOfParts, type Piece, storedSize } from './s3-pieces.ts'
import type { Reading } from './s3-read.ts'
import { restKey, type Store, tailKey } from './s3-turn.ts'

/**
 * A store may have taken the parts of a multipart upload a little before its object is there, or be
 * about to put the same object there a second time: for a moment there was none in a test on versitygw.
 */
const APPEARS_MS = [50, 200, 800]

/**
 * Makes the object of its pieces, under its target, and forgets the pieces. May be run again, after
 * a crash at any point in it, and by two servers at once.
 */
export async function finalise(
  store: Store,
  reading: Reading,
  { key, size, to = key }: { key: string; size: number; to?: string | undefined },
): Promise<void> {
  const object = await store.objects.find(key)
  if (object === null) return requireFinished(store, to, size, APPEARS_MS)
  if (object.target !== to) throw new Error('this object was begun with another target')
  const found = assemble(object.pieces, size)
  if (found === null)
    throw new Error(`object holds ${storedSize(object.pieces)} bytes where ${size} were recorded`)
  let completed = found.parts.length > 0
  await makeObject(store, reading, object, found).catch(async (error: unknown) => {
    // Two servers at once are more than some stores answer well: it may be done all the same. What
    // is there is whole, and nobody else makes an object of this key.
    const isThere = (await store.bucket.size(to).catch(() => null)) === size
    if (!isThere && !isUsedUp(error) && (await store.objects.find(key)) !== null) throw error
    await requireFinished(store, to, size, APPEARS_MS)
    completed = false
  })
  // Also where another one has completed it: our part may have come after that.
  if (!completed && object.multipartId !== null)
    await store.multipart.abort(object.target, object.multipartId)
  await removeLeftovers(store, object)
  await store.objects.forget(key)
}

/** @param pauses milliseconds before each further look, where it may be about to appear */
async function requireFinished(
  { bucket }: Store,
  key: string,
  size: number,
  pauses: readonly number[],
): Promise<void> {
  let found = await bucket.size(key)
  for (const pause of pauses) {
    if (found !== null) break
    await delay(pause)
    found = await bucket.size(key)
  }
  if (found === null) throw new Fault('not-found')
  if (found !== size) throw new Error(`object holds ${found} bytes where ${size} were recorded`)
}

async function makeObject(
  store: Store,
  reading: Reading,
  object: S3Object,
  { parts, rest }: Assembly,
): Promise<void> {
  const { bucket, multipart } = store
  const { target, multipartId } = object
  if (rest?.kind === 'whole') return
  if (parts.length > 0 && multipartId !== null) {
    const last = rest === null ? [] : [await addRest(store, reading, object, parts, rest)]
    await multipart.complete(target, multipartId, [...parts, ...last].map(asStored))
  } else if (rest !== null) await bucket.copy(restKey(object, rest), target)
  else await bucket.putBytes(target, new Uint8Array(0))
}

/**
 * What would have been used is not there any more. An earlier run, whose answer was lost, or another
 * server has used it: nothing else removes it before the row.
 */
function isUsedUp(error: unknown): boolean {
  const isMissing = error instanceof Fault && error.reason === 'not-found'
  return isMissing || isNoSuchKey(error) || s3Code(error) === 'NoSuchUpload'
}

/**
 * The tail as the last part. Its bytes pass through this process, as a stream: a part that the store
 * copies has no checksum with every store, and those before it have one.
 */
async function addRest(
  { multipart, objects }: Store,
  reading: Reading,
  object: S3Object,
  parts: readonly Piece[],
  rest: Piece,
): Promise<Piece> {
  const { key, target, multipartId } = object
  const number = await objects.addPart(key)
  if (number === null || multipartId === null) throw new Fault('not-found')
  const checksummed = parts.every(({ checksum }) => checksum !== null)
  const body = {
    size: rest.size,
    checksum: checksummed ? (rest.checksum ?? undefined) : undefined,
    open: () => reading.stream(restKey(object, rest)),
  }
  const sent = await multipart.put(target, multipartId, number, body)
  const piece = { ...rest, ...sent, kind: 'part' as const, start: endOfParts(parts) }
  await objects.recordPart(key, piece)
  return piece
}

function asStored({ number, etag, checksum }: Piece): StoredPart {
  if (etag === null) throw new Error('a part that is not stored was to be used')
  return { number, etag, checksum }
}

/**
 * Tails, and multipart uploads of this key that nobody knows the id of: one that was begun and lost
 * its answer, one that was left for another. Nothing is listed where there can be none.
 */
async function removeLeftovers(
  { bucket, multipart }: Store,
  { key, target, pieces, multipartId, multipartsBegun }: S3Object,
): Promise<void> {
  for (const { kind, number } of pieces)
    if (kind === 'tail') await bucket.remove(tailKey(key, number))
  if (multipartsBegun > (multipartId === null ? 0 : 1))
    for (const id of await multipart.list(target)) await multipart.abort(target, id)
}

/** Whatever is stored under the key, finished or not. */
export async function remove(store: Store, key: string): Promise<void> {
  const { bucket, multipart, objects } = store
  const object = await objects.fence(key)
  if (object !== null) {
    const { target, multipartId } = object
    if (multipartId !== null) await multipart.abort(target, multipartId)
    await removeLeftovers(store, object)
    if (target !== key) await bucket.remove(target)
  }
  await bucket.remove(key)
  if (object !== null) await objects.forget(key)
}
