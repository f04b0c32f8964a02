import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '../client.ts'
import type { Landfall } from '../landfall.ts'
import { measureJob } from '../measured.ts'
import { freePort, startProgram } from '../program.ts'
import type { Contestant } from '../rounds.ts'
import { atMost, type Row } from '../row.ts'
import type { Bench, Scenario } from '../scenario.ts'
import { GIB, MIB, sizeName } from '../sizes.ts'

const pipe = fileURLToPath(new URL('../programs/bare-pipe.mjs', import.meta.url))
const BARE = 'bare createReadStream pipe'

/** A file that is in the page cache, read by one client. */
export const download: Scenario = {
  name: 'download',
  title: 'GET of a large file, beside a bare createReadStream pipe',
  seconds: { full: 30, quick: 5 },
  async run(bench) {
    const size = bench.quick ? 128 * MIB : GIB
    const file = await bench.content(size)
    const client = await bench.client()
    const contestants: Contestant[] = [
      {
        name: 'Landfall',
        async prepare() {
          const server = await bench.landfall()
          const url = await uploadOne(client, server, file, size)
          const job = { Mode: 'get', URL: url, Size: size, Count: 1 } as const
          return { run: () => measureJob(client, server, job) }
        },
      },
      { name: BARE, prepare: () => barePipe(bench, client, file, size) },
    ]
    const results = await bench.alternate(contestants)
    return (['seconds', 'cpu'] as const).map(
      (measure): Row => ({
        figure: `download of ${sizeName(size)}: ${measure === 'cpu' ? 'CPU of the server' : 'wall time'}`,
        ours: results.of('Landfall', measure),
        unit: 's',
        peer: { name: BARE, value: results.of(BARE, measure) },
        goal: measure === 'seconds' ? atMost(1.1) : undefined,
      }),
    )
  },
}

/** Uploads a file and tells where its bytes are served. */
export async function uploadOne(
  client: Client,
  server: Landfall,
  file: string,
  size: number,
): Promise<string> {
  const { uploads: URL, headers: Headers } = server
  await client.do({ Mode: 'tus', URL, Headers, File: file, Size: size, Count: 1 })
  const answer = await fetch(`${server.origin}/api/media/files?limit=1&ordering=-created_at`, {
    headers: Headers,
  })
  const { results } = (await answer.json()) as { results: { f: string }[] }
  const [record] = results
  if (record === undefined) throw new Error('the upload has no record')
  return record.f
}

async function barePipe(bench: Bench, client: Client, file: string, size: number) {
  const port = await freePort()
  const folder = path.join(bench.folder, 'bare-pipe')
  await mkdir(folder)
  const program = await startProgram({
    name: BARE,
    command: process.execPath,
    args: [pipe, String(port), file],
    folder,
    port,
  })
  bench.after(() => program.stop())
  const job = { Mode: 'get', URL: `http://127.0.0.1:${port}/`, Size: size, Count: 1 } as const
  return { run: () => measureJob(client, program, job) }
}
