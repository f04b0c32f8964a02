import { md5Of } from '../content.ts'
import { landfallContestant, uploadContestants } from '../measured.ts'
import { atMost, type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { GIB, MIB, sizeName } from '../sizes.ts'

/** The content begins again at the end of this; the bytes are real, and all of them are sent. */
const CONTENT = 64 * MIB

/** The request that completes a chunked upload: it must not depend on the size. */
export const complete: Scenario = {
  name: 'complete',
  title: 'completing a chunked upload, small and huge',
  seconds: { full: 400, quick: 12 },
  async run(bench) {
    const sizes = [MIB, bench.quick ? 512 * MIB : 10 * GIB]
    const file = await bench.content(CONTENT)
    const client = await bench.client()
    const digests = new Map<number, string>()
    for (const size of sizes) digests.set(size, await md5Of(file, size))
    const contestants = sizes.flatMap((size) =>
      uploadContestants(
        client,
        [{ ...landfallContestant(bench, 'power'), name: sizeName(size) }],
        (server) => ({
          Mode: 'chunked',
          URL: server.chunks ?? '',
          Headers: server.headers,
          File: file,
          Size: size,
          Chunk: Math.min(size, CONTENT),
          MD5: digests.get(size) ?? '',
        }),
      ),
    )
    const results = await bench.alternate(contestants)
    const ms = (size: number) => {
      const seconds = results.of(sizeName(size), 'completeSeconds')
      return typeof seconds === 'number' ? seconds * 1000 : seconds
    }
    const [small = 0, large = 0] = sizes
    const limits = sizes.map(
      (size): Row => ({
        figure: `completing a chunked upload of ${sizeName(size)}`,
        ours: ms(size),
        unit: 'ms',
        goal: under(50),
      }),
    )
    const same: Row = {
      figure: `completing a chunked upload of ${sizeName(large)}, beside one of ${sizeName(small)}`,
      ours: ms(large),
      unit: 'ms',
      peer: { name: sizeName(small), value: ms(small) },
      goal: atMost(1.25),
      note: '“same time” is taken as at most a quarter more',
    }
    return [...limits, same]
  },
}
