import type { Core } from './core.ts'
import type { HeldLock } from './lock.ts'

export interface StopSignal {
  signal: AbortSignal
  /** Stops listening. */
  detach(): void
}

/** Fires when somebody waits for the upload, or the process is about to stop. */
export function stopSignal(core: Core<unknown>, lock: HeldLock): StopSignal {
  const stop = new AbortController()
  const onStop = () => stop.abort()
  const signals = [lock.asked, core.stopping]
  for (const signal of signals) {
    signal.addEventListener('abort', onStop)
    if (signal.aborted) stop.abort()
  }
  return {
    signal: stop.signal,
    detach() {
      for (const signal of signals) signal.removeEventListener('abort', onStop)
    },
  }
}
