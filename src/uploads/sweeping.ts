/** A sweep that runs every so often, never twice at a time. */
export interface Sweeping {
  start(): void
  /** No new run; resolves when the running one is done. */
  stop(): Promise<void>
}

export function createSweeping(
  run: () => Promise<unknown>,
  options: { everyMs: number; onError: (error: unknown) => void },
): Sweeping {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()
  let stopped = false

  function schedule() {
    if (stopped) return
    timer = setTimeout(() => {
      running = run().catch(options.onError).then(schedule)
    }, options.everyMs)
    // The sweep is no reason to keep a process alive.
    timer.unref()
  }

  return {
    start: schedule,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
