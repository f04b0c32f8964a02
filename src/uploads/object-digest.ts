import { Fault } from '../errors.ts'
import type { Digest, DigestJob } from '../streams/digest.ts'
import type { Core } from './core.ts'
import { digestAlgorithmsOf, finalKeyOf, type Upload } from './upload.ts'

/** Digests of an object while it is written. */
export interface WrittenDigest extends Digest {
  /**
   * To be told of every write, in order. Resolves when the next one may come: at once where the
   * bytes are followed in their file, and when not too many wait where they are handed over.
   */
  written(upTo: number, buffers: readonly Uint8Array[]): Promise<void>
}

/** Follows the file where the storage has files, which costs no copy; takes the bytes otherwise. */
export function openDigest(
  { storage, digester }: Pick<Core<unknown>, 'storage' | 'digester'>,
  key: string,
  job: DigestJob,
): WrittenDigest {
  if (storage.localPath === undefined) {
    const digest = digester.openFed(job)
    return { ...digest, written: (_upTo, buffers) => digest.feed(buffers) }
  }
  const digest = digester.open({ ...job, path: storage.localPath(key) })
  return { ...digest, written: async (upTo) => digest.follow(upTo) }
}

/** The digests that ran along; only what came after the last saved state is read for them. */
export async function digestsOf(
  core: Core<unknown>,
  upload: Upload,
): Promise<Record<string, string>> {
  const algorithms = digestAlgorithmsOf(upload)
  if (algorithms.length === 0) return {}
  const job = { algorithms, state: upload.digestState ?? undefined, saves: true }
  try {
    if (core.storage.localPath === undefined) return await digestStored(core, upload, job)
    const key = upload.state === 'receiving' ? upload.storageKey : finalKeyOf(upload)
    const digest = openDigest(core, key, job)
    return await digest.finish(upload.offset).finally(() => digest.close())
  } catch (error) {
    if (error instanceof Fault) throw error
    throw new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
  }
}

/** One of them, or another one, for which all bytes are read. */
export async function digestOf(
  core: Core<unknown>,
  upload: Upload,
  algorithm: string,
): Promise<string> {
  const runsAlong = digestAlgorithmsOf(upload).includes(algorithm)
  const known = runsAlong ? upload : { ...upload, digestAlgorithms: algorithm, digestState: null }
  const { [algorithm]: digest } = await digestsOf(core, known)
  if (digest === undefined) throw new Error(`there is no digest with ${algorithm}`)
  return digest
}

async function digestStored(
  core: Core<unknown>,
  upload: Upload,
  job: DigestJob,
): Promise<Record<string, string>> {
  try {
    return await digestRest(core, upload, job)
  } catch (error) {
    if (error instanceof Fault || job.state === undefined) throw error
    // Another build wrote the state, or the thread died: the bytes are there.
    return digestRest(core, upload, { ...job, state: undefined })
  }
}

/** From the saved state on, through the storage. */
async function digestRest(
  { storage, digester }: Core<unknown>,
  upload: Upload,
  job: DigestJob,
): Promise<Record<string, string>> {
  const { offset, storageKey, finalKey, state } = upload
  const digest = digester.openFed(job)
  try {
    const start = job.state?.at ?? 0
    // Some storages give no byte of an object that is not finished. Nothing is written any more to
    // an upload that is asked for the digest of all its bytes, whatever becomes of it then.
    if (start < offset && state === 'receiving')
      await storage.finalise(storageKey, offset, finalKey ?? undefined)
    if (start < offset)
      for await (const bytes of storage.read(finalKeyOf(upload), { start, end: offset - 1 }))
        await digest.feed([bytes as Buffer])
    return await digest.finish(offset)
  } finally {
    digest.close()
  }
}
