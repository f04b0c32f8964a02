import type { FileHandle } from 'node:fs/promises'
import { fileFault } from './file-fault.ts'
import type { Appender } from './storage.ts'

/** The last sync of a body is then short, however long the body was. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024

/** Writes to an open file from `offset` on; `synced`: DURABILITY is `power`. */
export function createAppender(handle: FileHandle, offset: number, synced: boolean): Appender {
  let position = offset
  return {
    syncEveryBytes: SYNC_EVERY_BYTES,
    async write(buffers) {
      let rest: readonly Uint8Array[] = buffers
      // A write may be cut short by a full disk or a signal; the next one tells which.
      while (rest.length > 0) {
        const { bytesWritten } = await handle.writev(rest, position).catch(rethrow)
        position += bytesWritten
        rest = afterBytes(rest, bytesWritten)
      }
    },
    async sync() {
      if (synced) await handle.datasync().catch(rethrow)
    },
    async readHead(length) {
      const { buffer, bytesRead } = await handle
        .read(Buffer.alloc(length), 0, length, 0)
        .catch(rethrow)
      return buffer.subarray(0, bytesRead)
    },
    async truncate(size) {
      await handle.truncate(size).catch(rethrow)
      position = size
    },
    close: () => handle.close().catch(rethrow),
  }
}

/** What is left of the buffers once `count` bytes are taken from the front. */
function afterBytes(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.byteLength) return [buffer.subarray(left), ...buffers.slice(index + 1)]
    left -= buffer.byteLength
  }
  return []
}

function rethrow(error: unknown): never {
  throw fileFault(error)
}
