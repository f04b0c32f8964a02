import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { requireKept, requireTidy } from '../support/aftermath.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { faultSeed, longForm, report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { createLedger } from '../support/ledger.ts'
import { bringOne } from '../support/one-upload.ts'
import { type Break, type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type Door, doorNames, trafficEnv } from '../support/traffic.ts'

const places: readonly Break[] = ['before', 'during', 'after']
const mend = async () => proxy.mend()

let server: TestServer
let opened: OpenDatabase
let proxy: PostgresProxy
let drop: () => Promise<void>
let ahead = 0
const ledger = createLedger(faultSeed)
const figures = { statements: 0, broken: 0, refusals: 0 }

beforeAll(async () => {
  const database = await createPostgresDatabase()
  drop = database.drop
  proxy = await startPostgresProxy(database.url)
  opened = await openPostgres({ url: proxy.url, maxConnections: 5, migrate: false })
  server = await startServer({
    env: trafficEnv,
    replaced: { database: opened, now: () => new Date(Date.now() + ahead) },
  })
})
afterAll(async () => {
  await server.close()
  await proxy.close()
  await drop()
})

/** One upload for each statement that it takes, until none is left to break. */
async function breakEach(door: Door, where: readonly Break[]): Promise<string[]> {
  const problems: string[] = []
  for (let n = 1; ; n++) {
    const place = where[n % where.length] ?? 'before'
    const broken = proxy.breakNth(n, place)
    try {
      const { url, admin: authorization } = server
      const upload = { url, authorization, door, ledger, seed: faultSeed }
      const refused = await bringOne({ ...upload, recovers: mend })
      figures.refusals += refused.length
      if (refused.some(({ status }) => status === 507)) problems.push(`${place} ${n}: 507`)
    } catch (error) {
      problems.push(`${place} statement ${n}: ${(error as Error).message}`)
    }
    proxy.mend()
    if (!broken()) return problems
    figures.statements = Math.max(figures.statements, n)
    figures.broken++
  }
}

describe('a connection to the database that breaks in a statement', () => {
  /**
   * The short form breaks each statement in one of the three places. The long form breaks it in all
   * of them, and has the database away for longer than a statement is tried again.
   */
  const runs: (readonly Break[])[] = longForm
    ? [...places, 'for-long' as const].map((place) => [place])
    : [places]
  it.each(doorNames)(
    'is an honest answer of %s, and the upload goes on',
    { timeout: 600_000 },
    async (door) => {
      const problems: string[] = []
      for (const where of runs) problems.push(...(await breakEach(door, where)))
      expect(problems).toEqual([])
    },
  )

  it('has left one record for each upload, all its bytes, and nothing else', async () => {
    proxy.breakNth(0, 'before')
    const found = await requireKept(server.url, server.admin, ledger)
    ahead = 25 * 3600_000
    await server.landfall.sweep()
    const files = await filesIn(path.join(server.dataDir, 'files'))
    await requireTidy(opened.db, files)
    expect(server.logged.filter(({ msg }) => msg === 'unexpected error')).toEqual([])
    report('the connection breaks in the n-th statement', {
      ...figures,
      files: ledger.attempts.length,
      records: found.records,
      'acknowledged bytes': ledger.acknowledgedBytes(),
      lost: 0,
    })
  })
})
