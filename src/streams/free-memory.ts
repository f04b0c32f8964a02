import { MessageChannel } from 'node:worker_threads'

/** A port that leads nowhere: what is handed over to it is gone at once. */
const { port1: nowhere, port2 } = new MessageChannel()
nowhere.close()
port2.close()

/**
 * Frees the memory of buffers that nobody will look at again, now and not when it is found to be
 * garbage: they are empty after it. Leaves those alone that are a part of a larger one.
 */
export function freeMemory(buffers: readonly Uint8Array[]): void {
  const whole: ArrayBuffer[] = []
  for (const { buffer, byteLength } of buffers) {
    if (byteLength > 0 && byteLength === buffer.byteLength) whole.push(buffer as ArrayBuffer)
  }
  if (whole.length > 0) nowhere.postMessage(null, whole)
}
