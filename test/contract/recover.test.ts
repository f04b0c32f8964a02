import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import { uploads } from '../../src/db/schema.ts'
import { openDiskStorage } from '../../src/storage/disk.ts'
import type { Storage } from '../../src/storage/storage.ts'
import type { Core } from '../../src/uploads/core.ts'
import { createMemoryLock } from '../../src/uploads/lock-memory.ts'
import { recover } from '../../src/uploads/recover.ts'
import { createUploadsRepo, type UploadsRepo } from '../../src/uploads/repo.ts'
import { openTestDatabase } from '../support/database.ts'
import { insertUpload } from '../support/upload-rows.ts'

let folder: string
let database: OpenDatabase
let storage: Storage
let repo: UploadsRepo
let id: string

beforeAll(async () => {
  database = await openTestDatabase('embedded')
})
afterAll(() => database.close())
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-recover-'))
  await database.db.delete(uploads)
  storage = await openDiskStorage({ root: folder, durability: 'process' })
  repo = createUploadsRepo(
    database.db,
    { maxBytes: null, maxOpenUploads: 10 },
    readConfig({}).sessions,
  )
  id = randomUUID()
  await insertUpload(database, id)
  await storage.create(id)
  await write(0, 'written, not recorded')
})
afterEach(() => rm(folder, { recursive: true }))

async function write(offset: number, text: string): Promise<void> {
  const appender = await storage.append(id, offset)
  await appender.write([Buffer.from(text)])
  await appender.close()
}

/** Recovers, with what happens between the look at an upload and its lock. */
async function recovering(meanwhile = async () => {}): Promise<void> {
  const lock = createMemoryLock()
  const core = {
    repo,
    storage,
    limits: { maxSize: null, expiresAfterMs: 3_600_000, idleMs: 1000 },
    lock: {
      async acquire(held: string) {
        await meanwhile()
        return lock.acquire(held)
      },
    },
    now: () => new Date(),
    stopping: new AbortController().signal,
    log: { info() {}, warn() {}, error() {} },
  } as unknown as Core<never>
  await recover(core, database, { same: true, remember: async () => {} })
}

it('takes over what a dead process had written and not recorded', async () => {
  await recovering()
  expect(await repo.get(id)).toMatchObject({ offset: 21 })
})

it('leaves alone what another server has taken up since, and gone on with', async () => {
  await recovering(async () => {
    await write(0, 'sent again, and then more of it')
    await repo.change(id, ['receiving'], { offset: 31 })
  })
  expect(await repo.get(id)).toMatchObject({ offset: 31 })
  expect(await readFile(path.join(folder, id), 'utf8')).toBe('sent again, and then more of it')
})

it('takes over nothing of an all-or-nothing body that another server began since', async () => {
  await recovering(() => repo.change(id, ['receiving'], { cutTo: 0 }).then(() => {}))
  expect(await repo.get(id)).toMatchObject({ offset: 0 })
})
