import { landfallContestant, landfallName, peerContestant, uploadContestants } from '../measured.ts'
import { bareWritev } from '../peers/bare-writev.ts'
import { rustus } from '../peers/rustus.ts'
import { tusServer } from '../peers/tus-server.ts'
import { tusd } from '../peers/tusd.ts'
import { atLeast, type Goal, type Row } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { MIB, sizeName } from '../sizes.ts'

const AT_A_TIME = 32
const bare = bareWritev({ synced: false })

const against: { peer: string; goal?: Goal }[] = [
  { peer: tusServer.name, goal: atLeast(1.5) },
  { peer: tusd.name, goal: atLeast(1) },
  { peer: bare.name },
  { peer: rustus.name },
]

/** Many uploads at once, each on a connection of its own. */
export const concurrent: Scenario = {
  name: 'concurrent',
  title: '32 tus uploads at a time: total throughput',
  seconds: { full: 260, quick: 20 },
  async run(bench) {
    const size = bench.quick ? 8 * MIB : 64 * MIB
    const file = await bench.content(size)
    const servers = [
      landfallContestant(bench, 'power'),
      landfallContestant(bench, 'process'),
      ...[tusServer, tusd, bare, rustus].map((peer) => peerContestant(bench, peer)),
    ]
    const contestants = uploadContestants(await bench.client(), servers, (server) => ({
      Mode: 'tus',
      URL: server.uploads,
      Headers: server.headers,
      File: file,
      Size: size,
      Count: AT_A_TIME,
      Concurrency: AT_A_TIME,
    }))
    const results = await bench.alternate(contestants)
    const rate = (name: string) => {
      const seconds = results.of(name, 'seconds')
      return typeof seconds === 'number' ? (AT_A_TIME * size) / MIB / seconds : seconds
    }
    return ['power', 'process'].flatMap((durability) =>
      against.map(
        ({ peer, goal }): Row => ({
          figure: `32 concurrent ${sizeName(size)} uploads: throughput, DURABILITY=${durability}`,
          ours: rate(landfallName(durability)),
          unit: 'MiB/s',
          peer: { name: peer, value: rate(peer) },
          goal,
        }),
      ),
    )
  },
}
