import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/**
 * Random access to the bytes of one file. `read` gives fewer bytes than asked for only where the
 * source ends, and none at all past its end; it never rejects because a place does not exist.
 */
export interface ByteSource {
  readonly size: number
  read(start: number, length: number): Promise<Uint8Array>
}

/** Bytes that one inspection may read, all reads together. */
export const inspectionReadBytes = 4 * 1024 * 1024

/** Bytes from the start that are read at once and kept: nearly every question is answered there. */
export const headBytes = 64 * 1024

const nothing = new Uint8Array(0)

/** The bytes of a range that exist, as a view of `bytes`; nothing for a nonsensical range. */
const slice = (bytes: Uint8Array, start: number, length: number): Uint8Array =>
  start >= 0 && length > 0 && start < bytes.length
    ? bytes.subarray(start, Math.min(bytes.length, start + length))
    : nothing

/** A source over bytes that are in memory already. */
export const fromBytes = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: async (start, length) => slice(bytes, start, length),
})

/**
 * A source over a file, that must be closed. Rejects with the system's error (ENOENT, EIO). Reads
 * at once instead of in the thread pool: for a process with nothing else to do, in which each trip
 * to the pool takes longer than the reading.
 */
export const openFile = async (path: string): Promise<ByteSource & { close(): void }> => {
  const file = openSync(path, 'r')
  const close = (): void => closeSync(file)
  let size: number
  try {
    ;({ size } = fstatSync(file))
  } catch (error) {
    close()
    throw error
  }
  const read = async (start: number, length: number): Promise<Uint8Array> => {
    const wanted = Math.min(length, size - start)
    if (!(start >= 0 && wanted > 0)) return nothing
    const bytes = new Uint8Array(wanted)
    let filled = 0
    while (filled < wanted) {
      const bytesRead = readSync(file, bytes, filled, wanted - filled, start + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }
  return { size, read, close }
}

/**
 * The same source with its head kept in memory and with a budget: once `budget` bytes were read,
 * the file looks as though it ended. A parser has to cope with short files anyway, so a hostile
 * file that sends it around in circles costs a bounded amount of reading and no special error.
 */
export const bounded = (source: ByteSource, budget = inspectionReadBytes): ByteSource => {
  let left = budget
  let head: Promise<Uint8Array> | null = null
  const take = (start: number, length: number): Promise<Uint8Array> => {
    const granted = Math.min(length, left)
    left -= granted
    return source.read(start, granted)
  }
  return {
    size: source.size,
    async read(start, length) {
      const wanted = Math.min(length, source.size - start)
      if (!(start >= 0 && wanted > 0)) return nothing
      head ??= take(0, Math.min(headBytes, source.size))
      const kept = await head
      return start + wanted <= kept.length ? slice(kept, start, wanted) : take(start, wanted)
    },
  }
}

/**
 * The same source, asked for at least 64 KiB at a time: what stands close together, as most of a
 * container's headers do, is then one read where each one takes its time.
 */
export const readAhead = (source: ByteSource): ByteSource => {
  let block: Uint8Array = nothing
  let at = 0
  return {
    size: source.size,
    async read(start, length) {
      const wanted = Math.min(length, source.size - start)
      if (!(start >= 0 && wanted > 0)) return nothing
      if (start < at || start + wanted > at + block.length) {
        const ahead = Math.min(source.size - start, Math.max(wanted, headBytes))
        block = await source.read(start, ahead)
        at = start
      }
      return slice(block, start - at, wanted)
    },
  }
}

/** For reading numbers out of bytes; the caller checks the length first. */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Bytes as text, one character each: for signatures and four-letter codes. */
export const ascii = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  const part = bytes.subarray(start, end)
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('latin1')
}
