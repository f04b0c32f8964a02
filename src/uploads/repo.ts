import { and, desc, eq, gt, inArray, isNull, or, type SQL, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploads, users } from '../db/schema.ts'
import type { Reason } from '../errors.ts'
import type { HeldLock } from './lock.ts'
import { inHands, requireHeld } from './lock-fence.ts'
import { changeOf } from './repo-change.ts'
import { createInsert, type Quota } from './repo-insert.ts'
import { createPartsRepo } from './repo-parts.ts'
import { createSessionFilesRepo, type Refused } from './repo-sessions.ts'
import type { SessionLimits } from './session-rules.ts'
import { IMPORT_DOOR, isOpen, openStates, type Upload, type UploadState } from './upload.ts'

/**
 * The statements on `uploads`. Every change of state is one UPDATE from the states it expects, and
 * the owner's counters move in the same statement: they cannot drift apart, whoever dies when.
 */
export function createUploadsRepo(db: Database, quota: Quota, sessions: SessionLimits) {
  const maxBytes = quota.maxBytes ?? Number.MAX_SAFE_INTEGER
  const inSessions = createSessionFilesRepo(db, quota, sessions)
  const insertCharged = createInsert(db, quota)
  const byId = db
    .select()
    .from(uploads)
    .where(eq(uploads.id, sql.placeholder('id')))
    .prepare('upload')

  /** Reserves what the upload declares and inserts it, or says which limit is in the way. */
  async function insert(upload: Upload): Promise<'inserted' | Refused> {
    if (upload.sessionToken !== null) return inSessions.insertIntoSession(upload)
    if (upload.ownerId === null) {
      await withRetry(() => db.insert(uploads).values(upload).onConflictDoNothing())
      return 'inserted'
    }
    return insertCharged({ ...upload, ownerId: upload.ownerId })
  }

  async function get(id: string): Promise<Upload | undefined> {
    const [found] = await withRetry(() => byId.execute({ id }))
    return found
  }

  /** Uploads of some doors that have not ended, newest first; of one owner, or (null) of everybody. */
  async function list(query: {
    doors: readonly string[]
    ownerId: number | null
    now: string
    limit: number
    offset: number
  }): Promise<Upload[]> {
    const { doors, ownerId, now, limit, offset } = query
    return withRetry(() =>
      db
        .select()
        .from(uploads)
        .where(
          and(
            inArray(uploads.door, [...doors]),
            ownerId === null ? undefined : eq(uploads.ownerId, ownerId),
            inArray(uploads.state, ['receiving', 'complete', 'promoted']),
            or(isNull(uploads.expiresAt), gt(uploads.expiresAt, now)),
          ),
        )
        .orderBy(desc(uploads.createdAt), desc(uploads.id))
        .limit(limit)
        .offset(offset),
    )
  }

  /**
   * Applies changes if the upload is still in one of the states.
   *
   * @param lock whoever changes what only the holder may: `locked` once another server holds it.
   */
  async function change(
    id: string,
    from: readonly UploadState[],
    set: Partial<Upload>,
    lock?: HeldLock,
  ): Promise<boolean> {
    let runs = 0
    const update = changeOf(id, from, set, lock)
    const changed = await withRetry((run) => {
      runs = run
      return update.run(db, update.values)
    })
    if (changed.length > 0) return true
    if (runs === 1 && lock?.epoch == null) return false
    const found = await get(id)
    requireHeld(found, lock)
    // The answer to a run that got through may have been lost.
    return runs > 1 && isAsSet(found, set)
  }

  /**
   * Records changes together with a larger reservation of the owner's quota (uploads whose length
   * was not known at first). `lock` as in `change`.
   */
  async function grow(
    upload: Upload,
    reserved: number,
    set: Partial<Upload>,
    lock?: HeldLock,
  ): Promise<'changed' | 'quota-exceeded' | 'total-exceeded' | 'ended'> {
    const more = reserved - upload.reserved
    if (upload.sessionToken !== null && more > 0)
      return inSessions.growInSession(upload, reserved, set, lock)
    if (upload.ownerId === null || more <= 0)
      return (await change(upload.id, openStates, { ...set, reserved }, lock)) ? 'changed' : 'ended'
    const target = db.$with('target').as(
      db
        .select({ id: uploads.id, ownerId: uploads.ownerId })
        .from(uploads)
        .where(
          and(
            eq(uploads.id, upload.id),
            inArray(uploads.state, [...openStates]),
            // A second run after a lost answer must not charge twice.
            eq(uploads.reserved, upload.reserved),
            inHands(lock),
          ),
        )
        .for('update'),
    )
    const paid = db.$with('paid').as(
      db
        .update(users)
        .set({ usedBytes: sql`${users.usedBytes} + ${more}` })
        .from(target)
        .where(and(eq(users.id, target.ownerId), sql`${users.usedBytes} + ${more} <= ${maxBytes}`))
        .returning({ payer: users.id }),
    )
    const changed = await withRetry(() =>
      db
        .with(target, paid)
        .update(uploads)
        .set({ ...set, reserved })
        .from(paid)
        .where(and(eq(uploads.id, upload.id), eq(uploads.ownerId, paid.payer)))
        .returning({ id: uploads.id }),
    )
    if (changed.length > 0) return 'changed'
    const found = await get(upload.id)
    requireHeld(found, lock)
    if (found?.reserved === reserved) return 'changed'
    return found && isOpen(found.state) ? 'quota-exceeded' : 'ended'
  }

  /** Ends uploads for good and gives their quota back. Answers those that were in `from`. */
  async function end(
    which: Ending,
    from: readonly UploadState[],
    to: 'rejected' | 'expired' | 'terminated',
    facts: { now: string; reason?: Reason },
  ): Promise<{ id: string; door: string }[]> {
    const selection = selectionOf(which)
    // Only whoever removes a file shows that its session is still in use.
    const lifetimeMs = to === 'terminated' ? sessions.expiresAfterMs : 0
    const livesUntil = new Date(Date.parse(facts.now) + lifetimeMs).toISOString()
    const states = sql.join(
      from.map((state) => sql`${state}`),
      sql`, `,
    )
    let runs = 0
    const ended = await withRetry((run) => {
      runs = run
      return rows<{ id: string; door: string }>(
        db,
        sql`with session as (
          select token from upload_sessions where token in (
            select session_token from uploads where state in (${states}) and ${selection}
          ) order by token for update
        ), ended as (
          update uploads set state = ${to}, reject_reason = ${facts.reason ?? null},
            updated_at = ${facts.now}::timestamptz, expires_at = null
          where state in (${states}) and ${selection}
            and (session_token is null or session_token in (select token from session))
          returning id, door, owner_id, reserved, session_token
        ), leaving as (
          select session_token as token, sum(reserved) as bytes, count(*) as files from ended
          where session_token is not null group by session_token
        ), sessions as (
          update upload_sessions set file_count = file_count - leaving.files,
            total_size = total_size - leaving.bytes, updated_at = ${facts.now}::timestamptz,
            expires_at = greatest(expires_at, ${livesUntil}::timestamptz),
            status = case when status = 'uploading' and file_count = leaving.files
              then 'created' else status end
          from leaving where upload_sessions.token = leaving.token
        ), given_back as (
          select owner_id, sum(reserved) as bytes, count(*) as uploads from ended group by owner_id
        ), owners as (
          update users set used_bytes = used_bytes - given_back.bytes,
            open_uploads = open_uploads - given_back.uploads
          from given_back where users.id = given_back.owner_id
        ), announced as (
          insert into outbox (event, subject, payload, created_at)
          select 'upload.rejected', 'upload:' || id,
            jsonb_build_object('upload', id, 'reason', ${facts.reason ?? null}::text),
            ${facts.now}::timestamptz
          from ended where ${to}::text = 'rejected' and door <> ${IMPORT_DOOR}
        ) select id, door from ended`,
      )
    })
    if (ended.length > 0 || !('id' in which)) return ended
    if (runs === 1 && which.lock?.epoch == null) return ended
    const found = await get(which.id)
    requireHeld(found, which.lock)
    // The answer to a run that got through may have been lost.
    return found?.state === to ? [{ id: found.id, door: found.door }] : []
  }

  const { touchSession, expireSessions } = inSessions
  return {
    insert,
    get,
    list,
    change,
    grow,
    end,
    touchSession,
    expireSessions,
    ...createPartsRepo(db),
  }
}

