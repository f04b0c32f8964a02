import { and, asc, eq, inArray, isNotNull, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploadParts, uploads } from '../db/schema.ts'
import type { Upload } from './upload.ts'

/** What a whole has to know of one of its parts. */
export type Part = Pick<Upload, 'id' | 'state' | 'size' | 'offset' | 'storageKey' | 'finalKey'>

/** The statements on `upload_parts`: which uploads are put together to which. */
export function createPartsRepo(db: Database) {
  /** Those of the ids that exist, in no order. */
  async function getMany(ids: readonly string[]): Promise<Upload[]> {
    if (ids.length === 0) return []
    return withRetry(() =>
      db
        .select()
        .from(uploads)
        .where(inArray(uploads.id, [...ids])),
    )
  }

  /** Records what a whole is made of, before it can be seen. Running it again changes nothing. */
  async function insertParts(wholeId: string, partIds: readonly string[]): Promise<void> {
    const values = partIds.map((partId, position) => ({ wholeId, position, partId }))
    await withRetry(() => db.insert(uploadParts).values(values).onConflictDoNothing())
  }

  /** In order, the same one as often as it stands in the whole. */
  async function partsOf(wholeId: string): Promise<Part[]> {
    const { id, state, size, offset, storageKey, finalKey } = uploads
    return withRetry(() =>
      db
        .select({ id, state, size, offset, storageKey, finalKey })
        .from(uploadParts)
        .innerJoin(uploads, eq(uploads.id, uploadParts.partId))
        .where(eq(uploadParts.wholeId, wholeId))
        .orderBy(asc(uploadParts.position)),
    )
  }

  /** The wholes that a part belongs to and that are not published yet. */
  async function openWholesOf(partId: string): Promise<string[]> {
    const found = await withRetry(() =>
      db
        .selectDistinct({ id: uploads.id })
        .from(uploadParts)
        .innerJoin(uploads, eq(uploads.id, uploadParts.wholeId))
        .where(
          and(
            eq(uploadParts.partId, partId),
            inArray(uploads.state, ['receiving', 'complete']),
            isNotNull(uploads.recipe),
          ),
        ),
    )
    return found.map(({ id }) => id)
  }

  /** The wholes whose parts are all there and that nobody has joined. */
  async function joinableWholes(): Promise<string[]> {
    const found = await rows<{ id: string }>(
      db,
      sql`select whole.id from uploads whole
        join upload_parts on upload_parts.whole_id = whole.id
        join uploads part on part.id = upload_parts.part_id
      where whole.state = 'receiving' and whole.recipe is not null
      group by whole.id having bool_and(part.state = 'held') order by whole.id`,
    )
    return found.map(({ id }) => id)
  }

  /**
   * A whole and its parts are one upload to whoever sends it: while one of them is active, none of
   * the others expires. Where a part has ended the whole cannot be finished any more, and all go
   * their own ways.
   */
  async function keepTogether(): Promise<void> {
    await db.execute(
      sql`with family as (
        select whole.id, max(greatest(whole.expires_at, part.expires_at)) as latest
        from uploads whole
          join upload_parts on upload_parts.whole_id = whole.id
          join uploads part on part.id = upload_parts.part_id
        where whole.state = 'receiving' and whole.recipe is not null
        group by whole.id having bool_and(part.state in ('receiving', 'held'))
      ), member as (
        select id, latest from family
        union all
        select upload_parts.part_id, family.latest
        from family join upload_parts on upload_parts.whole_id = family.id
      ), longest as (
        select id, max(latest) as latest from member group by id
      ) update uploads set expires_at = longest.latest from longest
      where uploads.id = longest.id and uploads.expires_at < longest.latest
        and uploads.state in ('receiving', 'held') and not uploads.fixed_expiry`,
    )
  }

  return { getMany, insertParts, partsOf, openWholesOf, joinableWholes, keepTogether }
}
