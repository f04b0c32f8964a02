import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { s3Objects } from '../../src/db/schema-s3.ts'
import { requireKept, requireTidy, troubleIn } from '../support/aftermath.ts'
import type { DatabaseKind } from '../support/database.ts'
import { faultCycles, faultSeed, report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { createBucket, hasS3 } from '../support/s3.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { startTraffic, trafficEnv } from '../support/traffic.ts'

const authorization = `Token ${ADMIN_KEY}`
/** What is promised. Of processor time, since other work on the machine is not the server's. */
const READY_WITHIN_MS = 5000

/** Where the server's state is while it is killed again and again. */
const homes: { name: string; kind: DatabaseKind; onS3?: true }[] = [
  { name: 'the embedded database', kind: 'embedded' },
  { name: 'Postgres', kind: 'postgres' },
  ...(hasS3 ? [{ name: 'Postgres and S3', kind: 'postgres' as const, onS3: true as const }] : []),
]

let home: Home
afterEach(() => home.remove())

describe.each(homes)('kill -9 at any moment with $name', ({ name, kind, onS3 }) => {
  it(`loses nothing in ${faultCycles} deaths`, {
    timeout: 120_000 + faultCycles * 20_000,
  }, async () => {
    home = await createHome(kind)
    const bucket = onS3 && (await createBucket())
    // Where files have parts, some are to have more than one.
    const [largest, stride] = onS3 ? [12_000_000, 30_000_000] : [400_000, 4_000_000]
    const env = bucket?.env ?? {}
    const traffic = startTraffic({ seed: faultSeed, authorization, largest, deaths: true })
    const { ledger, random } = traffic
    const starts: { ms: number; cpuMs: number }[] = []
    let unborn = 0
    const start = async () => {
      const began = performance.now()
      const server = await home.start({ ...trafficEnv, ...env })
      starts.push({ ms: performance.now() - began, cpuMs: server.startCpuMs })
      return server
    }
    const end = async (server: ServerProcess) => {
      server.kill('SIGKILL')
      await server.ended
      expect(troubleIn(server.stderr(), true)).toEqual([])
    }

    for (let cycle = 0; cycle < faultCycles; cycle++) {
      // Some die while they put right what the one before has left.
      if (random.chance(0.15)) {
        const DIE_AFTER_MS = String(random.between(0, 600))
        const begun = await home.start({ ...trafficEnv, ...env, DIE_AFTER_MS }).catch(() => null)
        await begun?.ended
        unborn++
      }
      const server = await start()
      traffic.up(server.url)
      await Promise.race([ledger.passed(random.between(1, stride)), traffic.failed])
      await delay(random.between(0, 25))
      traffic.down()
      await end(server)
    }

    const last = await start()
    traffic.up(last.url)
    await traffic.finish()
    await requireKept(last.url, authorization, ledger)
    // A day later the sweep has published what was whole, though its client never heard of it, and
    // taken away what was not.
    await last.sweep({ aheadMs: 25 * 3600_000 })
    const found = await requireKept(last.url, authorization, ledger)
    last.kill('SIGTERM')
    expect(await last.ended).toEqual({ code: 0, signal: null })
    expect(troubleIn(last.stderr(), false)).toEqual([])
    const database = await home.openDatabase()
    const files = await (bucket ? bucket.keys() : filesIn(path.join(home.dataDir, 'files')))
    if (bucket) {
      expect(await bucket.openMultiparts()).toEqual([])
      expect(await database.db.select().from(s3Objects)).toEqual([])
    }
    await requireTidy(database.db, files).finally(() => database.close())
    // The first one makes the database; what is promised is for those after a death.
    const restarts = starts.slice(1)
    const [slowest, cpu] = (['ms', 'cpuMs'] as const).map((of) =>
      Math.round(Math.max(...restarts.map((each) => each[of]))),
    )
    expect(cpu).toBeLessThan(READY_WITHIN_MS)
    report(`kill -9 with ${name}`, {
      kills: faultCycles,
      'killed while starting': unborn,
      files: ledger.attempts.length,
      'acknowledged bytes': ledger.acknowledgedBytes(),
      records: found.records,
      'of them without an answer': found.unasked,
      'refused after two deaths in their inspection': found.refused,
      lost: 0,
      'slowest start in ms': slowest ?? 0,
      'of processor time': cpu ?? 0,
      refusals: JSON.stringify(Object.fromEntries(ledger.refusals)),
    })
  })
})
