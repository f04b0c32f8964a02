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
  /**
   * The bytes, read with backpressure and never held whole. Its buffers are emptied once they are
   * stored, where they have memory of their own.
   */
  body: Readable
  /** Bytes announced for this body, where known: refused early when they cannot fit. */
  length?: number | null
  /** Largest body: beyond it `too-large`, and what was not recorded of it is dropped. */
  maxBytes?: number
  /** Tells on the way how far the upload has come: only what survives a crash from then on. */
  progress?: {
    /** Milliseconds after which the offset is recorded and told, once more bytes arrive. */
    everyMs: number
    onRecorded(offset: number): void
  }
  /** No other body comes after this one, for an upload whose size nobody knows before. */
  last?: true
  /** `keep` (default): what arrived before a cut stays. `whole`: all of the body or none of it. */
  mode?: 'keep' | 'whole'
  /** The bytes of this body must have this digest: `digest-mismatch`, and then nothing of it stays. */
  verify?: {
    /**
     * Of node:crypto, or `crc32`, `crc32c`. Where only the end of the body tells: what it may be,
     * and who knows by then which one it is.
     */
    algorithm: string | { among: readonly string[]; told: () => string }
    /** Asked when the body is complete (a trailer comes last). Null counts as differing. */
    expected: () => Uint8Array | null
  }
  /**
   * Awaited when the body is complete and before any of it counts; told its length. When it rejects,
   * nothing of the body stays (needs mode `whole`). What it gives is recorded with the new offset.
   */
  confirm?: (bytes: number) => Promise<BodyFacts>
}

/** What a door learns of an upload only with the end of a body. */
export interface BodyFacts {
  filename?: string | undefined
  /** Total bytes, for an upload that was created without. */
  size?: number | undefined
}

export interface ListQuery {
  /** Those of any of these doors. */
  doors: readonly string[]
  /** Those of every user; otherwise the actor's own. None for an anonymous one in either case. */
  everybody: boolean
  /** At most so many, after leaving out `offset` newer ones. */
  limit: number
  offset: number
}

/** An upload that is put together from others. Its length is theirs. */
export interface NewWhole extends Omit<NewUpload, 'size' | 'parts' | 'purpose' | 'autoFinish'> {
  /** Uploads with the purpose `part`, in order; the same one may stand in it twice. 1 to 1,000. */
  partIds: readonly string[]
  recipe: string
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
  /**
   * As `create`, where the first bytes come in the same request: with the lock, in fewer statements.
   * Until they are recorded no other request finds the upload. The caller releases the lock.
   */
  createHeld(actor: Actor, input: NewUpload): Promise<Progress<P> & { lock: HeldLock }>
  /**
   * Creates an upload whose bytes are those of its parts. It is published now, or with the last
   * byte of the last part. `not-found` for an unknown or foreign part, `upload-ended` for one that
   * has ended, `bad-request` for an upload that is no part.
   */
  join(actor: Actor, input: NewWhole): Promise<Progress<P>>
  /**
   * The upload, if this actor may know of it; `not-found` for unknown and foreign ones alike.
   * `shared`: the door lets every user reach every upload.
   */
  find(actor: Actor, id: string, options?: { shared?: boolean }): Promise<Upload>
  /** Uploads that have not ended, finished ones included, newest first. */
  list(actor: Actor, query: ListQuery): Promise<Upload[]>
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
  /**
   * The digest of what has arrived, lower-case hex. It costs nothing with an algorithm that the
   * upload was created with; for any other the bytes are read.
   */
  digest(upload: Upload, algorithm: string): Promise<string>
  /**
   * Ends the upload: state first, then bytes; a published file goes with it. With `keepsPublished`
   * that is `upload-ended` instead.
   */
  terminate(lock: HeldLock, options?: { keepsPublished?: boolean }): Promise<void>
}
