import { and, eq, getTableColumns, inArray, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploads, users } from '../db/schema.ts'
import type { Reason } from '../errors.ts'
import type { Upload, UploadState } from './upload.ts'

export interface Quota {
  /** USER_MAX_BYTES; null for no limit. */
  maxBytes: number | null
  /** USER_MAX_OPEN_UPLOADS. */
  maxOpenUploads: number
}

/**
 * The statements on `uploads`. Every change of state is one UPDATE from the states it expects, and
 * the owner's counters move in the same statement: they cannot drift apart, whoever dies when.
 */
export function createUploadsRepo(db: Database, quota: Quota) {
  const maxBytes = quota.maxBytes ?? Number.MAX_SAFE_INTEGER

  /** Reserves what the upload declares and inserts it, or says which quota is in the way. */
  async function insert(
    upload: Upload,
  ): Promise<'inserted' | 'quota-exceeded' | 'too-many-uploads'> {
    if (upload.ownerId === null) {
      await withRetry(() => db.insert(uploads).values(upload).onConflictDoNothing())
      return 'inserted'
    }
    const columns = Object.entries(getTableColumns(uploads))
    const names = columns.map(([, column]) => sql.identifier(column.name))
    const values = columns.map(
      ([property, column]) =>
        sql`${sql.param(upload[property as keyof Upload], column)}::${sql.raw(column.getSQLType())}`,
    )
    const inserted = await withRetry(() =>
      rows(
        db,
        sql`with owner as (
          update users set used_bytes = used_bytes + ${upload.reserved}::bigint,
            open_uploads = open_uploads + 1
          where id = ${upload.ownerId} and open_uploads < ${quota.maxOpenUploads}
            and used_bytes + ${upload.reserved}::bigint <= ${maxBytes}::bigint
            and not exists (select from uploads where uploads.id = ${upload.id}::uuid)
          returning id
        ) insert into uploads (${sql.join(names, sql`, `)})
        select ${sql.join(values, sql`, `)} from owner returning id`,
      ),
    )
    if (inserted.length > 0) return 'inserted'
    if (await get(upload.id)) return 'inserted' // the answer to an earlier try was lost
    const [counters] = await db
      .select({ open: users.openUploads })
      .from(users)
      .where(eq(users.id, upload.ownerId))
    return counters && counters.open >= quota.maxOpenUploads ? 'too-many-uploads' : 'quota-exceeded'
  }

  async function get(id: string): Promise<Upload | undefined> {
    const [found] = await withRetry(() => db.select().from(uploads).where(eq(uploads.id, id)))
    return found
  }

  /** Applies changes if the upload is still in one of the states. */
  async function change(
    id: string,
    from: readonly UploadState[],
    set: Partial<Upload>,
  ): Promise<boolean> {
    const changed = await withRetry(() =>
      db
        .update(uploads)
        .set(set)
        .where(and(eq(uploads.id, id), inArray(uploads.state, [...from])))
        .returning({ id: uploads.id }),
    )
    return changed.length > 0
  }

  /**
   * Records changes together with a larger reservation of the owner's quota (uploads whose length
   * was not known at first).
   */
  async function grow(
    upload: Upload,
    reserved: number,
    set: Partial<Upload>,
  ): Promise<'changed' | 'quota-exceeded' | 'ended'> {
    const more = reserved - upload.reserved
    if (upload.ownerId === null || more <= 0)
      return (await change(upload.id, ['receiving'], { ...set, reserved })) ? 'changed' : 'ended'
    const target = db.$with('target').as(
      db
        .select({ id: uploads.id, ownerId: uploads.ownerId })
        .from(uploads)
        .where(
          and(
            eq(uploads.id, upload.id),
            eq(uploads.state, 'receiving'),
            // A second run after a lost answer must not charge twice.
            eq(uploads.reserved, upload.reserved),
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
    if (found?.reserved === reserved) return 'changed'
    return found?.state === 'receiving' ? 'quota-exceeded' : 'ended'
  }

  /** Ends uploads for good and gives their quota back. Answers those that were in `from`. */
  async function end(
    which: { id: string } | { expiredBy: string } | { createdBefore: string },
    from: readonly UploadState[],
    to: 'rejected' | 'expired' | 'terminated',
    facts: { now: string; reason?: Reason },
  ): Promise<{ id: string; door: string }[]> {
    const selection =
      'id' in which
        ? sql`id = ${which.id}::uuid`
        : 'expiredBy' in which
          ? sql`expires_at < ${which.expiredBy}::timestamptz`
          : sql`created_at < ${which.createdBefore}::timestamptz`
    const states = sql.join(
      from.map((state) => sql`${state}`),
      sql`, `,
    )
    return withRetry(() =>
      rows<{ id: string; door: string }>(
        db,
        sql`with ended as (
          update uploads set state = ${to}, reject_reason = ${facts.reason ?? null},
            updated_at = ${facts.now}::timestamptz, expires_at = null
          where state in (${states}) and ${selection}
          returning id, door, owner_id, reserved
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
          from ended where ${to}::text = 'rejected'
        ) select id, door from ended`,
      ),
    )
  }

  /** Counts one more inspection and says which one it is. */
  async function countTry(id: string): Promise<number> {
    const [counted] = await withRetry(() =>
      db
        .update(uploads)
        .set({ inspectTries: sql`${uploads.inspectTries} + 1` })
        .where(eq(uploads.id, id))
        .returning({ tries: uploads.inspectTries }),
    )
    return counted?.tries ?? Number.POSITIVE_INFINITY
  }

  return { insert, get, change, grow, end, countTry }
}

export type UploadsRepo = ReturnType<typeof createUploadsRepo>
