import type { ByteSource } from './bytes.ts'
import { readAhead } from './bytes.ts'
import type { Given, Wanted } from './inspect-job.ts'

/** The bytes of files that only the parent of this process can read, one file at a time. */
export interface RemoteBytes {
  open(size: number): ByteSource & { close(): Promise<void> }
  /** To be told of every answer. One that nobody waits for any more is dropped. */
  given(answer: Given): void
}

/** @param ask sends a question to the parent; the answer comes to `given`. */
export const createRemoteBytes = (ask: (wanted: Wanted) => void): RemoteBytes => {
  const waiting = new Map<number, (bytes: Uint8Array | null) => void>()
  let count = 0
  let opened = 0

  const readFrom = async (file: number, start: number, length: number): Promise<Uint8Array> => {
    // A parser that was given up on must not ask for bytes of the file after its own.
    if (file !== opened) throw new Error('the file was closed')
    const read = ++count
    const bytes = await new Promise<Uint8Array | null>((resolve) => {
      waiting.set(read, resolve)
      ask({ read, start, length })
    })
    if (bytes === null) throw new Error('the bytes could not be read')
    return bytes
  }

  return {
    open(size) {
      const file = ++opened
      const read = (start: number, length: number) => readFrom(file, start, length)
      return {
        ...readAhead({ size, read }),
        async close() {
          opened++
          for (const give of waiting.values()) give(null)
          waiting.clear()
        },
      }
    },
    given({ read, bytes }) {
      waiting.get(read)?.(bytes)
      waiting.delete(read)
    },
  }
}
