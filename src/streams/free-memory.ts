import { MessageChannel } from 'node:worker_threads'

/**
 * A smaller one is not worth it, and may belong to somebody: a parser of forms keeps what may be the
 * beginning of a delimiter, at most some hundred bytes, in a buffer that it gives out again and again.
 */
const LEAST_BYTES = 16 * 1024

/** A port that leads nowhere: what is handed over to it is gone at once. */
const { port1: nowhere, port2 } = new MessageChannel()
nowhere.close()
port2.close()

/**
 * Frees the memory of buffers that nobody will look at again, now and not when it is found to be
 * garbage: they are empty after it. Leaves those alone that are small or a part of a larger one.
 * Never throws: what cannot be handed over is left to the garbage collection.
 */
export function freeMemory(buffers: readonly Uint8Array[]): void {
  const whole = new Set<ArrayBuffer>()
  for (const { buffer, byteLength } of buffers) {
    if (byteLength >= LEAST_BYTES && byteLength === buffer.byteLength)
      whole.add(buffer as ArrayBuffer)
  }
  if (whole.size === 0) return
  try {
    nowhere.postMessage(null, [...whole])
  } catch {
    // One that is not to be handed over keeps the others from it.
  }
}
