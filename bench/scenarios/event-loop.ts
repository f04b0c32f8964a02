import path from 'node:path'
import { type LoopDelay, loopMonitorEnv, takeLoopDelay } from '../measure/loop-delay.ts'
import { measureJob } from '../measured.ts'
import { type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { MIB, sizeName } from '../sizes.ts'

const AT_A_TIME = 8

/** Uploads at full speed, with a digest of each: is the loop free for others? */
export const eventLoop: Scenario = {
  name: 'event-loop',
  title: 'delay of the event loop while 8 uploads run at full speed with MEDIA_DIGEST=sha256',
  seconds: { full: 70, quick: 10 },
  async run(bench) {
    const size = bench.quick ? 32 * MIB : 256 * MIB
    const file = await bench.content(size)
    const client = await bench.client()
    const contestants = (['power', 'process'] as const).map((durability) => ({
      name: durability,
      async prepare() {
        const figures = path.join(bench.folder, `loop-${durability}.json`)
        const env = {
          DURABILITY: durability,
          MEDIA_DIGEST: 'sha256',
          ...loopMonitorEnv(bench.server, figures),
        }
        const server = await bench.landfall({ env })
        return {
          async run() {
            await takeLoopDelay(server.pid, figures)
            const outcome = await measureJob(client, server, {
              Mode: 'tus',
              URL: server.uploads,
              Headers: server.headers,
              File: file,
              Size: size,
              Count: AT_A_TIME,
              Concurrency: AT_A_TIME,
            })
            const delay: LoopDelay = await takeLoopDelay(server.pid, figures)
            return { ...outcome, ...delay }
          },
          clean: () => server.clean(),
        }
      },
    }))
    const results = await bench.alternate(contestants)
    return contestants.flatMap(({ name }) =>
      (['p99', 'max'] as const).map(
        (measure): Row => ({
          figure: `event loop during ${AT_A_TIME} uploads of ${sizeName(size)} with sha256: ${measure} delay, DURABILITY=${name}`,
          ours: results.of(name, measure),
          unit: 'ms',
          goal: measure === 'p99' ? under(20) : undefined,
        }),
      ),
    )
  },
}
