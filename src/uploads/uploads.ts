import type { Readable } from 'node:stream'
import type { Actor } from '../auth/actor.ts'
import type { AcquireOptions, HeldLock } from './lock.ts'
import type { NewUpload, Upload } from './upload.ts'

/** An upload, and what was published from it once it is finished (`P`: compose decides what). */
export interface Progress<P> {
  upload: Upload
  published: P | null
}

export interface AppendInput {
  /** Where the caller believes the upload stands; `offset-mismatch` otherwise. */
  offset: number
  /** The bytes, read with backpressure and never held whole. */
  body: Readable
  /** Bytes announced for this body, where known: refused early when they cannot fit. */
  length?: number | null
  /** `keep` (default): what arrived before a cut stays. `whole`: all of the body or none of it. */
  mode?: 'keep' | 'whole'
  /** The bytes of this body must have this digest: `digest-mismatch`, and then nothing of it stays. */
  verify?: {
    /** Of node:crypto, or `crc32`, `crc32c`. */
    algorithm: string
    /** Asked when the body is complete (a trailer comes last). Null counts as differing. */
    expected: () => Uint8Array | null
  }
}

export interface FinishFacts {
  /** Name of the record, where it is not the file's own. */
  title?: string | null
  description?: string
}

/** The face of the uploads core: what every door calls, in words of no protocol. */
export interface Uploads<P> {
  /** Inserts the row with its quota and makes the empty object. An upload of 0 bytes is finished. */
  create(actor: Actor, input: NewUpload): Promise<Progress<P>>
  /** The upload, if this actor may know of it; `not-found` for unknown and foreign ones alike. */
  find(actor: Actor, id: string): Promise<Upload>
  lock(id: string, options?: AcquireOptions): Promise<HeldLock>
  /**
   * The upload as it is under the lock. One whose bytes are all there but which is not published
   * yet is finished now, or rejects with `pending`; ended ones reject with what ended them.
   */
  current(lock: HeldLock): Promise<Progress<P>>
  /** Fixes a length that was deferred. */
  declareSize(lock: HeldLock, upload: Upload, size: number): Promise<Upload>
  /** Stores bytes at the end; publishes the upload when its declared size is reached. */
  append(lock: HeldLock, upload: Upload, input: AppendInput): Promise<Progress<P>>
  /**
   * Declares what has arrived to be all, and publishes it: for bodies of unknown length, and for
   * uploads that do not finish by themselves. `length-invalid` while declared bytes are missing.
   */
  finish(lock: HeldLock, upload: Upload, facts?: FinishFacts): Promise<Progress<P>>
  /** The digest of what has arrived, hex, with an algorithm that the upload was created with. */
  digest(upload: Upload, algorithm: string): Promise<string>
  /** Ends the upload: state first, then bytes; a published file goes with it. */
  terminate(lock: HeldLock): Promise<void>
}
