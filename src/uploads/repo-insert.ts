import { eq, sql } from 'drizzle-orm'
import { createBatch } from '../db/batch.ts'
import type { Database } from '../db/database.ts'
import { isUniqueViolation, withRetry } from '../db/retry.ts'
import { uploads, users } from '../db/schema.ts'
import { statement } from '../db/statement.ts'
import { rowAsJson, rowNames } from './insert-values.ts'
import type { Upload } from './upload.ts'

export interface Quota {
  /** USER_MAX_BYTES; null for no limit. */
  maxBytes: number | null
  /** USER_MAX_OPEN_UPLOADS. */
  maxOpenUploads: number
}

type Outcome = 'inserted' | 'quota-exceeded' | 'too-many-uploads'

/**
 * Inserts uploads of users. The quota is reserved in the same statement, so those of one user wait
 * for each other's commit: what comes meanwhile is inserted together.
 */
export function createInsert(
  db: Database,
  quota: Quota,
): (upload: Upload & { ownerId: number }) => Promise<Outcome> {
  const maxBytes = quota.maxBytes ?? Number.MAX_SAFE_INTEGER
  const insertAll = statement<{ id: string }>(sql`with given as (
      select * from json_populate_recordset(null::uploads, ${sql.placeholder('rows')}::json)
    ), owner as (
      update users set used_bytes = used_bytes + ${sql.placeholder('reserved')}::bigint,
        open_uploads = open_uploads + ${sql.placeholder('count')}::int
      where id = ${sql.placeholder('ownerId')}
        and open_uploads + ${sql.placeholder('count')}::int <= ${quota.maxOpenUploads}
        and used_bytes + ${sql.placeholder('reserved')}::bigint <= ${maxBytes}::bigint
        and not exists (select from uploads where uploads.id in (select given.id from given))
      returning id
    ) insert into uploads (${rowNames}) select ${rowNames} from given
    where exists (select from owner) returning id`)

  const insert = (all: readonly Upload[]) =>
    insertAll(db, {
      rows: JSON.stringify(all.map(rowAsJson)),
      reserved: all.reduce((sum, { reserved }) => sum + reserved, 0),
      count: all.length,
      ownerId: all[0]?.ownerId,
    })

  async function alone(upload: Upload & { ownerId: number }): Promise<Outcome> {
    const inserted = await withRetry(() => insert([upload])).catch((error: unknown) => {
      // An earlier try, whose answer was lost, was committed while this one waited for it.
      if (isUniqueViolation(error)) return []
      throw error
    })
    if (inserted.length > 0) return 'inserted'
    // The answer to an earlier try was lost.
    const isThere = await withRetry(() => db.$count(uploads, eq(uploads.id, upload.id)))
    if (isThere > 0) return 'inserted'
    const [counters] = await withRetry(() =>
      db.select({ open: users.openUploads }).from(users).where(eq(users.id, upload.ownerId)),
    )
    return counters && counters.open >= quota.maxOpenUploads ? 'too-many-uploads' : 'quota-exceeded'
  }

  const inserted = createBatch<Upload & { ownerId: number }, Outcome>({
    alone,
    async together(all) {
      const done = await insert(all)
      return done.length > 0 ? all.map(() => 'inserted') : []
    },
  })
  return (upload) => inserted(upload.ownerId, upload)
}
