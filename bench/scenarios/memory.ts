import type { Landfall } from '../landfall.ts'
import { peakOf, sharedOnceMiB, treeUse } from '../measure/process-tree.ts'
import { atMost, type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { KIB } from '../sizes.ts'
import { percentile } from '../statistics.ts'

const UPLOADS = 200
const RATE = 64 * KIB
/** An upload takes half a minute: many come to their end, and begin, while it lasts. */
const SIZE = 32 * RATE
const SAMPLE_MS = 1000
/** Samples after which it says where it is. */
const TELL_EVERY = 60

interface Seen {
  memoryMiB: number
  togetherMiB: number
  descriptors: number
}

/** Many slow uploads for a while, or for hours with `--soak`. */
export const memory: Scenario = {
  name: 'memory',
  title: '200 slow uploads at a time: peak memory, and whether it grows (--soak 1h)',
  seconds: { full: 130, quick: 18, soak: 10 },
  async run(bench) {
    const seconds = bench.soakMs ? bench.soakMs / 1000 : bench.quick ? 15 : 120
    const client = await bench.client()
    const File = await bench.content(RATE)
    const server = await bench.landfall()
    const stop = new AbortController()
    const watched = watch(server, stop.signal, bench.note)
    bench.note(`${UPLOADS} uploads at ${RATE / KIB} KiB/s for ${seconds} s`)
    const { done } = await client.do({
      Mode: 'slow',
      URL: server.uploads,
      Headers: server.headers,
      File,
      Size: SIZE,
      Rate: RATE,
      Concurrency: UPLOADS,
      Seconds: seconds,
    })
    stop.abort()
    const seen = await watched
    const note = `${seconds} s, ${done} uploads came to their end`
    const peak = (what: string, ours: number): Row => ({
      figure: `${UPLOADS} slow uploads: ${what}`,
      ours,
      unit: 'MiB',
      goal: under(200),
      note,
    })
    return [
      peak('peak RSS of the server (VmHWM)', await peakOf(server.pid)),
      peak(
        'most that it and the processes that inspect files held together, shared pages once',
        Math.max(...seen.map(({ togetherMiB }) => togetherMiB)),
      ),
      ...growth(seen, note),
    ]
  },
}

/** The second half of the time beside the first, without the part in which it warms up. */
function growth(seen: readonly Seen[], note: string): Row[] {
  const settled = seen.slice(Math.floor(seen.length / 5))
  const half = Math.floor(settled.length / 2)
  const of = (part: readonly Seen[], what: keyof Seen) =>
    percentile(
      part.map((one) => one[what]),
      0.5,
    )
  const row = (what: keyof Seen, words: string, unit: Row['unit']): Row => ({
    figure: `${UPLOADS} slow uploads: ${words}, second half of the time`,
    ours: of(settled.slice(half), what),
    unit,
    peer: { name: 'first half', value: of(settled.slice(0, half), what) },
    goal: atMost(1.05),
    note,
  })
  return [
    row('memoryMiB', 'median RSS of all processes', 'MiB'),
    row('descriptors', 'median open descriptors', ''),
  ]
}

async function watch(
  server: Landfall,
  signal: AbortSignal,
  note: (text: string) => void,
): Promise<Seen[]> {
  const seen: Seen[] = []
  while (!signal.aborted) {
    const { memoryMiB, descriptors } = await treeUse(server.pid)
    const togetherMiB = await sharedOnceMiB(server.pid)
    seen.push({ memoryMiB, descriptors, togetherMiB })
    if (seen.length % TELL_EVERY === 0)
      note(`${seen.length} s: ${Math.round(togetherMiB)} MiB, ${descriptors} descriptors`)
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
  }
  return seen
}
