import type { Database } from '../db/database.ts'
import { Fault } from '../errors.ts'
import { openAppender } from './s3-append.ts'
import { createBucket } from './s3-bucket.ts'
import { connectS3, type S3Options } from './s3-client.ts'
import { s3Fault } from './s3-faults.ts'
import { finalise, remove } from './s3-finish.ts'
import { joinSources, type Source } from './s3-join.ts'
import { createMultipart } from './s3-multipart.ts'
import { createS3Objects } from './s3-objects.ts'
import { endOf, LARGEST_OBJECT_BYTES, partSizeFor, storedSize } from './s3-pieces.ts'
import { createReading } from './s3-read.ts'
import { openSpool } from './s3-spool.ts'
import { restKey, type Store, type Turn, takeTurn } from './s3-turn.ts'
import type { Appender, IsOurs, ObjectPlan, Storage } from './storage.ts'
import { assertStorageKey } from './storage-key.ts'

export interface S3StorageOptions extends S3Options {
  /** Knows what is stored of unfinished objects: the store itself is never asked. */
  db: Database
  /** Folder for bytes on their way; made when absent. */
  spoolDir: string
  /** Bytes of a part of a small object. Default 8 MiB; S3 takes no less than 5. */
  usualPartBytes?: number
}

/** A storage that holds connections. */
export interface S3Storage extends Storage {
  close(): void
}

/** Sources of a join that are looked up at a time. */
const LOOKS_AT_A_TIME = 8

/**
 * Objects in a bucket of an S3 store, and what is stored of unfinished ones in the database.
 *
 * @throws Error with a message for the operator where the bucket cannot be used.
 */
export async function openS3Storage(options: S3StorageOptions): Promise<S3Storage> {
  const { db, spoolDir, usualPartBytes: usual } = options
  const spool = await openSpool(spoolDir)
  const s3 = await connectS3(options)
  const bucket = createBucket(s3)
  const objects = createS3Objects(db)
  const store: Store = {
    bucket,
    objects,
    multipart: createMultipart(s3),
    checksums: options.checksums,
  }
  const reading = createReading(s3, async (key) => (await locateUnfinished(key)).key)
  /** What is an object of the store, and nothing else. */
  const stored = createReading(s3, async () => {
    throw new Fault('not-found')
  })

  /** An unfinished object whose bytes are one object of the store can be read as well. */
  async function locateUnfinished(key: string): Promise<Source> {
    const object = await objects.find(key)
    if (object === null) throw new Fault('not-found')
    const size = storedSize(object.pieces)
    const rest = object.pieces.find(
      (piece) => piece.etag !== null && piece.kind !== 'part' && endOf(piece) === size,
    )
    if (rest === undefined || rest.start > 0)
      throw new Error('the parts of an unfinished object cannot be read')
    return { key: restKey(object, rest), size }
  }

  async function locate(key: string): Promise<Source> {
    assertStorageKey(key)
    const size = await bucket.size(key)
    return size === null ? locateUnfinished(key) : { key, size }
  }

  async function create(key: string, { target = key, size = null }: ObjectPlan): Promise<void> {
    for (const name of [key, target]) assertStorageKey(name)
    if (size !== null && size > LARGEST_OBJECT_BYTES)
      throw new Fault('too-large', {
        text: `The largest file that can be stored here is ${LARGEST_OBJECT_BYTES} bytes.`,
      })
    const partSize = partSizeFor(size, usual)
    if (!(await objects.insert({ key, target, partSize })))
      throw new Error('an object is begun twice')
  }

  /** Asked before as well: whoever takes the turn ends that of the one who has it. */
  async function take(key: string, isOurs: IsOurs): Promise<Turn> {
    if (!isOurs()) throw new Fault('locked', { retryAfterSeconds: 1 })
    const turn = await takeTurn(store, key)
    if (!isOurs()) throw new Fault('locked', { retryAfterSeconds: 1 })
    return turn
  }

  async function detach(key: string, isOurs: IsOurs): Promise<void> {
    if (!isOurs()) throw new Fault('locked', { retryAfterSeconds: 1 })
    await objects.fence(key)
  }

  async function append(key: string, offset: number, isOurs: IsOurs) {
    const turn = await take(key, isOurs)
    return openAppender({ turn, spool, reading, usual }, offset)
  }

  async function join(key: string, keys: readonly string[], isOurs: IsOurs): Promise<void> {
    const found = await locateAll(keys)
    const turn = await take(key, isOurs)
    // Parts that the store copies have no checksum everywhere: then none of them has one.
    const offset = storedSize(turn.object.pieces)
    const appender = await openAppender({ turn, spool, reading, usual }, offset)
    try {
      await turn.setChecksums(false)
      const sources = keys.map((source) => found.get(source) ?? { key: source, size: 0 })
      await joinSources(appender, reading, { sources, copies: !turn.checksummed })
      await appender.sync()
    } finally {
      await appender.close()
    }
  }

  async function locateAll(keys: readonly string[]): Promise<Map<string, Source>> {
    const left = [...new Set(keys)]
    const found = new Map<string, Source>()
    while (left.length > 0) {
      const now = left.splice(0, LOOKS_AT_A_TIME)
      const sources = await Promise.all(now.map(locate))
      for (const [index, source] of sources.entries()) found.set(now[index] ?? '', source)
    }
    return found
  }

  async function get(key: string, most: number): Promise<Uint8Array | null> {
    const bytes = await stored.bytes(key, 0, most + 1).catch((error: unknown) => {
      if (error instanceof Fault && error.reason === 'not-found') return null
      throw error
    })
    return bytes === null || bytes.byteLength > most ? null : bytes
  }

  async function size(key: string): Promise<number | null> {
    const object = await objects.find(key)
    return object === null ? bucket.size(key) : storedSize(object.pieces)
  }

  return {
    create: (key, plan = {}) => create(key, plan).catch(rethrow),
    size: (key) => size(key).catch(rethrow),
    append: (key, offset, isOurs = always) => append(key, offset, isOurs).then(guarded, rethrow),
    read: (key, range) => reading.stream(key, range),
    get: (key, most) => get(key, most).catch(rethrow),
    readAt: (key, start, length) => reading.bytes(key, start, length).catch(rethrow),
    remove: (key) => remove(store, key).catch(rethrow),
    join: (key, sources, isOurs = always) => join(key, sources, isOurs).catch(rethrow),
    finalise: (key, size, to) => finalise(store, reading, { key, size, to }).catch(rethrow),
    detach: (key, isOurs) => detach(key, isOurs).catch(rethrow),
    put: (key, bytes) => bucket.putBytes(key, bytes).catch(rethrow),
    ping: () => bucket.ping().catch(rethrow),
    keys: (ending) => bucket.keys(ending),
    close: () => s3.client.destroy(),
  }
}

const always = () => true

function rethrow(error: unknown): never {
  throw s3Fault(error)
}

/** The same appender, whose errors are Faults. */
function guarded(appender: Appender): Appender {
  return {
    write: (buffers) => appender.write(buffers).catch(rethrow),
    sync: (whole) => appender.sync(whole).catch(rethrow),
    readHead: (length) => appender.readHead(length).catch(rethrow),
    truncate: (size) => appender.truncate(size).catch(rethrow),
    close: () => appender.close().catch(rethrow),
  }
}
