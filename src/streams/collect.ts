import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes of bodies, of all together, after which their buffers are collected. */
const EVERY_BYTES = 8 * 1024 * 1024

type Collect = (options: { type: 'minor' }) => void

let passed = 0
let collect: Collect | undefined

/**
 * Told of bytes whose buffers nobody needs any more. Each is a young object of a few words with
 * 64 KiB outside the heap. V8 collects the whole heap when 32 MiB more are outside than after the
 * last time, and the young generation, which would free them, hardly more often: whether a process
 * comes to collect everything for every 32 MiB of body is chance, stays so, and costs it a second
 * of processor time per GiB. With the young generation collected in time that never happens.
 */
export function letGo(bytes: number): void {
  passed += bytes
  if (passed < EVERY_BYTES) return
  passed = 0
  collect ??= findCollect()
  collect({ type: 'minor' })
}

/** V8's own function, which Node gives to nobody who does not ask for it at its start. */
function findCollect(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}