/** Which uploads end. */
type Ending =
  | { id: string; lock?: HeldLock }
  | { expiredBy: string }
  /** Those that stand at their creation: without a body by now, or with one that nobody records. */
  | { createdBefore: string; silentBefore: string }
  /** Those of a door whose body nobody can resume, and that nobody sends any more. */
  | { door: string; silentSince: string }
  | { inExpiredSessions: true }

function selectionOf(which: Ending): SQL {
  if ('id' in which) {
    const epoch = which.lock?.epoch ?? null
    return epoch === null
      ? sql`id = ${which.id}::uuid`
      : sql`id = ${which.id}::uuid and lock_epoch = ${epoch}::bigint`
  }
  if ('expiredBy' in which) return sql`expires_at < ${which.expiredBy}::timestamptz`
  if ('createdBefore' in which)
    return sql`(created_at < ${which.createdBefore}::timestamptz and (lock_epoch = 0
      or (created_at < ${which.silentBefore}::timestamptz and not exists (
        select from servers where servers.id = lock_owner and leased_until > now()))))`
  if ('silentSince' in which)
    return sql`door = ${which.door} and updated_at <= ${which.silentSince}::timestamptz`
  return sql`session_token in (select token from upload_sessions where status = 'expired')`
}

/** Whether a row shows what a change wanted, by the fields that tell. */
function isAsSet(found: Upload | undefined, set: Partial<Upload>): boolean {
  const telling = ['state', 'offset', 'size', 'cutTo', 'inspectTries', 'bytesGone'] as const
  return found !== undefined && telling.every((name) => !(name in set) || found[name] === set[name])
}

export type UploadsRepo = ReturnType<typeof createUploadsRepo>
