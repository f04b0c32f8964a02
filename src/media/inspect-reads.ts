import { headBytes, inspectionReadBytes } from './bytes.ts'
import type { Wanted } from './inspect-job.ts'

/**
 * Times that one inspection may ask for bytes: each is a way to the storage and back. The files that
 * people have need fewer than ten, since the child asks for 64 KiB at least.
 */
export const readsMax = 256

/** Bytes that it may be given: what detection and image data may read, and what was read ahead. */
const bytesMax = 2 * inspectionReadBytes + readsMax * headBytes

/** Answers what a child asks of one file; a child may be in the hands of the file it looks at. */
export interface Reads {
  /** Null where the bytes could not be had. Past the bounds the file looks as though it ended. */
  answer(wanted: Wanted): Promise<Uint8Array | null>
  /** Why a read failed, if one did: then nothing can be said about the file. */
  failure(): unknown
  /** Whether the storage owes an answer. */
  waits(): boolean
}

const nothing = new Uint8Array(0)

/** @param size bytes of the file; none behind them are given. */
export const createReads = (
  read: (start: number, length: number) => Promise<Uint8Array>,
  size: number,
): Reads => {
  let reads = 0
  let bytes = 0
  let pending = 0
  let failure: unknown
  const answer = async ({ start, length }: Wanted): Promise<Uint8Array | null> => {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(length)) return nothing
    const wanted = Math.min(length, size - start)
    if (start < 0 || wanted <= 0) return nothing
    if (++reads > readsMax || bytes + wanted > bytesMax) return nothing
    bytes += wanted
    pending++
    try {
      return await read(start, wanted)
    } catch (error) {
      failure = error
      return null
    } finally {
      pending--
    }
  }
  return {
    answer,
    failure: () => failure,
    waits: () => pending > 0,
  }
}
