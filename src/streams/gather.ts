import type { Readable } from 'node:stream'

/** Why a body gave no more bytes. */
export type BodyEnd =
  | 'complete'
  /** The connection closed or broke before the body was complete. */
  | 'cut'
  /** Nothing arrived for the idle time. */
  | 'idle'
  /** The stop signal fired, or it was let go of. */
  | 'stopped'

export interface Batch {
  buffers: Buffer[]
  bytes: number
}

export interface Gather {
  /** What has arrived since the last call, as soon as there is something; null at the end. */
  next(): Promise<Batch | null>
  /** Why it ended; defined once `next` gave null. */
  readonly end: BodyEnd | undefined
  /** Lets go of the stream. It is left paused and undrained. */
  detach(): void
}

export interface GatherOptions {
  /** Stops reading; what has arrived by then is still given out. */
  signal?: AbortSignal
  /** Milliseconds without a byte after which the body counts as dead. 0: never. Default 60,000. */
  idleMs?: number
  /** Bytes held before the sender is made to wait. Default 1 MiB; less where all hold much. */
  highWaterBytes?: number
}

/**
 * Bytes that all bodies of the process may hold together before their senders are made to wait
 * earlier. From some 30 MiB on V8 takes every further buffer for a reason to collect garbage, and
 * what is written has left the processor's cache.
 */
const ALL_BYTES = 20 * 1024 * 1024
/** What a body may gather all the same: one read; and as much may be in the batch that it gave out. */
const LEAST_BYTES = 64 * 1024

/** Gathered, or given out and not yet done with, by all bodies. */
let heldByAll = 0

/**
 * How a body tells that it breaks off. An HTTP/2 stream that is reset still gives `end` (Node ends
 * its readable side), but `aborted` before it.
 */
const CUTS = ['aborted', 'error', 'close'] as const

/**
 * Collects a stream's own buffers while the batch before them is being written: one `writev` for
 * many small reads, no copy, no stage in between, at most `highWaterBytes` (plus one read) held, and
 * as much again in the batch that was given out. That one counts as done with at the next call.
 */
export function gather(body: Readable, options: GatherOptions = {}): Gather {
  const { signal, idleMs = 60_000, highWaterBytes = 1024 * 1024 } = options
  let buffers: Buffer[] = []
  let bytes = 0
  let given = 0
  let detached = false
  let end: BodyEnd | undefined
  let wake: (() => void) | undefined
  let idle: NodeJS.Timeout | undefined

  const notify = () => {
    wake?.()
    wake = undefined
  }

  const finish = (why: BodyEnd) => {
    if (end !== undefined) return
    end = why
    clearTimeout(idle)
    // Bytes that the kernel has handed over already are part of what arrived.
    if (why === 'stopped') takeBuffered()
    letGo()
    notify()
  }

  const add = (chunk: Buffer) => {
    // Somebody else's listener may have had us let go within the same event.
    if (detached) return
    buffers.push(chunk)
    bytes += chunk.byteLength
    heldByAll += chunk.byteLength
  }
  const onData = (chunk: Buffer) => {
    add(chunk)
    idle?.refresh()
    if (bytes >= highWaterBytes || (heldByAll >= ALL_BYTES && bytes >= LEAST_BYTES)) {
      body.pause()
      clearTimeout(idle)
      idle = undefined
    }
    notify()
  }
  const onEnd = () => finish('complete')
  const onCut = () => finish('cut')
  const onStop = () => finish('stopped')

  function watchIdle() {
    if (idleMs > 0 && end === undefined) idle ??= setTimeout(() => finish('idle'), idleMs)
  }

  function takeBuffered() {
    body.off('data', onData)
    body.pause()
    for (let chunk = body.read(); chunk !== null; chunk = body.read()) add(chunk as Buffer)
  }

  function letGo() {
    clearTimeout(idle)
    body.off('data', onData).off('end', onEnd)
    for (const cut of CUTS) body.off(cut, onCut)
    // A stream that breaks after we let go must not bring the process down.
    if (!body.closed) body.on('error', ignore)
    body.pause()
    signal?.removeEventListener('abort', onStop)
  }

  const { aborted = false } = body as { aborted?: boolean }
  if (body.readableEnded && !aborted) end = 'complete'
  else if (body.destroyed || aborted) end = 'cut'
  else {
    body.on('end', onEnd)
    for (const cut of CUTS) body.on(cut, onCut)
    signal?.addEventListener('abort', onStop, { once: true })
    body.on('data', onData)
    watchIdle()
    if (signal?.aborted) onStop()
  }

  return {
    get end() {
      return end
    },
    detach() {
      detached = true
      letGo()
      heldByAll -= given + bytes
      given = 0
      bytes = 0
      buffers = []
      // Nothing comes any more for whoever waits.
      end ??= 'stopped'
      notify()
    },
    async next() {
      heldByAll -= given
      given = 0
      if (bytes === 0 && end === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      if (bytes === 0) return null
      const batch = { buffers, bytes }
      given = bytes
      buffers = []
      bytes = 0
      if (end === undefined && body.isPaused()) {
        body.resume()
        watchIdle()
      }
      return batch
    },
  }
}

function ignore(): void {}
