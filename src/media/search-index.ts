import { sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'

/**
 * Whether searches have their index. The migration leaves it out where the extension pg_trgm is not
 * to be had, and searches then read every name: right, and slow in a large library.
 */
export async function hasSearchIndex(db: Database): Promise<boolean> {
  const [found] = await rows<{ there: boolean }>(
    db,
    sql`select to_regclass('media_files_search') is not null as there`,
  )
  return found?.there ?? false
}
