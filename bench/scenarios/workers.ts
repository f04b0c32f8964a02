import type { Job } from '../client.ts'
import { uploadContestants } from '../measured.ts'
import type { Row } from '../row.ts'
import type { Bench, Scenario } from '../scenario.ts'
import { KIB, MIB, sizeName } from '../sizes.ts'

const COUNTS = ['1', '2', '4']
const QUICK_COUNTS = ['1', '4']

/** The same load with more processes: where is the next limit? */
export const workers: Scenario = {
  name: 'workers',
  title: 'throughput and files per second with WORKERS=1, 2 and 4',
  seconds: { full: 300, quick: 20 },
  async run(bench) {
    const size = bench.quick ? 8 * MIB : 64 * MIB
    const large = { Size: size, Count: 32, Concurrency: 32 }
    const small = {
      Size: 10 * KIB,
      Count: bench.quick ? 100 : 10_000,
      Concurrency: 32,
      WithUpload: true,
    }
    const counts = bench.quick ? QUICK_COUNTS : COUNTS
    const bytes = await measured(bench, large, counts)
    const files = await measured(bench, small, counts)
    return [
      ...rows(`32 concurrent ${sizeName(size)} uploads`, counts, bytes, (32 * size) / MIB, 'MiB/s'),
      ...rows(`${small.Count} files of 10 KiB`, counts, files, small.Count, '/s'),
    ]
  },
}

async function measured(
  bench: Bench,
  job: Partial<Job> & { Size: number },
  counts: readonly string[],
) {
  const file = await bench.content(job.Size)
  const servers = counts.map((count) => ({
    name: `WORKERS=${count}`,
    start: () => bench.landfall({ env: { WORKERS: count } }),
  }))
  const client = await bench.client()
  const contestants = uploadContestants(client, servers, (server) => ({
    ...job,
    Mode: 'tus',
    URL: server.uploads,
    Headers: server.headers,
    File: file,
  }))
  const results = await bench.alternate(contestants)
  return (name: string) => results.of(name, 'seconds')
}

function rows(
  what: string,
  counts: readonly string[],
  seconds: (name: string) => number | { absent: string },
  amount: number,
  unit: Row['unit'],
): Row[] {
  const rate = (count: string) => {
    const taken = seconds(`WORKERS=${count}`)
    return typeof taken === 'number' ? amount / taken : taken
  }
  return counts.slice(1).map((count) => ({
    figure: `${what}: WORKERS=${count}, DURABILITY=power`,
    ours: rate(count),
    unit,
    peer: { name: 'WORKERS=1', value: rate('1') },
    note: 'client, Postgres and server share the cores',
  }))
}
