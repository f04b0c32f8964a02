import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireKept, requireTidy } from '../support/aftermath.ts'
import { type Around, interceptDisk } from '../support/disk-calls.ts'
import { faultSeed, longForm, report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { createLedger } from '../support/ledger.ts'
import { bringOne } from '../support/one-upload.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Door, doorNames, trafficEnv } from '../support/traffic.ts'

let server: TestServer
let ahead = 0
/** Fails the call it is told of; undefined while everything works. */
let trouble: Around | undefined
let restore: () => void
const ledger = createLedger(faultSeed)
const codes = ['EIO', 'ENOSPC', 'EMFILE']
const figures = { operations: 0, failed: 0, refusals: 0 }

beforeAll(async () => {
  server = await startServer({
    env: trafficEnv,
    replaced: { now: () => new Date(Date.now() + ahead) },
  })
  const folder = path.join(server.dataDir, 'files')
  restore = interceptDisk(folder, (call, run) => (trouble ? trouble(call, run) : run()))
})
afterAll(async () => {
  restore()
  await server.close()
})

/** The n-th operation from now on fails like this; tells whether it came to that. */
function failNth(n: number, code: string): () => string | null {
  let count = 0
  let failed: string | null = null
  trouble = async (call, run) => {
    if (++count !== n) return run()
    failed = call.name
    // A descriptor is gone also when closing it failed.
    if (call.name === 'close') await run()
    throw Object.assign(new Error(`${code}: made to fail`), { code })
  }
  return () => failed
}

/** One upload for each operation that it takes, until none is left to fail. */
async function failEach(door: Door, codes: readonly string[]): Promise<string[]> {
  const problems: string[] = []
  for (let n = 1; ; n++) {
    const code = codes[n % codes.length] ?? 'EIO'
    const failed = failNth(n, code)
    try {
      const refused = await bringOne({
        url: server.url,
        authorization: server.admin,
        door,
        ledger,
        seed: faultSeed,
      })
      figures.refusals += refused.length
      // No room is said where it was the room that was missing.
      if (code !== 'ENOSPC' && refused.some(({ status }) => status === 507))
        problems.push(`${code} at operation ${n} (${failed()}): 507`)
    } catch (error) {
      problems.push(`${code} at operation ${n} (${failed()}): ${(error as Error).message}`)
    }
    trouble = undefined
    if (failed() === null) return problems
    figures.operations = Math.max(figures.operations, n)
    figures.failed++
  }
}

describe('an operation on a file that fails', () => {
  /** The short form fails each operation with one of the codes, the long form with all of them. */
  const runs = longForm ? codes.map((code) => [code]) : [codes]
  it.each(doorNames)(
    'is an honest answer of %s, and the upload goes on',
    { timeout: 600_000 },
    async (door) => {
      const problems: string[] = []
      for (const some of runs) problems.push(...(await failEach(door, some)))
      expect(problems).toEqual([])
    },
  )

  it('has left one record for each upload, all its bytes, and nothing else', async () => {
    const found = await requireKept(server.url, server.admin, ledger)
    ahead = 25 * 3600_000
    await server.landfall.sweep()
    const files = await filesIn(path.join(server.dataDir, 'files'))
    await requireTidy(server.database.db, files)
    expect(server.logged.filter(({ msg }) => msg === 'unexpected error')).toEqual([])
    report('the n-th file operation fails', {
      ...figures,
      files: ledger.attempts.length,
      records: found.records,
      'acknowledged bytes': ledger.acknowledgedBytes(),
      lost: 0,
    })
  })
})
