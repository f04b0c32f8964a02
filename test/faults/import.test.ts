import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { eq } from 'drizzle-orm'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { compose, type Landfall } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { openEmbedded } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { users } from '../../src/db/schema.ts'
import { createLog } from '../../src/telemetry/log.ts'
import type { Step } from '../../src/uploads/core.ts'
import { createPostgresDatabase, type DatabaseKind } from '../support/database.ts'
import { withoutManifests } from '../support/manifests.ts'
import { ADMIN_KEY } from '../support/server.ts'

const created_at = '2019-03-04T05:06:07.123456Z'
/** The second one takes several writes. */
const files = [randomBytes(10), randomBytes(2_500_000), randomBytes(20), randomBytes(30)]
const total = files.reduce((sum, bytes) => sum + bytes.length, 0)

let folder: string
let dropDatabase: (() => Promise<void>) | undefined
let env: Record<string, string>
afterEach(async () => {
  await dropDatabase?.()
  await rm(folder, { recursive: true, force: true })
})

/** Files and the CSV files that describe them, and where they are to go. */
async function prepare(kind: DatabaseKind): Promise<void> {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-import-'))
  const postgres = kind === 'postgres' ? await createPostgresDatabase() : undefined
  dropDatabase = postgres?.drop
  env = {
    PATH: process.env.PATH ?? '',
    PORT: '0',
    DATA_DIR: path.join(folder, 'data'),
    ADMIN_TOKEN: ADMIN_KEY,
    LOG_LEVEL: 'silent',
    SHUTDOWN_TIMEOUT: '2s',
    ...(postgres ? { DATABASE_URL: postgres.url } : {}),
  }
  await mkdir(path.join(folder, 'media'))
  for (const [index, bytes] of files.entries())
    await writeFile(path.join(folder, 'media', String(index)), bytes)
  const rows = files.map((_, index) => `${index},${index},${created_at},anna\n`)
  await writeFile(path.join(folder, 'files.csv'), `path,name,created_at,username\n${rows.join('')}`)
  await writeFile(path.join(folder, 'users.csv'), 'username\nanna\n')
}

async function runImport(crashAt = ''): Promise<{ signal: string | null; stdout: string }> {
  const args = ['import', 'files.csv', '--users', 'users.csv', '--media-root', 'media', '--json']
  const child = spawn(
    process.execPath,
    [path.join(inject('compiled'), 'test/support/import-process.js'), ...args],
    {
      cwd: folder,
      env: { ...env, CRASH_AT: crashAt },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let stdout = ''
  child.stdout.on('data', (text) => {
    stdout += text
  })
  const [, signal] = await once(child, 'close')
  return { signal: signal as string | null, stdout }
}

async function stored(): Promise<string[]> {
  const entries = await readdir(path.join(folder, 'data', 'files'), {
    recursive: true,
    withFileTypes: true,
  })
  return withoutManifests(entries.filter((entry) => entry.isFile()).map(({ name }) => name))
}

/** The counters of the owner of all files. */
async function annas(): Promise<{ usedBytes: number; openUploads: number } | undefined> {
  const url = env.DATABASE_URL
  const database = url
    ? await openPostgres({ url, migrate: false })
    : await openEmbedded(env.DATA_DIR ?? '')
  const { usedBytes, openUploads, username } = users
  const found = database.db.select({ usedBytes, openUploads }).from(users)
  const [anna] = await found.where(eq(username, 'anna')).finally(() => database.close())
  return anna
}

/** A server on what the import made, with the clock set forward. */
async function served<T>(aheadMs: number, look: (landfall: Landfall, url: string) => Promise<T>) {
  const log = createLog({ level: 'silent' })
  const now = () => new Date(Date.now() + aheadMs)
  const landfall = await compose(readConfig(env), { log, now })
  try {
    return await look(landfall, (await landfall.listen()).url)
  } finally {
    await landfall.close()
  }
}

const headers = { Authorization: `Token ${ADMIN_KEY}` }

async function list(url: string) {
  const answer = await fetch(`${url}/api/media/files?ordering=name`, { headers })
  return (await answer.json()) as {
    count: number
    results: { name: string; f: string; created_at: string }[]
  }
}

async function expectWhole(url: string): Promise<void> {
  const { count, results } = await list(url)
  expect(count).toBe(files.length)
  for (const { name, f, created_at: at } of results) {
    expect(at).toBe(created_at)
    const bytes = Buffer.from(await (await fetch(f)).arrayBuffer())
    expect(bytes.equals(files[Number(name)] ?? Buffer.alloc(0))).toBe(true)
  }
}

const steps: `${Step}${'' | `:${number}`}`[] = [
  'row-inserted',
  'object-created',
  'bytes-written',
  'bytes-written:4',
  'bytes-synced:2',
  'complete',
  'inspected',
  'published:2',
]

describe.each([
  ['postgres', steps],
  ['embedded', ['bytes-written:3']],
] as const)('kill -9 of an import with the %s database', (kind, at) => {
  it.each(at)('at %s: run again, it is complete', { timeout: 90_000 }, async (step) => {
    await prepare(kind)
    expect((await runImport(step)).signal).toBe('SIGKILL')
    const { stdout } = await runImport()
    const { files: counts } = JSON.parse(stdout)
    expect(counts.failed).toBe(0)
    expect(counts.imported + counts.already_there).toBe(files.length)
    expect(await stored()).toHaveLength(files.length)
    expect(await annas()).toEqual({ usedBytes: total, openUploads: 0 })
    await served(0, (_, url) => expectWhole(url))
  })
})

describe('an import that was killed and is not run again', () => {
  it('has its half of a file taken away a day later, and not sooner', async () => {
    await prepare('postgres')
    await runImport('bytes-written:4')
    const before = await stored()
    await served(600_000, async (landfall, url) => {
      await landfall.sweep()
      expect((await list(url)).count).toBeLessThan(files.length)
      expect(await stored()).toEqual(before)
    })
    await served(25 * 3600_000, async (landfall, url) => {
      await landfall.sweep()
      const { results } = await list(url)
      expect(await stored()).toHaveLength(results.length)
      const sizes = results.map(({ name }) => files[Number(name)]?.length ?? 0)
      const usedBytes = sizes.reduce((sum, size) => sum + size, 0)
      expect(await annas()).toEqual({ usedBytes, openUploads: 0 })
    })
    // What the sweep has ended begins anew.
    expect(JSON.parse((await runImport()).stdout).files.failed).toBe(0)
    await served(0, (_, url) => expectWhole(url))
  })

  it('has a file whose bytes were all there published by the server, with its date', async () => {
    await prepare('postgres')
    await runImport('complete')
    await served(0, async (_, url) => {
      const { results } = await list(url)
      expect(results.length).toBeGreaterThan(0)
      expect(results.every((one) => one.created_at === created_at)).toBe(true)
    })
  })
})
