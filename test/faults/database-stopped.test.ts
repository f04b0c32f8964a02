import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { requireKept, requireTidy } from '../support/aftermath.ts'
import { faultSeed, longForm, report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { type OwnPostgres, startPostgres } from '../support/global-setup.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startTraffic, trafficEnv } from '../support/traffic.ts'

const stops = longForm ? 20 : 1

let postgres: OwnPostgres
let database: OpenDatabase
let server: TestServer
let ahead = 0

beforeAll(async () => {
  postgres = await startPostgres()
  database = await openPostgres({ url: postgres.url })
  server = await startServer({
    env: trafficEnv,
    replaced: { database, now: () => new Date(Date.now() + ahead) },
  })
})
afterAll(async () => {
  await server.close()
  await postgres.stop()
})

const statusOf = async (path: string) => (await fetch(server.url + path)).status

describe('a database that is stopped and started during uploads', () => {
  it(`${stops} times: 503 or 423 while it is away, and everything goes on`, {
    timeout: 60_000 + stops * 20_000,
  }, async () => {
    const traffic = startTraffic({
      seed: faultSeed,
      authorization: server.admin,
      largest: 200_000,
    })
    const { ledger, random } = traffic
    const refused = () => [...ledger.refusals.values()].reduce((sum, count) => sum + count, 0)
    traffic.up(server.url)
    for (let stop = 0; stop < stops; stop++) {
      await Promise.race([ledger.passed(random.between(1, 1_000_000)), traffic.failed])
      const before = refused()
      await postgres.halt()
      // As long as it takes until half of the clients have been told.
      await Promise.race([
        expect.poll(refused, { timeout: 20_000 }).toBeGreaterThan(before + 4),
        traffic.failed,
      ])
      expect([await statusOf('/readyz'), await statusOf('/healthz')]).toEqual([503, 200])
      await postgres.resume()
    }
    await Promise.race([ledger.passed(200_000), traffic.failed])
    await traffic.finish()
    expect(await statusOf('/readyz')).toBe(200)
    expect([...ledger.refusals.keys()].filter((status) => ![423, 503].includes(status))).toEqual([])

    await requireKept(server.url, server.admin, ledger)
    ahead = 25 * 3600_000
    await server.landfall.sweep()
    const found = await requireKept(server.url, server.admin, ledger)
    await requireTidy(database.db, await filesIn(path.join(server.dataDir, 'files')))
    expect(server.logged.filter(({ msg }) => msg === 'unexpected error')).toEqual([])
    report('the database is stopped and started', {
      stops,
      files: ledger.attempts.length,
      refusals: JSON.stringify(Object.fromEntries(ledger.refusals)),
      'acknowledged bytes': ledger.acknowledgedBytes(),
      records: found.records,
      lost: 0,
    })
  })
})
