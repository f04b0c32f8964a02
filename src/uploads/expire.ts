import { and, asc, eq, gt, inArray, isNull, lt, notExists, or } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Database } from '../db/database.ts'
import { mediaFiles, uploadParts, uploadSessions, uploads } from '../db/schema.ts'
import { outbox } from '../db/schema-events.ts'
import { Fault, type Reason } from '../errors.ts'
import type { Core } from './core.ts'
import { complete, publish } from './finish.ts'
import { joinAbandoned } from './join.ts'
import type { HeldLock } from './lock.ts'
import { SESSION_DOOR } from './sessions.ts'
import { removeBytes } from './terminate.ts'
import { hasAllBytes, openStates, type Upload } from './upload.ts'

const PAGE = 500
const MINUTE_MS = 60_000
/** How long an ended upload is remembered, to answer 410 instead of 404. */
const REMEMBER_MS = 30 * 24 * 60 * MINUTE_MS
/** An upload that is in use for so long is left to the next sweep. */
const SWEEP_WAIT_MS = 1000
const PASSING: ReadonlySet<Reason> = new Set(['pending', 'locked', 'unavailable', 'client-gone'])
const ENDED = ['rejected', 'expired', 'terminated'] as const

export interface Swept {
  /** Uploads that never got their object. */
  abandoned: number
  expired: number
  /** Complete uploads that were published or refused now. */
  finished: number
  /** Uploads that were put together from their parts now. */
  joined: number
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
  const abandoned = await repo.end(
    { createdBefore: settled, silentBefore: silentBefore(core, settledAfterMs) },
    ['creating'],
    'terminated',
    { now },
  )
  abandoned.push(...(await endSilent(core, settledAfterMs)))
  // All their bytes are there, however long nobody could look: they are not to expire now.
  const joined = await joinAbandoned(core)
  await repo.keepTogether()
  const unfinished = [...openStates, 'held'] as const
  const expired = await repo.end({ expiredBy: now }, unfinished, 'expired', { now })
  expired.push(...(await expireSessions(core, now)))
  for (const { door } of expired) core.meter.ended(door, 'expired')
  await core.storage.removeUnfinishedPuts?.(new Date(settled)).catch((err: unknown) => {
    core.log.warn({ err }, 'what a crash left of small files could not be removed')
  })
  return {
    abandoned: abandoned.length,
    expired: expired.length,
    joined,
    finished: await finishComplete(core, db, settled),
    unlinked: await unlinkEnded(core, db),
    forgotten: await forget(core, db),
  }
}

/**
 * A body that comes with its creation is recorded some seconds after its first bytes, and silence is
 * cut after the idle time: by then its row is not `creating` any more.
 */
function silentBefore(
  { limits, now }: Pick<Core<unknown>, 'limits' | 'now'>,
  settledAfterMs: number,
): string {
  const ageMs = settledAfterMs === 0 ? 0 : settledAfterMs + limits.idleMs
  return new Date(now().getTime() - ageMs).toISOString()
}

/** Ends the sessions whose time is up, and with them whatever is in them. */
async function expireSessions({ repo }: Core<unknown>, now: string) {
  await repo.expireSessions(now)
  const from = ['creating', 'receiving', 'complete', 'held'] as const
  return repo.end({ inExpiredSessions: true }, from, 'expired', { now })
}

/**
 * A body that goes into a session cannot be resumed, and while it runs its offset is recorded every
 * few seconds, or it is cut as idle. One that has been silent for longer was left by a crash, and
 * keeps its name from whoever sends the file again.
 */
async function endSilent({ repo, limits, now }: Core<unknown>, settledAfterMs: number) {
  const silentSince = silentBefore({ limits, now }, settledAfterMs)
  const facts = { now: now().toISOString() }
  return repo.end({ door: SESSION_DOOR, silentSince }, ['receiving'], 'terminated', facts)
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
          or(
            eq(uploads.state, 'complete'),
            // All bytes, but something came between the last one and its consequences.
            and(
              eq(uploads.state, 'receiving'),
              eq(uploads.offset, uploads.size),
              eq(uploads.autoFinish, true),
              isNull(uploads.recipe),
            ),
          ),
          lt(uploads.updatedAt, before),
          after === null ? undefined : gt(uploads.id, after),
        ),
      )
      .orderBy(asc(uploads.id))
      .limit(PAGE)
    for (const { id } of page) {
      if (core.stopping.aborted) return finished
      if (await finishOne(core, id)) finished++
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return finished
    after = last.id
  }
}

async function finishOne<P>(core: Core<P>, id: string): Promise<boolean> {
  let lock: HeldLock | undefined
  try {
    lock = await core.lock.acquire(id, { timeoutMs: SWEEP_WAIT_MS, signal: core.stopping })
    const upload = await core.repo.get(id)
    if (upload === undefined) return false
    if (hasAllBytes(upload)) await complete(core, lock, upload, {})
    else if (upload.state === 'complete') await publish(core, lock, upload, { counted: 0 })
    else return false
    return true
  } catch (error) {
    // `publish` has logged what is wrong; a refusal is an end as well.
    return error instanceof Fault && !PASSING.has(error.reason)
  } finally {
    lock?.release()
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
  const whole = alias(uploads, 'whole')
  const openWholes = db
    .select({ partId: uploadParts.partId })
    .from(uploadParts)
    .innerJoin(whole, eq(whole.id, uploadParts.wholeId))
    .where(eq(whole.state, 'receiving'))
    .as('open_wholes')
  const gone = await db
    .delete(uploads)
    .where(
      and(
        inArray(uploads.state, [...ENDED]),
        eq(uploads.bytesGone, true),
        lt(uploads.updatedAt, before),
        notExists(db.select().from(mediaFiles).where(eq(mediaFiles.uploadId, uploads.id))),
        // Without its row a whole that waits for it would look complete.
        notExists(db.select().from(openWholes).where(eq(openWholes.partId, uploads.id))),
      ),
    )
    .returning({ id: uploads.id })
  // Submitted ones stay with their files; of the others nothing is left.
  await db
    .delete(uploadSessions)
    .where(
      and(
        eq(uploadSessions.status, 'expired'),
        lt(uploadSessions.updatedAt, before),
        notExists(db.select().from(uploads).where(eq(uploads.sessionToken, uploadSessions.token))),
      ),
    )
  await db.delete(outbox).where(lt(outbox.createdAt, before))
  return gone.length
}
