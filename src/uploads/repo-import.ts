import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploads } from '../db/schema.ts'
import { statement } from '../db/statement.ts'
import { rowNames, rowValues } from './insert-values.ts'
import type { Upload } from './upload.ts'

const insertCharged = statement(sql`with inserted as (
    insert into uploads (${rowNames}) values (${rowValues}) on conflict do nothing
    returning owner_id, reserved
  ), owner as (
    update users set used_bytes = used_bytes + inserted.reserved,
      open_uploads = open_uploads + 1
    from inserted where users.id = inserted.owner_id
  ) select owner_id from inserted`)

/**
 * The statements that only the import of existing files needs. While a row is `creating`, its
 * `metadata` marks the attempt that fills it: one that was overtaken by another finds nothing to
 * change.
 */
export function createImportRepo(db: Database) {
  const isAttempt = ({ id, metadata }: Upload): SQL =>
    sql`id = ${id}::uuid and state = 'creating' and metadata = ${metadata}`

  async function hasReached(upload: Upload, states: readonly Upload['state'][]): Promise<boolean> {
    const found = await db
      .select({ id: uploads.id })
      .from(uploads)
      .where(
        and(
          eq(uploads.id, upload.id),
          eq(uploads.storageKey, upload.storageKey),
          inArray(uploads.state, [...states]),
        ),
      )
    return found.length > 0
  }

  /**
   * Inserts the row and charges its owner, beyond any quota: those bound what is sent from now on,
   * and what was there before is counted but not refused. False where the id is taken.
   */
  async function begin(upload: Upload): Promise<boolean> {
    return withRetry(async () => {
      const inserted = await insertCharged(db, upload)
      // The answer to an earlier try may have been lost.
      return inserted.length > 0 || hasReached(upload, ['creating'])
    })
  }

  /** Ends an attempt well, `creating → complete`. False where it was overtaken. */
  async function complete(upload: Upload, set: Partial<Upload>): Promise<boolean> {
    return withRetry(async () => {
      const changed = await db
        .update(uploads)
        .set({ ...set, state: 'complete' })
        .where(isAttempt(upload))
        .returning({ id: uploads.id })
      return changed.length > 0 || hasReached(upload, ['complete', 'promoted', 'rejected'])
    })
  }

  /** Ends an attempt for nothing and gives its owner the quota back. False where it had ended. */
  async function giveUp(upload: Upload, now: string): Promise<boolean> {
    const ended = await withRetry(() =>
      rows(
        db,
        sql`with ended as (
          update uploads set state = 'terminated', updated_at = ${now}::timestamptz,
            expires_at = null
          where ${isAttempt(upload)} returning id, owner_id, reserved
        ), owner as (
          update users set used_bytes = used_bytes - ended.reserved,
            open_uploads = open_uploads - 1
          from ended where users.id = ended.owner_id
        ) select id from ended`,
      ),
    )
    return ended.length > 0
  }

  /** Removes the row of an attempt that has ended and whose bytes are gone: its id is free again. */
  async function forget(upload: Upload): Promise<void> {
    await withRetry(() =>
      db
        .delete(uploads)
        .where(
          and(
            eq(uploads.id, upload.id),
            eq(uploads.storageKey, upload.storageKey),
            inArray(uploads.state, ['rejected', 'expired', 'terminated']),
            eq(uploads.bytesGone, true),
          ),
        ),
    )
  }

  const hasEnded = (upload: Upload) =>
    withRetry(() => hasReached(upload, ['rejected', 'expired', 'terminated']))

  return { begin, complete, giveUp, hasEnded, forget }
}
