import { md5Of } from '../content.ts'
import { landfallContestant, landfallName, peerContestant, uploadContestants } from '../measured.ts'
import { drfChunkedUpload } from '../peers/drf-chunked-upload.ts'
import { atMost, type Row } from '../row.ts'
import type { Scenario } from '../scenario.ts'
import { GIB, MIB, sizeName } from '../sizes.ts'

const CHUNK = 8 * MIB

/** PUT, PUT, …, POST with the digest, as drf-chunked-upload has it. */
export const chunked: Scenario = {
  name: 'chunked',
  title: 'a large file in 8 MiB chunks: wall time beside drf-chunked-upload',
  seconds: { full: 120, quick: 15 },
  async run(bench) {
    const size = bench.quick ? 64 * MIB : GIB
    const file = await bench.content(size)
    const digest = await md5Of(file, size)
    const servers = [
      landfallContestant(bench, 'power'),
      landfallContestant(bench, 'process'),
      peerContestant(bench, drfChunkedUpload),
    ]
    const contestants = uploadContestants(await bench.client(), servers, (server) => ({
      Mode: 'chunked',
      URL: server.chunks ?? '',
      Headers: server.headers,
      File: file,
      Size: size,
      Chunk: CHUNK,
      MD5: digest,
    }))
    const results = await bench.alternate(contestants)
    const peer = drfChunkedUpload.name
    return ['power', 'process'].flatMap((durability): Row[] => [
      {
        figure: `${sizeName(size)} in 8 MiB chunks: wall time, DURABILITY=${durability}`,
        ours: results.of(landfallName(durability), 'seconds'),
        unit: 's',
        peer: { name: peer, value: results.of(peer, 'seconds') },
        goal: atMost(0.25),
      },
      {
        figure: `${sizeName(size)} in 8 MiB chunks: CPU of the server, DURABILITY=${durability}`,
        ours: results.of(landfallName(durability), 'cpu'),
        unit: 's',
        peer: { name: peer, value: results.of(peer, 'cpu') },
      },
    ])
  },
}
