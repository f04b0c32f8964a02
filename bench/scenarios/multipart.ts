import { landfallName, measureJob } from '../measured.ts'
import { atMost, type Row } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { GIB, MIB, sizeName } from '../sizes.ts'

/** The form door beside the tus door of the same server. */
export const multipart: Scenario = {
  name: 'multipart',
  title: 'a large file as a form, beside the tus PATCH',
  seconds: { full: 60, quick: 8 },
  async run(bench) {
    const size = bench.quick ? 128 * MIB : GIB
    const file = await bench.content(size)
    const client = await bench.client()
    const modes = ['power', 'process'] as const
    const servers = await Promise.all(
      modes.map((durability) => bench.landfall({ env: { DURABILITY: durability } })),
    )
    const contestants = servers.flatMap((server, n) =>
      (['form', 'tus'] as const).map((mode) => ({
        name: `${landfallName(modes[n] ?? '')}, ${mode}`,
        prepare: async () => ({
          run: () =>
            measureJob(client, server, {
              Mode: mode,
              URL: mode === 'tus' ? server.uploads : `${server.origin}/api/media/files`,
              Headers: server.headers,
              File: file,
              Size: size,
              Count: 1,
            }),
          clean: () => server.clean(),
        }),
      })),
    )
    const results = await bench.alternate(contestants)
    return modes.flatMap((durability): Row[] =>
      (['seconds', 'cpu'] as const).map((measure) => ({
        figure: `multipart POST of ${sizeName(size)}: ${measure === 'cpu' ? 'CPU of the server' : 'wall time'}, DURABILITY=${durability}`,
        ours: results.of(`${landfallName(durability)}, form`, measure),
        unit: 's',
        peer: { name: 'tus PATCH', value: results.of(`${landfallName(durability)}, tus`, measure) },
        goal: measure === 'seconds' ? atMost(1.5) : undefined,
      })),
    )
  },
}
