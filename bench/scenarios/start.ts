import path from 'node:path'
import { withLibrary } from '../library.ts'
import { type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { KIB } from '../sizes.ts'

const AT_A_TIME = 16
const grouped = (count: number) => count.toLocaleString('en')

/** A server is stopped with many unfinished uploads, and started again. */
export const start: Scenario = {
  name: 'start',
  title: 'start to /readyz with 1,000,000 records and 10,000 unfinished uploads',
  seconds: { full: 300, quick: 10 },
  async run(bench) {
    const [records, count] = bench.quick ? [10_000, 500] : [1_000_000, 10_000]
    const client = await bench.client()
    const dataDir = path.join(bench.folder, 'data')
    const before = await withLibrary(bench, records, { dataDir })
    const { databaseUrl } = before
    bench.note(`beginning ${count} uploads`)
    await client.do({
      Mode: 'tus',
      URL: before.uploads,
      Headers: before.headers,
      Size: KIB,
      Count: count,
      Concurrency: AT_A_TIME,
      CreateOnly: true,
    })
    await before.stop()
    const results = await bench.alternate([
      {
        name: 'Landfall',
        prepare: async () => ({
          async run() {
            const began = performance.now()
            const server = await bench.landfall({ dataDir, databaseUrl })
            const seconds = (performance.now() - began) / 1000
            await server.stop()
            return { seconds }
          },
        }),
      },
    ])
    const row: Row = {
      figure: `start to /readyz with ${grouped(records)} records and ${grouped(count)} unfinished uploads`,
      ours: results.of('Landfall', 'seconds'),
      unit: 's',
      goal: under(3),
    }
    return [row]
  },
}
