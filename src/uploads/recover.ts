import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import type { Database, OpenDatabase } from '../db/database.ts'
import { uploads } from '../db/schema.ts'
import type { Boot } from '../storage/boot.ts'
import { type Core, expiryFrom } from './core.ts'
import { sweep } from './expire.ts'
import { complete } from './finish.ts'
import type { Upload } from './upload.ts'

const PAGE = 500

/**
 * What the process before this one left behind, before the first request. The embedded database is
 * ours alone, so whatever it shows half-done was left by the dead; a Postgres may have other
 * servers at work right now.
 */
export async function recover<P>(
  core: Core<P>,
  { db, kind }: OpenDatabase,
  boot: Boot,
): Promise<void> {
  if (!boot.same) await distrustLengths(db)
  const adopted = boot.same ? await adoptWrittenBytes(core, db) : 0
  const swept = await sweep(core, db, {
    settledAfterMs: kind === 'embedded' ? 0 : undefined,
  })
  await boot.remember()
  if (adopted > 0 || Object.values(swept).some((count) => count > 0))
    core.log.info({ adopted, ...swept }, 'recovered what the last run left')
}

/**
 * Before the server listens, after a crash on a machine that kept running: what the dead process
 * had written but not recorded is in the page cache, in order and whole, so the length of the
 * object is the true offset (step 5). It is synced and recorded, and nobody sends it again.
 *
 * After a reboot this must not run: the length may count bytes that never reached the disk. The
 * next append then drops whatever lies past the recorded offset.
 *
 * @returns the number of uploads that went forward.
 */
async function adoptWrittenBytes<P>(core: Core<P>, db: Database): Promise<number> {
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

async function adopt<P>(core: Core<P>, upload: Upload): Promise<boolean> {
  const stored = await core.storage.size(upload.storageKey)
  if (stored === null) {
    core.log.error({ upload: upload.id }, 'the bytes of an unfinished upload are missing')
    return false
  }
  const offset = Math.min(stored, upload.size ?? core.limits.maxSize ?? stored)
  if (offset <= upload.offset) return false
  const lock = await core.lock.acquire(upload.id)
  try {
    const appender = await core.storage.append(upload.storageKey, offset)
    await appender.sync().finally(() => appender.close())
    const now = core.now()
    const changes = {
      offset,
      updatedAt: now.toISOString(),
      expiresAt: expiryFrom(core, upload, now),
    }
    if (offset === upload.size && upload.autoFinish) await complete(core, lock, upload, { offset })
    else if (upload.size === null) await core.repo.grow(upload, offset, changes)
    else await core.repo.change(upload.id, ['receiving'], changes)
    return true
  } catch (error) {
    core.log.warn({ err: error, upload: upload.id }, 'written bytes could not be taken over')
    return false
  } finally {
    lock.release()
  }
}
