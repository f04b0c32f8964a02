import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireKept, requireTidy } from '../support/aftermath.ts'
import { contentOf } from '../support/content.ts'
import { faultSeed, report } from '../support/fault-settings.ts'
import { filesIn } from '../support/folder.ts'
import { createLedger } from '../support/ledger.ts'
import { bringOne } from '../support/one-upload.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { doorNames, trafficEnv } from '../support/traffic.ts'
import { tusClient } from '../support/tus.ts'

/** A file system in memory of this size, or undefined where we may not mount one. */
function mountSmallDisk(megabytes: number): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'landfall-small-'))
  try {
    if (process.platform !== 'linux') throw new Error('this is not Linux')
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'landfall-small', folder], {
      stdio: 'pipe',
    })
    return folder
  } catch (error) {
    rmSync(folder, { recursive: true })
    const reason = String((error as Error).message).split('\n')[0]
    console.warn(`SKIPPED: a full disk. It takes root to mount a small one here (${reason}).`)
    return undefined
  }
}

const disk = mountSmallDisk(12)

describe.skipIf(disk === undefined)('a full disk', () => {
  let server: TestServer
  let ahead = 0
  const dataDir = disk ?? ''
  const filler = path.join(dataDir, 'filler')
  const ledger = createLedger(faultSeed)

  beforeAll(async () => {
    server = await startServer({
      env: { ...trafficEnv, DATA_DIR: dataDir },
      replaced: { now: () => new Date(Date.now() + ahead) },
    })
  })
  afterAll(async () => {
    await server.close()
    execFileSync('umount', [dataDir])
    rmSync(dataDir, { recursive: true })
  })

  /** Takes all the room there is. */
  function fill(): void {
    const file = openSync(filler, 'a')
    const block = Buffer.alloc(4096, 1)
    try {
      for (;;) writeSync(file, block)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' })
    } finally {
      closeSync(file)
    }
  }

  it('is 507 with the true offset, and the upload goes on when there is room', async () => {
    const tus = tusClient(server.url, server.admin)
    const other = await tus.begin(3000)
    expect((await tus.patch(other, 0, contentOf(1, 0, 1000))).status).toBe(204)
    const size = 16 * 1024 * 1024
    const url = await tus.begin(size)
    const full = await tus.patch(url, 0, contentOf(2, 0, size))
    expect(full.status).toBe(507)
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await full.text()).toBe('The server has no room left: try again later.\n')
    const offset = Number(full.headers.get('upload-offset'))
    expect((await tus.head(url)).headers.get('upload-offset')).toBe(String(offset))
    expect(offset).toBeGreaterThan(0)
    expect(offset).toBeLessThan(size)
    // Another upload is where it was, reads and all.
    expect((await tus.head(other)).headers.get('upload-offset')).toBe('1000')
    expect((await tus.remove(url)).status).toBe(204)
    const done = await tus.patch(other, 1000, contentOf(1, 1000, 2000))
    expect(done.status).toBe(204)
    const stored = await fetch(done.headers.get('landfall-media-url') ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(contentOf(1, 0, 3000))).toBe(true)
    const listed = await fetch(`${server.url}/api/media/files`, {
      headers: { Authorization: server.admin },
    })
    const { results } = (await listed.json()) as { results: { id: number }[] }
    await fetch(`${server.url}/api/media/files/${results[0]?.id}`, {
      method: 'DELETE',
      headers: { Authorization: server.admin },
    })
  })

  it.each(doorNames)('is 507 of %s until there is room, and nothing is lost', async (door) => {
    fill()
    let refused = 0
    const upload = { url: server.url, authorization: server.admin, door, ledger }
    const refusals = await bringOne({
      ...upload,
      seed: faultSeed,
      largest: 300_000,
      recovers: async () => {
        if (++refused === 3) await rm(filler)
      },
    })
    expect(refusals.length).toBeGreaterThanOrEqual(3)
    expect(new Set(refusals.map(({ status }) => status))).toEqual(new Set([507]))
  })

  it('has left one record for each upload, all its bytes, and nothing else', async () => {
    const found = await requireKept(server.url, server.admin, ledger)
    ahead = 25 * 3600_000
    await server.landfall.sweep()
    await requireTidy(server.database.db, await filesIn(path.join(dataDir, 'files')))
    expect(server.logged.filter(({ msg }) => msg === 'unexpected error')).toEqual([])
    report('a full disk', {
      files: ledger.attempts.length,
      refusals: JSON.stringify(Object.fromEntries(ledger.refusals)),
      'acknowledged bytes': ledger.acknowledgedBytes(),
      records: found.records,
      lost: 0,
    })
  })
})
