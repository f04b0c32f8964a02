/** Milliseconds over which a speed is measured: long enough to be calm, short enough to be true. */
const WINDOW_MS = 6_000

export interface SpeedMeter {
  /** So many bytes of the file are sent, all in all. */
  at(sent: number, now: number): void
  /** Bytes a second; null where too little is known. */
  speed(now: number): number | null
  /** After a pause: what was before says nothing. */
  reset(): void
}

export function createSpeedMeter(): SpeedMeter {
  let samples: { sent: number; at: number }[] = []
  return {
    at(sent, now) {
      const last = samples.at(-1)
      // What was sent and not kept is sent again.
      if (last && sent < last.sent) samples = []
      // Ten a second are enough.
      if (last && now - last.at < 100 && samples.length > 1) samples.pop()
      samples.push({ sent, at: now })
      samples = samples.filter(({ at }) => now - at <= WINDOW_MS)
    },
    speed(now) {
      const [first] = samples
      const last = samples.at(-1)
      if (!first || !last || now - first.at < 500) return null
      return Math.max(0, ((last.sent - first.sent) * 1000) / (now - first.at))
    },
    reset() {
      samples = []
    },
  }
}
