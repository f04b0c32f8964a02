import { and, asc, eq, gt, inArray, lt, notExists } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { mediaFiles, outbox, uploads } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { Core } from './core.ts'
import { publish } from './finish.ts'
import { removeBytes } from './terminate.ts'
import type { Upload } from './upload.ts'

const PAGE = 500
const MINUTE_MS = 60_000
/** How long an ended upload is remembered, to answer 410 instead of 404. */
const REMEMBER_MS = 30 * 24 * 60 * MINUTE_MS
const ENDED = ['rejected', 'expired', 'terminated'] as const

export interface Swept {
  /** Uploads that never got their object. */
  abandoned: number
  expired: number
  /** Complete uploads that were published or refused now. */
  finished: number
  /** Ended uploads whose bytes were removed now. */
  unlinked: number
  /** Ended uploads that were forgotten. */
  forgotten: number
}

export interface SweepOptions {
  /**
   * Milliseconds that a row may stand in a passing state (`creating`, `complete`) before it counts
   * as left behind. Default one minute; 0 when no other request can be at work.
   */
  settledAfterMs?: number
}

/**
 * Repairs whatever a crash or a fault left at any step, and ends what has expired. Safe to run at
 * any time, beside requests and beside other sweeps: each change is conditional on the state.
 */
export async function sweep<P>(
  core: Core<P>,
  db: Database,
  { settledAfterMs = MINUTE_MS }: SweepOptions = {},
): Promise<Swept> {
  const now = core.now().toISOString()
  const settled = new Date(core.now().getTime() - settledAfterMs).toISOString()
  const { repo } = core
  const abandoned = await repo.end({ createdBefore: settled }, ['creating'], 'terminated', { now })
  const expired = await repo.end({ expiredBy: now }, ['receiving', 'held'], 'expired', { now })
  for (const { door } of expired) core.meter.ended(door, 'expired')
  return {
    abandoned: abandoned.length,
    expired: expired.length,
    finished: await finishComplete(core, db, settled),
    unlinked: await unlinkEnded(core, db),
    forgotten: await forget(core, db),
  }
}

/** Pages by id, so that one that cannot be finished now does not stand in the way of the rest. */
async function finishComplete<P>(core: Core<P>, db: Database, before: string): Promise<number> {
  let finished = 0
  for (let after: string | null = null; ; ) {
    const page: Upload[] = await db
      .select()
      .from(uploads)
      .where(
        and(
          eq(uploads.state, 'complete'),
          lt(uploads.updatedAt, before),
          after === null ? undefined : gt(uploads.id, after),
        ),
      )
      .orderBy(asc(uploads.id))
      .limit(PAGE)
    for (const { id } of page) if (await finishOne(core, id)) finished++
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return finished
    after = last.id
  }
}

async function finishOne<P>(core: Core<P>, id: string): Promise<boolean> {
  const lock = await core.lock.acquire(id, { timeoutMs: MINUTE_MS })
  try {
    const upload = await core.repo.get(id)
    if (upload?.state !== 'complete') return false
    await publish(core, lock, upload, { counted: 0 })
    return true
  } catch (error) {
    // `publish` has logged what is wrong; a refusal is an end as well.
    return error instanceof Fault && error.reason !== 'pending'
  } finally {
    lock.release()
  }
}

async function unlinkEnded(core: Core<unknown>, db: Database): Promise<number> {
  let unlinked = 0
  for (;;) {
    const page = await db
      .select({ id: uploads.id, storageKey: uploads.storageKey, finalKey: uploads.finalKey })
      .from(uploads)
      .where(and(inArray(uploads.state, [...ENDED]), eq(uploads.bytesGone, false)))
      .orderBy(asc(uploads.updatedAt))
      .limit(PAGE)
    const done = await Promise.all(page.map((upload) => removeBytes(core, upload)))
    const count = done.filter(Boolean).length
    unlinked += count
    // Where the storage refuses, the same page would come again: leave it to the next sweep.
    if (page.length < PAGE || count === 0) return unlinked
  }
}

async function forget(core: Core<unknown>, db: Database): Promise<number> {
  const before = new Date(core.now().getTime() - REMEMBER_MS).toISOString()
  const gone = await db
    .delete(uploads)
    .where(
      and(
        inArray(uploads.state, [...ENDED]),
        eq(uploads.bytesGone, true),
        lt(uploads.updatedAt, before),
        notExists(db.select().from(mediaFiles).where(eq(mediaFiles.uploadId, uploads.id))),
      ),
    )
    .returning({ id: uploads.id })
  await db.delete(outbox).where(lt(outbox.createdAt, before))
  return gone.length
}
