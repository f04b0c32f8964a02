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
  /** Declares what has arrived to be all, and publishes it. For bodies of unknown length. */
  finish(
    lock: HeldLock,
    upload: Upload,
    facts: { filename: string; description: string },
  ): Promise<Progress<P>>
  /** Ends the upload: state first, then bytes; a published file goes with it. */
  terminate(lock: HeldLock): Promise<void>
}
