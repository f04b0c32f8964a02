import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Absent, orAbsent } from '../absent.ts'
import type { Landfall } from '../landfall.ts'
import { measureJob } from '../measured.ts'
import { startNginx } from '../peers/nginx.ts'
import { type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { GIB, MIB, sizeName } from '../sizes.ts'
import { uploadOne } from './download.ts'

/** The kernel counts in hundredths of a second: one download alone would not be seen. */
const DOWNLOADS = { full: 20, quick: 10 }

/** Downloads that nginx sends: what is left for Landfall is to decide. */
export const xAccel: Scenario = {
  name: 'x-accel',
  title: "downloads through nginx: the server's own CPU",
  seconds: { full: 80, quick: 5 },
  async run(bench) {
    const size = bench.quick ? 64 * MIB : GIB
    const count = bench.quick ? DOWNLOADS.quick : DOWNLOADS.full
    const file = await bench.content(size)
    const client = await bench.client()
    let landfall: Landfall | undefined
    const nginx = await orAbsent(
      startNginx(path.join(bench.folder, 'nginx'), async (url) => {
        const dataDir = path.join(bench.folder, 'data')
        await mkdir(dataDir, { recursive: true })
        const env = { SERVE_WITH: 'x-accel-redirect', PUBLIC_URL: url }
        landfall = await bench.landfall({ env, dataDir })
        return landfall
      }),
    )
    const figure = `download of ${sizeName(size)} through nginx: CPU of Landfall for one`
    if (nginx instanceof Absent)
      return [{ figure, ours: { absent: nginx.message }, unit: 'ms', goal: under(5) }]
    bench.after(() => nginx.stop())
    if (landfall === undefined) throw new Error('nginx was started without a server behind it')
    const server = landfall
    const url = await uploadOne(client, server, file, size)
    const job = { Mode: 'get', URL: url, Size: size, Count: count } as const
    const results = await bench.alternate([
      { name: 'Landfall', prepare: async () => ({ run: () => measureJob(client, server, job) }) },
    ])
    const cpu = results.of('Landfall', 'cpu')
    const row: Row = {
      figure,
      ours: typeof cpu === 'number' ? (cpu / count) * 1000 : cpu,
      unit: 'ms',
      goal: under(5),
      note: `mean of ${count} downloads in a row`,
    }
    return [row]
  },
}
