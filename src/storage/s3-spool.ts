import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'

/** Bytes to send, as often as it takes. */
export interface Body {
  size: number
  /** CRC-32 in base64, computed from the bytes as they came; undefined: sent without. */
  checksum: string | undefined
  open(): Readable
}

/** A file of this machine that holds bytes until the store has them. Nobody else can open it. */
export interface SpoolFile {
  readonly size: number
  /** Adds at the end: all of the buffers, or nothing where it rejects. */
  write(buffers: readonly Uint8Array[]): Promise<void>
  truncate(size: number): Promise<void>
  /** At most `length` bytes from the front. */
  head(length: number): Promise<Uint8Array>
  body(): Promise<Body>
  /** The bytes are gone after it. */
  close(): Promise<void>
}

export interface Spool {
  create(): Promise<SpoolFile>
}

const CHUNK_BYTES = 256 * 1024
/** A name is taken away at once after it was made. One that is older was left by a crash. */
const STALE_MS = 60_000

export async function openSpool(folder: string): Promise<Spool> {
  await mkdir(folder, { recursive: true })
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name)
    const found = await stat(file).catch(() => null)
    if (found !== null && Date.now() - found.mtimeMs > STALE_MS) await rm(file, { force: true })
  }
  return {
    async create() {
      const file = path.join(folder, randomUUID())
      const handle = await open(file, 'wx+', 0o600).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        // Somebody cleaned up and took the folder along.
        await mkdir(folder, { recursive: true })
        return open(file, 'wx+', 0o600)
      })
      // Without a name there is nothing to clean up after a crash: the kernel does it.
      await rm(file)
      return createSpoolFile(handle)
    },
  }
}

function createSpoolFile(handle: FileHandle): SpoolFile {
  let size = 0
  /** Of all bytes; undefined where it has to be computed again. */
  let sum: number | undefined = 0

  async function write(buffers: readonly Uint8Array[]): Promise<void> {
    const before = size
    try {
      let rest = buffers
      while (rest.length > 0) {
        const { bytesWritten } = await handle.writev(rest, size)
        size += bytesWritten
        rest = splitAt(rest, bytesWritten)[1]
      }
    } catch (error) {
      await truncate(before).catch(() => {})
      throw error
    }
    // Node gives 0 for nothing, whatever came before it.
    const bytes = buffers.filter(({ byteLength }) => byteLength > 0)
    if (sum !== undefined) for (const buffer of bytes) sum = crc32(buffer, sum)
  }

  async function truncate(to: number): Promise<void> {
    size = to
    sum = to === 0 ? 0 : undefined
    await handle.truncate(to)
  }

  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < size; ) {
      const length = Math.min(CHUNK_BYTES, size - at)
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at)
      if (bytesRead === 0) throw new Error('the spool file is shorter than what was written')
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  return {
    get size() {
      return size
    },
    write,
    truncate,
    async head(length) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0)
      return buffer.subarray(0, bytesRead)
    },
    async body() {
      if (sum === undefined) {
        sum = 0
        for await (const chunk of chunks()) sum = crc32(chunk, sum)
      }
      return {
        size,
        checksum: base64Sum(sum),
        open: () => Readable.from(chunks(), { objectMode: false, highWaterMark: CHUNK_BYTES }),
      }
    },
    close: () => handle.close(),
  }
}

/** A CRC-32 as S3 writes it. */
export function base64Sum(sum: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(sum)
  return bytes.toString('base64')
}

/** The first `count` bytes of the buffers, and the others; no byte is copied. */
export function splitAt(
  buffers: readonly Uint8Array[],
  count: number,
): [Uint8Array[], Uint8Array[]] {
  let left = count
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.byteLength) {
      const first = left === 0 ? [] : [buffer.subarray(0, left)]
      return [
        [...buffers.slice(0, index), ...first],
        [buffer.subarray(left), ...buffers.slice(index + 1)],
      ]
    }
    left -= buffer.byteLength
  }
  return [[...buffers], []]
}
