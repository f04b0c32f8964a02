import { sql } from 'drizzle-orm'
import { createBatch } from '../db/batch.ts'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { statement } from '../db/statement.ts'
import { IMPORT_DOOR } from '../uploads/upload.ts'
import type { MediaFile } from './new-record.ts'

/** A record to be made of a complete upload. */
export interface Fresh {
  record: Omit<MediaFile, 'id'> & { id?: number }
  /** When, ISO 8601. */
  now: string
  /** Under which the upload is held. */
  lockEpoch: number
}

interface Inserted {
  id: number | string
  uploadId: string
}

/** @param drawn the ids of the records were drawn before */
const insertionOf = (drawn: boolean) =>
  statement<Inserted>(sql`with given as (
    select * from json_to_recordset(${sql.placeholder('rows')}::json) as given (id bigint,
      "uploadId" uuid, "lockEpoch" bigint, now timestamptz, key text, "storageKey" text, type text,
      "mimeType" text, name text, description text, size bigint, width int, height int, mode text,
      digest text, "createdAt" timestamptz, "updatedAt" timestamptz)
  ), done as (
    update uploads set state = 'promoted', updated_at = given.now,
      lock_owner = case when lock_epoch = given."lockEpoch" then null else lock_owner end
    from given where uploads.id = given."uploadId" and state = 'complete'
    returning uploads.id, owner_id, door
  ), record as (
    insert into media_files (${drawn ? sql`id, ` : sql``}upload_id, key, storage_key, user_id, type,
      mime_type, name, description, size, width, height, mode, digest, created_at, updated_at)
      ${drawn ? sql`overriding system value` : sql``}
    select ${drawn ? sql`given.id, ` : sql``}done.id, key, "storageKey", owner_id, type, "mimeType",
      name, description, size, width, height, mode, digest, "createdAt", "updatedAt"
    from done join given on given."uploadId" = done.id
    returning id, upload_id, name, created_at
  ), event as (
    insert into outbox (event, subject, payload, created_at)
    select 'media.created', 'media:' || record.id,
      jsonb_build_object('id', record.id, 'upload', upload_id, 'name', name), created_at
    from record join done on done.id = upload_id where door <> ${IMPORT_DOOR} order by record.id
  ), fewer as (
    select owner_id, count(*) as uploads from done group by owner_id
  ), owner as (
    update users set open_uploads = open_uploads - fewer.uploads from fewer
    where users.id = fewer.owner_id
  ) select id, upload_id as "uploadId" from record`)

const insertion = insertionOf(false)
const insertionWithIds = insertionOf(true)

/**
 * Step 10, one statement and so one transaction: `complete → promoted`, the record, its event, the
 * owner's counter, and the lock, which nobody needs any more. Without a row to change it does
 * nothing at all, so running it again is harmless; `media_files.upload_id` is unique besides.
 *
 * The counter makes those of one user wait for each other's commit: what comes meanwhile is done
 * together.
 *
 * @returns the record's id, or undefined where the upload was not `complete`.
 */
export function createInsertRecord(db: Database): (fresh: Fresh) => Promise<number | undefined> {
  async function insert(all: readonly Fresh[]): Promise<Map<string, number>> {
    const run = all[0]?.record.id === undefined ? insertion : insertionWithIds
    const given = all.map(({ record, now, lockEpoch }) => ({ ...record, now, lockEpoch }))
    const inserted = await run(db, { rows: JSON.stringify(given) })
    return new Map(inserted.map(({ id, uploadId }) => [uploadId, Number(id)]))
  }

  const together = createBatch<Fresh, { id: number | undefined }>({
    async alone(fresh) {
      const ids = await withRetry(() => insert([fresh]))
      return { id: ids.get(fresh.record.uploadId) }
    },
    async together(all) {
      const ids = await insert(all)
      return all.map(({ record }) => {
        const id = ids.get(record.uploadId)
        return id === undefined ? undefined : { id }
      })
    },
  })

  return async (fresh) => {
    const { userId, id } = fresh.record
    // Those of nobody share no row; those with an id share one only with their like.
    const key = userId === null ? fresh : `${userId} ${id === undefined}`
    return (await together(key, fresh)).id
  }
}
