import { setFlagsFromString } from 'node:v8'

/**
 * Has V8 collect its heap when it has grown to twice of what was alive at the last collection. By
 * itself it waits for up to four times as much, or, after some seconds without work, for so little
 * more that every 32 MiB of buffers beside the heap lead to a collection of all of it. V8 reads this
 * flag anew with each collection, so that it may be set while the process runs.
 */
export function boundHeap(): void {
  setFlagsFromString('--heap-growing-percent=100')
}
