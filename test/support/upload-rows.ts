import type { OpenDatabase } from '../../src/db/database.ts'
import { uploads } from '../../src/db/schema.ts'

/** An unfinished upload as a row, for tests of what stands below the doors. */
export async function insertUpload({ db }: OpenDatabase, id: string): Promise<void> {
  const now = new Date().toISOString()
  await db.insert(uploads).values({
    id,
    door: 'tus',
    state: 'receiving',
    size: 100,
    storageKey: id,
    createdAt: now,
    updatedAt: now,
  })
}
