import { and, eq, inArray, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { isUniqueViolation, withRetry } from '../db/retry.ts'
import { uploadSessions, uploads, users } from '../db/schema.ts'
import { statement } from '../db/statement.ts'
import { Fault } from '../errors.ts'
import { rowNames, rowValues } from './insert-values.ts'
import type { HeldLock } from './lock.ts'
import { inHands, requireHeld } from './lock-fence.ts'
import type { SessionLimits, SessionRefusal } from './session-rules.ts'
import { isOpenSession, liveStates } from './sessions.ts'
import { isOpen, openStates, type Upload } from './upload.ts'

export type Refused = 'quota-exceeded' | 'too-many-uploads' | SessionRefusal

/** What stood in the way can be gone when it is looked for: then the statement is run again. */
const MAX_TRIES = 5

/** Fields of the row to insert that stand elsewhere in the statement as well. */
const inserted = {
  id: sql.placeholder('id'),
  ownerId: sql.placeholder('ownerId'),
  sessionToken: sql.placeholder('sessionToken'),
  reserved: sql.placeholder('reserved'),
  createdAt: sql.placeholder('createdAt'),
}

/**
 * The statements on uploads that belong to a session. Its counters move in the statement that moves
 * the upload, and its limits are conditions of that statement, so that they hold whoever comes at
 * the same time. Rows are locked in one order everywhere: session, uploads, owner.
 */
export function createSessionFilesRepo(
  db: Database,
  quota: { maxBytes: number | null; maxOpenUploads: number },
  limits: SessionLimits,
) {
  const maxBytes = quota.maxBytes ?? Number.MAX_SAFE_INTEGER

  /** Reserves room in the session and of the owner's quota and inserts the row, or says why not. */
  async function insertIntoSession(upload: Upload, tries = 1): Promise<'inserted' | Refused> {
    try {
      const run = upload.ownerId === null ? insertion.free : insertion.charged
      const livesUntil = expiryAfter(upload.createdAt)
      const done = await withRetry(() => run(db, { ...upload, livesUntil }))
      if (done.length > 0) return 'inserted'
    } catch (error) {
      if (!isUniqueViolation(error)) throw error
      if (await isTaken(upload)) return 'name-taken'
      if (tries >= MAX_TRIES) throw error
      return insertIntoSession(upload, tries + 1)
    }
    // The answer to an earlier try was lost.
    if (await db.$count(uploads, eq(uploads.id, upload.id))) return 'inserted'
    const why = (await refusedBySession(upload, upload.reserved)) ?? (await refusedByOwner(upload))
    if (why !== null) return why
    if (tries >= MAX_TRIES) throw new Fault('unavailable', { retryAfterSeconds: 1 })
    return insertIntoSession(upload, tries + 1)
  }

  /** An upload of nobody charges nobody. */
  const insertion = { charged: insertionOf(true), free: insertionOf(false) }

  function insertionOf(charged: boolean) {
    const { id, ownerId, sessionToken, reserved, createdAt } = inserted
    const owner = charged
      ? sql`update users set used_bytes = used_bytes + ${reserved}::bigint,
            open_uploads = open_uploads + 1 from session
          where users.id = ${ownerId} and open_uploads < ${quota.maxOpenUploads}
            and used_bytes + ${reserved}::bigint <= ${maxBytes}::bigint
          returning token`
      : sql`select token from session`
    return statement(sql`with session as (
        select token from upload_sessions
        where token = ${sessionToken} and user_id is not distinct from ${ownerId}::int
          and status in ('created', 'uploading') and expires_at > ${createdAt}::timestamptz
          and file_count < ${limits.maxFiles}::int
          and total_size + ${reserved}::bigint <= ${limits.maxTotalBytes}::bigint
          and not exists (select from uploads where uploads.id = ${id}::uuid)
        for update
      ), owner as (
        ${owner}
      ), counted as (
        update upload_sessions set file_count = file_count + 1,
          total_size = total_size + ${reserved}::bigint, status = 'uploading',
          updated_at = ${createdAt}::timestamptz,
          expires_at = greatest(expires_at, ${sql.placeholder('livesUntil')}::timestamptz)
        from owner where upload_sessions.token = owner.token returning upload_sessions.token
      ) insert into uploads (${rowNames}) select ${rowValues} from counted returning id`)
  }

  async function isTaken({ sessionToken, filename }: Upload): Promise<boolean> {
    const same = and(
      eq(uploads.sessionToken, sessionToken ?? ''),
      eq(uploads.filename, filename),
      inArray(uploads.state, [...liveStates]),
    )
    return (await db.$count(uploads, same)) > 0
  }

  async function refusedBySession(upload: Upload, more: number): Promise<SessionRefusal | null> {
    const [session] = await db
      .select()
      .from(uploadSessions)
      .where(eq(uploadSessions.token, upload.sessionToken ?? ''))
    // The same for unknown and foreign ones, as everywhere.
    if (session === undefined || session.userId !== upload.ownerId) return 'session-invalid'
    if (!isOpenSession(session, new Date(upload.updatedAt))) return 'session-closed'
    if (upload.state === 'creating' && session.fileCount >= limits.maxFiles) return 'too-many-files'
    return session.totalSize + more > limits.maxTotalBytes ? 'total-exceeded' : null
  }

  async function refusedByOwner({ ownerId, reserved }: Upload) {
    if (ownerId === null) return null
    const [owner] = await db.select().from(users).where(eq(users.id, ownerId))
    if (owner && owner.openUploads >= quota.maxOpenUploads) return 'too-many-uploads'
    return owner && owner.usedBytes + reserved > maxBytes ? 'quota-exceeded' : null
  }

  /** As `grow` for an upload in a session: its total grows along with what the owner pays. */
  async function growInSession(
    upload: Upload,
    reserved: number,
    set: Partial<Upload>,
    lock?: HeldLock,
  ): Promise<'changed' | 'ended' | 'quota-exceeded' | 'total-exceeded'> {
    const changed = await withRetry(() => growth(upload, reserved, set, lock))
    if (changed.length > 0) return 'changed'
    const [found] = await db.select().from(uploads).where(eq(uploads.id, upload.id))
    requireHeld(found, lock)
    if (found?.reserved === reserved) return 'changed'
    if (!found || !isOpen(found.state)) return 'ended'
    // It is one of the session's files already.
    const counted = { ...found, state: 'receiving' as const }
    const why = await refusedBySession(counted, reserved - upload.reserved)
    return why === 'total-exceeded' ? why : 'quota-exceeded'
  }

  function growth(upload: Upload, reserved: number, set: Partial<Upload>, lock?: HeldLock) {
    const more = reserved - upload.reserved
    const { token, totalSize } = uploadSessions
    const session = db.$with('session').as(
      db
        .select({ token })
        .from(uploadSessions)
        .where(
          and(
            eq(token, upload.sessionToken ?? ''),
            sql`${totalSize} + ${more}::bigint <= ${limits.maxTotalBytes}::bigint`,
          ),
        )
        .for('update'),
    )
    const target = db.$with('target').as(
      db
        .select({ id: uploads.id })
        .from(uploads)
        .where(
          and(
            eq(uploads.id, upload.id),
            inArray(uploads.state, [...openStates]),
            // A second run after a lost answer must not charge twice.
            eq(uploads.reserved, upload.reserved),
            inHands(lock),
            sql`exists (select from session)`,
          ),
        )
        .for('update'),
    )
    const paid = db.$with('paid').as(
      upload.ownerId === null
        ? db.select({ paid: target.id }).from(target)
        : db
            .update(users)
            .set({ usedBytes: sql`${users.usedBytes} + ${more}` })
            .from(target)
            .where(
              and(eq(users.id, upload.ownerId), sql`${users.usedBytes} + ${more} <= ${maxBytes}`),
            )
            .returning({ paid: target.id }),
    )
    const counted = db.$with('counted').as(
      db
        .update(uploadSessions)
        .set({ totalSize: sql`${totalSize} + ${more}` })
        .from(paid)
        .where(eq(token, upload.sessionToken ?? ''))
        .returning({ counted: paid.paid }),
    )
    return db
      .with(session, target, paid, counted)
      .update(uploads)
      .set({ ...set, reserved })
      .from(counted)
      .where(eq(uploads.id, counted.counted))
      .returning({ id: uploads.id })
  }

  /** Bytes arrive: the session lives on. */
  async function touchSession(token: string, now: string): Promise<void> {
    await withRetry(() =>
      db.execute(
        sql`update upload_sessions set updated_at = ${now}::timestamptz,
          expires_at = greatest(expires_at, ${expiryAfter(now)}::timestamptz)
        where token = ${token} and status in ('created', 'uploading')`,
      ),
    )
  }

  /** Ends the sessions whose time is up. Their files end with `end`. */
  async function expireSessions(now: string): Promise<void> {
    await withRetry(() =>
      db.execute(
        sql`update upload_sessions set status = 'expired', updated_at = ${now}::timestamptz
        where status in ('created', 'uploading') and expires_at <= ${now}::timestamptz`,
      ),
    )
  }

  function expiryAfter(time: string): string {
    return new Date(Date.parse(time) + limits.expiresAfterMs).toISOString()
  }

  return { insertIntoSession, growInSession, touchSession, expireSessions }
}
