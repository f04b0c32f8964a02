import { and, asc, eq, gt, inArray, isNull, sql } from 'drizzle-orm'
import type { Database, OpenDatabase } from '../db/database.ts'
import { uploads } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { Boot } from '../storage/boot.ts'
import { type Core, expiryFrom } from './core.ts'
import { sweep } from './expire.ts'
import { complete } from './finish.ts'
import type { HeldLock } from './lock.ts'
import type { ServerLease } from './server-lease.ts'
import type { Upload } from './upload.ts'

const PAGE = 500
/** Milliseconds for which an upload is waited for that somebody else has taken up since. */
const ADOPT_WAIT_MS = 500

/**
 * Takes the bytes of an unfinished upload out of reach of a server that had them open when it lost
 * its lease: should it wake, what it writes or cuts off is nobody's.
 */
export async function fence(
  { repo, storage }: Core<unknown>,
  id: string,
  isOurs: () => boolean,
): Promise<void> {
  const upload = await repo.get(id)
  if (upload?.state === 'receiving') await storage.detach?.(upload.storageKey, isOurs)
}

/**
 * What the process before this one left behind, before the first request. The embedded database is
 * ours alone, so whatever it shows half-done was left by the dead; a Postgres may have other
 * servers at work right now.
 *
 * @param afterReboot makes good what the database has forgotten, before the sweep draws conclusions
 * from it; answers how many files it published.
 */
export async function recover<P>(
  core: Core<P>,
  { db, kind }: OpenDatabase,
  boot: Boot,
  lease?: ServerLease,
  afterReboot?: () => Promise<number>,
): Promise<void> {
  await lease?.start(true)
  const dead = await lease?.endedHere()
  if (!boot.same) await distrustLengths(db)
  const published = boot.same ? 0 : ((await afterReboot?.()) ?? 0)
  const adopted = boot.same && hasLengths(core) ? await adoptWrittenBytes(core, db, dead) : 0
  if (dead) await lease?.forget(dead)
  const swept = await sweep(core, db, {
    settledAfterMs: kind === 'embedded' ? 0 : undefined,
  })
  await boot.remember()
  if (adopted + published > 0 || Object.values(swept).some((count) => count > 0))
    core.log.info({ adopted, published, ...swept }, 'recovered what the last run left')
}

/**
 * Before the server listens, after a crash on a machine that kept running: what the dead process
 * had written but not recorded is in the page cache, in order and whole, so the length of the
 * object is the true offset (step 5). It is synced and recorded, and nobody sends it again.
 *
 * After a reboot this must not run: the length may count bytes that never reached the disk. The
 * next append then drops whatever lies past the recorded offset.
 *
 * @param dead the servers whose uploads these are, where others may be alive: only what one of them
 * had in hand when it died can be further than its record.
 * @returns the number of uploads that went forward.
 */
async function adoptWrittenBytes<P>(
  core: Core<P>,
  db: Database,
  dead: readonly string[] | undefined,
): Promise<number> {
  if (dead?.length === 0) return 0
  let adopted = 0
  for (let after: string | null = null; ; ) {
    const page: Upload[] = await db
      .select()
      .from(uploads)
      .where(
        and(
          eq(uploads.state, 'receiving'),
          isNull(uploads.cutTo),
          // Half of a whole is nothing: it is joined again.
          isNull(uploads.recipe),
          dead && inArray(uploads.lockOwner, [...dead]),
          after === null ? undefined : gt(uploads.id, after),
        ),
      )
      .orderBy(asc(uploads.id))
      .limit(PAGE)
    const done = await Promise.all(page.map((upload) => adopt(core, upload)))
    adopted += done.filter(Boolean).length
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return adopted
    after = last.id
  }
}

/**
 * After a reboot: no length counts, not even at a later start on the same boot. What is noted here
 * ends with the next bytes of each upload.
 */
async function distrustLengths(db: Database): Promise<void> {
  await db
    .update(uploads)
    .set({ cutTo: sql`${uploads.offset}` })
    .where(and(eq(uploads.state, 'receiving'), isNull(uploads.cutTo)))
}

/** Where bytes are files: what an object store has not been told as stored is not there. */
function hasLengths({ storage }: Core<unknown>): boolean {
  return storage.localPath !== undefined
}

async function adopt<P>(core: Core<P>, upload: Upload): Promise<boolean> {
  // Most are as they are recorded, and there may be ten thousand of them: one look each.
  const stored = await core.storage.size(upload.storageKey).catch(() => null)
  if (stored !== null && stored <= upload.offset) return false
  const lock = await core.lock.acquire(upload.id, { timeoutMs: ADOPT_WAIT_MS }).catch(passedOn)
  if (lock === null) return false
  try {
    // Whoever had it since, on another server, has dropped what was not recorded and gone on.
    const now = await core.repo.get(upload.id)
    if (now?.state !== 'receiving' || now.cutTo !== null || now.offset !== upload.offset)
      return false
    return await adoptHeld(core, lock, now)
  } catch (error) {
    core.log.warn({ err: error, upload: upload.id }, 'written bytes could not be taken over')
    return false
  } finally {
    lock.release()
  }
}

/** Null where another server is at work on it already. */
function passedOn(error: unknown): null {
  if (error instanceof Fault && error.reason === 'locked') return null
  throw error
}

async function adoptHeld<P>(core: Core<P>, lock: HeldLock, upload: Upload): Promise<boolean> {
  const stored = await core.storage.size(upload.storageKey)
  if (stored === null) {
    core.log.error({ upload: upload.id }, 'the bytes of an unfinished upload are missing')
    return false
  }
  const offset = Math.min(stored, upload.size ?? core.limits.maxSize ?? stored)
  if (offset <= upload.offset) return false
  const appender = await core.storage.append(upload.storageKey, offset, lock.isOurs)
  await appender.sync().finally(() => appender.close())
  const now = core.now()
  const changes = {
    offset,
    updatedAt: now.toISOString(),
    expiresAt: expiryFrom(core, upload, now),
  }
  if (offset === upload.size && upload.autoFinish) await complete(core, lock, upload, { offset })
  else if (upload.size === null) await core.repo.grow(upload, offset, changes, lock)
  else await core.repo.change(upload.id, ['receiving'], changes, lock)
  return true
}
