import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import type { Actor } from '../../src/auth/actor.ts'
import { createUsers } from '../../src/auth/users.ts'
import { rows } from '../../src/db/database.ts'
import { mediaFiles, uploads as uploadsTable } from '../../src/db/schema.ts'
import type { Inspector } from '../../src/media/inspect.ts'
import { createPromotion, type MediaFile } from '../../src/media/promote.ts'
import { openDiskStorage } from '../../src/storage/disk.ts'
import { createDigester } from '../../src/streams/digest.ts'
import type { Core } from '../../src/uploads/core.ts'
import { createUploads } from '../../src/uploads/create-uploads.ts'
import { createCreationRate } from '../../src/uploads/creation-rate.ts'
import { sweep } from '../../src/uploads/expire.ts'
import { createLocks } from '../../src/uploads/locks.ts'
import { createUploadsRepo } from '../../src/uploads/repo.ts'
import type { SessionLimits } from '../../src/uploads/session-rules.ts'
import type { Upload } from '../../src/uploads/upload.ts'
import type { Uploads } from '../../src/uploads/uploads.ts'
import { type DatabaseKind, openTestDatabase } from './database.ts'

const sessions: SessionLimits = {
  ...{ maxOpen: 10, maxFiles: 40, maxFileBytes: 1_000, maxTotalBytes: 1_000 },
  ...{ expiresAfterMs: 24 * 3_600_000, readonly: false },
}

/** A file of this name is refused when it is inspected. */
export const REFUSED_NAME = 'refused.png'

export interface TestCore {
  uploads: Uploads<MediaFile>
  actor: Actor
  /** Sweeps as if no other request could be at work. */
  sweep(): Promise<void>
  rows(): Promise<Upload[]>
  /** Ids of the uploads that have a record, one for each record. */
  published(): Promise<string[]>
  counters(): Promise<{ used: number; open: number; usedByRows: number; openByRows: number }>
  /** Keys of the objects that are stored. */
  keys(): Promise<string[]>
  bytesOf(key: string, length: number): Promise<Buffer>
  /** What the core has logged as an error. */
  errors: string[]
  /** Nothing is left but the user. */
  reset(): Promise<void>
  close(): Promise<void>
}

export interface TestCoreOptions {
  database: DatabaseKind
  now: () => Date
  maxBytes: number
  maxOpenUploads: number
  maxSize: number
}

/** The uploads core as a server has it, on disk and a real database, with no door before it. */
export async function openTestCore(options: TestCoreOptions): Promise<TestCore> {
  const { now } = options
  const dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-core-'))
  const root = path.join(dataDir, 'files')
  const database = await openTestDatabase(options.database)
  const { db } = database
  const storage = await openDiskStorage({ root, durability: 'process' })
  const digester = createDigester()
  const errors: string[] = []
  const log = {
    info() {},
    warn() {},
    error: (_fields: object, message: string) => void errors.push(message),
  }
  const locks = createLocks(database, { log, onWaited() {} })
  const { id, role } = await createUsers({ db, now }).create({ username: 'owner', role: 'user' })
  const core: Core<MediaFile> = {
    repo: createUploadsRepo(db, options, sessions),
    storage,
    digester,
    lock: locks.lock,
    limits: {
      maxSize: options.maxSize,
      expiresAfterMs: 24 * 3_600_000,
      idleMs: 10_000,
      anonymousUploads: false,
      digestAlgorithms: [],
      sessions,
    },
    hooks: createPromotion({
      db,
      inspector,
      bytesOf: (key) => ({ path: path.join(root, key) }),
      derivedKeys: () => [],
      accepted: null,
      now,
      newKey: () => randomUUID(),
    }),
    creationRate: createCreationRate({ perMinute: null, now }),
    now,
    newId: () => randomUUID(),
    stopping: new AbortController().signal,
    at() {},
    meter: { ended() {}, received() {}, publishedIn() {} },
    log,
  }
  async function keys(): Promise<string[]> {
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
      .sort()
  }
  return {
    uploads: createUploads(core),
    actor: { kind: 'user', id, username: 'owner', role, tokenId: 0 },
    errors,
    sweep: async () => void (await sweep(core, db, { settledAfterMs: 0 })),
    rows: () => db.select().from(uploadsTable),
    published: async () =>
      (await db.select({ id: mediaFiles.uploadId }).from(mediaFiles)).map((file) => file.id),
    async counters() {
      const [found] = await rows<Awaited<ReturnType<TestCore['counters']>>>(
        db,
        sql`select used_bytes::int as used, open_uploads as open,
          (select coalesce(sum(reserved), 0)::int from uploads where owner_id = users.id
            and state not in ('rejected', 'expired', 'terminated')) as "usedByRows",
          (select count(*)::int from uploads where owner_id = users.id
            and state in ('creating', 'receiving', 'complete', 'held')) as "openByRows"
        from users where id = ${id}`,
      )
      if (found === undefined) throw new Error('the owner is gone')
      return found
    },
    keys,
    bytesOf: async (key, length) => Buffer.from(await storage.readAt(key, 0, length)),
    async reset() {
      await db.execute(sql`delete from upload_parts`)
      await db.execute(sql`delete from media_files`)
      await db.execute(sql`delete from uploads`)
      await db.execute(sql`update users set used_bytes = 0, open_uploads = 0`)
      for (const key of await keys()) await storage.remove(key)
      errors.length = 0
    },
    async close() {
      await digester.close()
      await locks.close()
      await database.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

const inspector: Inspector = {
  inspect: async ({ name }) => ({
    type: 'other',
    mimeType: 'application/octet-stream',
    width: null,
    height: null,
    mode: null,
    tooManyPixels: name === REFUSED_NAME,
  }),
  thumbnail: async () => null,
  warm() {},
  close: async () => {},
}
