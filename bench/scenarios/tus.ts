import { landfallContestant, landfallName, peerContestant, uploadContestants } from '../measured.ts'
import { bareWritev } from '../peers/bare-writev.ts'
import { rustus } from '../peers/rustus.ts'
import { tusServer } from '../peers/tus-server.ts'
import { tusd } from '../peers/tusd.ts'
import type { Results } from '../rounds.ts'
import { atMost, type Goal, type Row } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { GIB, MIB, sizeName } from '../sizes.ts'

const bare = bareWritev({ synced: false })
const bareSynced = bareWritev({ synced: true })

const against: { peer: string; goal?: Goal }[] = [
  { peer: tusServer.name, goal: atMost(0.67) },
  { peer: bare.name, goal: atMost(1.15) },
  { peer: tusd.name, goal: atMost(1) },
  { peer: bareSynced.name },
  { peer: rustus.name },
]

/** One upload, one connection, one PATCH. */
export const tus: Scenario = {
  name: 'tus',
  title: 'one large tus upload in one PATCH: wall time and CPU of the server',
  seconds: { full: 120, quick: 12 },
  async run(bench) {
    const size = bench.quick ? 128 * MIB : GIB
    const file = await bench.content(size)
    const servers = [
      landfallContestant(bench, 'power'),
      landfallContestant(bench, 'process'),
      ...[tusServer, bare, tusd, bareSynced, rustus].map((peer) => peerContestant(bench, peer)),
    ]
    const contestants = uploadContestants(await bench.client(), servers, (server) => ({
      Mode: 'tus',
      URL: server.uploads,
      Headers: server.headers,
      File: file,
      Size: size,
      Count: 1,
    }))
    const results = await bench.alternate(contestants)
    return (['power', 'process'] as const).flatMap((durability) => rows(results, durability, size))
  },
}

function rows(results: Results, durability: string, size: number): Row[] {
  const ours = (measure: string) => results.of(landfallName(durability), measure)
  const mode = `DURABILITY=${durability}`
  const wall: Row[] = against.map(({ peer, goal }) => ({
    figure: `one ${sizeName(size)} tus PATCH: wall time, ${mode}`,
    ours: ours('seconds'),
    unit: 's',
    peer: { name: peer, value: results.of(peer, 'seconds') },
    goal,
  }))
  const perGiB = (value: ReturnType<Results['of']>) =>
    typeof value === 'number' ? (value * GIB) / size : value
  const cpu: Row[] = against.map(({ peer }) => ({
    figure: `one ${sizeName(size)} tus PATCH: CPU of the server, ${mode}`,
    ours: perGiB(ours('cpu')),
    unit: 's/GiB',
    peer: { name: peer, value: perGiB(results.of(peer, 'cpu')) },
    goal: peer === tusServer.name ? atMost(0.7) : undefined,
  }))
  return [...wall, ...cpu]
}
