import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Client, Job, Outcome } from './client.ts'
import { cpuOf, treeUse } from './measure/process-tree.ts'
import type { Contestant, Sample } from './rounds.ts'
import type { Bench } from './scenario.ts'
import type { Peer, UploadServer } from './upload-server.ts'

export interface UploadContestant {
  name: string
  start(): Promise<UploadServer>
}

/**
 * Each server does the same job in each run. Measures: everything of the client's outcome, `cpu`
 * (seconds of the server and its children) and `peakMiB`.
 */
export function uploadContestants(
  client: Client,
  servers: readonly UploadContestant[],
  job: (server: UploadServer) => Job,
): Contestant[] {
  return servers.map(({ name, start }) => ({
    name,
    async prepare() {
      const server = await start()
      return {
        run: () => measureJob(client, server, job(server)),
        clean: () => server.clean(),
      }
    },
  }))
}

export async function measureJob(
  client: Client,
  server: { pid: number },
  job: Job,
): Promise<Sample & Omit<Outcome, 'location'>> {
  const [{ location: _, ...outcome }, cpu] = await cpuOf(server.pid, () => client.do(job))
  const { peakMiB } = await treeUse(server.pid)
  return { ...outcome, cpu, peakMiB }
}

/** A peer in a folder of its own, stopped when the scenario ends. */
export function peerContestant(bench: Bench, peer: Peer): UploadContestant {
  return {
    name: peer.name,
    async start() {
      const folder = path.join(bench.folder, peer.name.replaceAll(/\W+/g, '-'))
      await mkdir(folder, { recursive: true })
      const { cache } = bench
      const server = await peer.start({ cache, folder, database: () => bench.database() })
      bench.after(() => server.stop())
      return server
    },
  }
}

export const landfallName = (durability: string) => `Landfall, DURABILITY=${durability}`

/** Landfall in one of its modes, or in both. */
export function landfallContestant(
  bench: Bench,
  durability: 'power' | 'process',
  env: Record<string, string> = {},
): UploadContestant {
  return {
    name: landfallName(durability),
    start: () => bench.landfall({ env: { DURABILITY: durability, ...env } }),
  }
}
