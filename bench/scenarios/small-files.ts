import { landfallContestant, landfallName, peerContestant, uploadContestants } from '../measured.ts'
import { rustus } from '../peers/rustus.ts'
import { tusServer } from '../peers/tus-server.ts'
import { tusd } from '../peers/tusd.ts'
import { atLeast, type Row } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { KIB } from '../sizes.ts'

const SIZE = 10 * KIB
const AT_A_TIME = 16

const against = [
  { peer: tusServer.name, goal: atLeast(1) },
  { peer: tusd.name },
  { peer: rustus.name },
]

/** Each file is one request; Landfall also writes its record, with real Postgres. */
export const smallFiles: Scenario = {
  name: 'small-files',
  title: 'small files with creation-with-upload: files per second',
  seconds: { full: 300, quick: 15 },
  async run(bench) {
    const count = bench.quick ? 300 : 10_000
    const file = await bench.content(SIZE)
    const servers = [
      landfallContestant(bench, 'power'),
      landfallContestant(bench, 'process'),
      ...[tusServer, tusd, rustus].map((peer) => peerContestant(bench, peer)),
    ]
    const contestants = uploadContestants(await bench.client(), servers, (server) => ({
      Mode: 'tus',
      URL: server.uploads,
      Headers: server.headers,
      File: file,
      Size: SIZE,
      Count: count,
      Concurrency: AT_A_TIME,
      WithUpload: true,
    }))
    const results = await bench.alternate(contestants)
    const rate = (name: string) => {
      const seconds = results.of(name, 'seconds')
      return typeof seconds === 'number' ? count / seconds : seconds
    }
    return ['power', 'process'].flatMap((durability) =>
      against.map(
        ({ peer, goal }): Row => ({
          figure: `${count} files of 10 KiB, creation-with-upload: DURABILITY=${durability}`,
          ours: rate(landfallName(durability)),
          unit: '/s',
          peer: { name: peer, value: rate(peer) },
          goal,
          note: `${AT_A_TIME} at a time`,
        }),
      ),
    )
  },
}
