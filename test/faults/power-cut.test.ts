import { existsSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { requireKept, requireTidy, troubleIn } from '../support/aftermath.ts'
import { faultCycles, faultSeed, longForm, report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { createHome, type Home } from '../support/process.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { startTraffic, trafficEnv } from '../support/traffic.ts'

const authorization = `Token ${ADMIN_KEY}`
const cuts = longForm ? Math.ceil(faultCycles / 4) : 2

let home: Home
afterEach(() => home.remove())

/**
 * The machine loses its power: every write that was not synced is gone, or some of them are and
 * others are not. The database is on another machine, and what it has committed stays.
 */
describe.each([
  ['whatever was not synced is gone', false],
  ['some of what was not synced is there', true],
])('a power cut after which %s', (name, scatters) => {
  it(`loses nothing that was acknowledged, ${cuts} times`, {
    timeout: 120_000 + cuts * 20_000,
  }, async () => {
    home = await createHome('postgres')
    const traffic = startTraffic({
      seed: faultSeed,
      authorization,
      largest: 200_000,
      deaths: true,
    })
    const { ledger, random } = traffic
    const folder = path.join(home.dataDir, 'files')
    const survived = path.join(home.dataDir, 'survived')
    let early = 0

    for (let cycle = 0; cycle < cuts; cycle++) {
      const POWER_CUT = JSON.stringify({
        folder,
        survived,
        // The first operations of a start are few: some cuts come to that.
        at: random.chance(0.1) ? random.between(1, 12) : random.between(12, 500),
        scattered: scatters ? random.between(1, 2 ** 30) : null,
      })
      const server = await home.start({ ...trafficEnv, POWER_CUT }).catch((error: unknown) => {
        // Either the power went while it started, or something is wrong.
        if (!existsSync(survived)) throw error
        return null
      })
      if (server === null) early++
      else {
        traffic.up(server.url, { mortal: true })
        await Promise.race([server.ended, traffic.failed])
        traffic.down()
        expect(troubleIn(server.stderr(), true)).toEqual([])
      }
      await rm(folder, { recursive: true })
      await rename(survived, folder)
      await writeFile(path.join(home.dataDir, 'boot-id'), 'another boot\n')
    }

    const last = await home.start(trafficEnv)
    traffic.up(last.url)
    await traffic.finish()
    await requireKept(last.url, authorization, ledger)
    await last.sweep({ aheadMs: 25 * 3600_000 })
    const found = await requireKept(last.url, authorization, ledger)
    last.kill('SIGTERM')
    await last.ended
    expect(troubleIn(last.stderr(), false)).toEqual([])
    const database = await home.openDatabase()
    await requireTidy(database.db, await filesIn(folder)).finally(() => database.close())
    report(`power cut, ${name}`, {
      cuts,
      'while starting': early,
      files: ledger.attempts.length,
      'acknowledged bytes': ledger.acknowledgedBytes(),
      records: found.records,
      'of them without an answer': found.unasked,
      'refused after two deaths in their inspection': found.refused,
      lost: 0,
    })
  })
})
