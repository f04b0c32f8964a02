/** What one loop sleeps by. */
export interface Alarm {
  /** Wakes the sleeper, or the next one at once, so that no word is lost while nobody sleeps. */
  ring(): void
  /** Sleeps until it rings, at the longest for so many milliseconds. No reason to stay alive for. */
  wait(ms: number): Promise<void>
}

export function createAlarm(): Alarm {
  let rung = false
  let wake = () => {}
  return {
    ring() {
      rung = true
      wake()
    },
    async wait(ms) {
      if (!rung)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          timer.unref()
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      rung = false
      wake = () => {}
    },
  }
}
