import type { Readable } from 'node:stream'

/** Inclusive byte positions, as in RFC 9110 §14.1.2. */
export interface ByteRange {
  start: number
  end: number
}

/**
 * Where the bytes of uploads live, addressed by a key that is fixed when the upload is created: a
 * finished file is never moved or copied. Every method rejects with a Fault: `storage-full` when
 * there is no room, `not-found` when the key is unknown, `unavailable` for any other trouble.
 */
export interface Storage {
  /**
   * Makes an empty object. It survives a power cut once this resolves (unless durability is
   * `process`). Rejects when the key exists already: two uploads never share bytes.
   */
  create(key: string, plan?: ObjectPlan): Promise<void>

  /**
   * As `create`, and leaves the object open for its first bytes: it survives a power cut once they
   * are synced. Absent where that saves nothing.
   */
  createOpen?(key: string): Promise<Appender>

  /** Bytes stored under the key, or null where there is no such object. */
  size(key: string): Promise<number | null>

  /**
   * Opens an object for writing at `offset`. Bytes that lie past it are dropped first: they were
   * never acknowledged. Rejects with `unavailable` when fewer than `offset` bytes are there, and
   * with `locked` where it is not ours any more once it is open.
   */
  append(key: string, offset: number, isOurs?: IsOurs): Promise<Appender>

  /** Streams a range, or everything. Ends early where the object does: who must know, counts. */
  read(key: string, range?: ByteRange): Readable

  /** Reads at most `length` bytes from `start`; fewer only at the end of the object. */
  readAt(key: string, start: number, length: number): Promise<Uint8Array>

  /** Removes the object; removing what is not there is not an error. */
  remove(key: string): Promise<void>

  /**
   * Appends the whole of `sources`, in order, to the object at `key`, without passing the bytes
   * through this process where the system can do that. `isOurs` as in `append`.
   */
  join(key: string, sources: readonly string[], isOurs?: IsOurs): Promise<void>

  /**
   * Declares the object finished: checks that exactly `size` bytes are there, all of them made
   * durable by `sync` before. With `to`, the `target` of its creation, the object is known by that
   * key from here on; no byte is copied. Doing it again changes nothing.
   */
  finalise(key: string, size: number, to?: string): Promise<void>

  /** Stores a small object whole or not at all, over what was there (thumbnails, manifests). */
  put(key: string, bytes: Uint8Array): Promise<void>

  /**
   * The bytes of an object that `put` stored; null where there is none, or a larger one than `most`.
   * Asks no database, so that it may be called within a transaction.
   */
  get(key: string, most: number): Promise<Uint8Array | null>

  /** Resolves when the storage answers; rejects with `unavailable` otherwise. */
  ping(): Promise<void>

  /** Removes what a crash left of a `put` that began before, where a crash leaves anything. */
  removeUnfinishedPuts?(before: Date): Promise<void>

  /**
   * Makes an object of a file on this machine without copying a byte: from here on both names stand
   * for the same bytes. Durable as `create` is, and as exclusive. Rejects with `unavailable` where
   * the system cannot do it, as between two file systems.
   */
  link?(key: string, path: string): Promise<void>

  /**
   * Sees to it that nobody who has an unfinished object open can change it any more: a server that
   * lost its lease, and may be about to write what it had ready. What is open there is from then on
   * another object than the one of this key. Absent where they could not anyway. Rejects with
   * `locked` where it is not ours any more before that is done.
   */
  detach?(key: string, isOurs: IsOurs): Promise<void>

  /** The path of the object on this machine, for backends whose objects are files. */
  localPath?(key: string): string

  /** The keys of all objects that end like this, in no order. */
  keys?(ending: string): AsyncIterable<string>
}

/** Asked after an object is open and before it is changed: whether it is still ours to change. */
export type IsOurs = () => boolean

/** What is known of an object before its first byte. */
export interface ObjectPlan {
  /** The key that `finalise` will give it. Default: the one it has. */
  target?: string | undefined
  /** Bytes that it will have; null or left out where nobody knows. */
  size?: number | null | undefined
}

/** An object open for writing at its end. One writer at a time; the upload's lock sees to that. */
export interface Appender {
  /**
   * Bytes after which a sync that runs beside the next writes makes the last one shorter. Absent
   * where bytes are stored as they come, and a sync in between would only be work.
   */
  readonly syncEveryBytes?: number
  /** Writes the buffers in order, in as few system calls as it takes. */
  write(buffers: readonly Uint8Array[]): Promise<void>
  /**
   * Makes all that was written survive what the configured durability promises.
   *
   * @param whole the object has all its bytes now: nothing is written after this.
   */
  sync(whole?: boolean): Promise<void>
  /** Reads bytes of the first 64 KiB that this appender has just written, before they are synced. */
  readHead(length: number): Promise<Uint8Array>
  /** Drops the bytes past `size`. */
  truncate(size: number): Promise<void>
  close(): Promise<void>
}
