import { eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { mediaFiles, users } from '../db/schema.ts'
import { countFiles } from './counts.ts'
import type { MediaQuery } from './filters.ts'
import { orderBy } from './ordering.ts'
import { pageIds } from './page.ts'

/** A media file as the database knows it, with the user it belongs to. */
export type MediaRow = typeof mediaFiles.$inferSelect & {
  user: { id: number; username: string; firstName: string; lastName: string } | null
}

/** What can be changed of a media file. */
export interface MediaChanges {
  name?: string
  description?: string
}

export type MediaRepo = ReturnType<typeof createMediaRepo>

const ONE_SNAPSHOT = { isolationLevel: 'repeatable read', accessMode: 'read only' } as const

/** The statements on media files. A database that is away is a Fault `unavailable`. */
export function createMediaRepo(db: Database) {
  const select = (on: Database = db) =>
    on
      .select({
        file: mediaFiles,
        user: {
          id: users.id,
          username: users.username,
          firstName: users.firstName,
          lastName: users.lastName,
        },
      })
      .from(mediaFiles)
      .leftJoin(users, eq(users.id, mediaFiles.userId))

  async function one(condition: SQL): Promise<MediaRow | undefined> {
    const [found] = await withRetry(() => select().where(condition).limit(1))
    return found && { ...found.file, user: found.user }
  }

  async function listOn(on: Database, query: MediaQuery) {
    const counted = await countFiles(on, query.conditions)
    const { count } = counted
    // Also keeps an offset that Postgres cannot count away from it.
    if (query.paging.offset >= BigInt(count)) return { count, rows: [] }
    // By ids that are found first: what is passed over on the way to them is not read as a whole.
    const page = await withRetry(() =>
      select(on)
        .where(sql`${mediaFiles.id} = any(array(${pageIds(query, counted)}))`)
        .orderBy(...orderBy(query.ordering)),
    )
    return { count, rows: page.map(({ file, user }) => ({ ...file, user })) }
  }

  return {
    /**
     * The records of one page, and how many there are on all. Two statements at the most; pages
     * behind the first in one snapshot, since they may be counted from the end: a file that comes
     * between the two statements would shift them.
     */
    list: (query: MediaQuery): Promise<{ count: number; rows: MediaRow[] }> =>
      query.paging.offset === 0n
        ? listOn(db, query)
        : withRetry(() => db.transaction((tx) => listOn(tx, query), ONE_SNAPSHOT)),

    find: (id: number) => one(eq(mediaFiles.id, id)),

    /** Those that there are, in no order. */
    async findAll(ids: readonly number[]): Promise<MediaRow[]> {
      if (ids.length === 0) return []
      const found = await withRetry(() => select().where(inArray(mediaFiles.id, [...ids])))
      return found.map(({ file, user }) => ({ ...file, user }))
    },

    /** By the part of the URL that cannot be guessed. */
    byKey: (key: string) => one(eq(mediaFiles.key, key)),

    byUpload: (uploadId: string) => one(eq(mediaFiles.uploadId, uploadId)),

    /** Those of the uploads that have a record, in no order. */
    byUploads: (uploadIds: readonly string[]): Promise<(typeof mediaFiles.$inferSelect)[]> =>
      withRetry(() =>
        db
          .select()
          .from(mediaFiles)
          .where(inArray(mediaFiles.uploadId, [...uploadIds])),
      ),

    /** Changes a record and its `updated_at`; undefined when it is gone. No change, no new time. */
    async update(id: number, changes: MediaChanges, now: Date): Promise<MediaRow | undefined> {
      if (Object.keys(changes).length > 0) {
        const set = { ...changes, updatedAt: now.toISOString() }
        await withRetry(() => db.update(mediaFiles).set(set).where(eq(mediaFiles.id, id)))
      }
      return one(eq(mediaFiles.id, id))
    },
  }
}
