import { randomBytes, randomUUID } from 'node:crypto'
import type { Database } from '../../src/db/database.ts'
import { mediaFiles, uploads, users } from '../../src/db/schema.ts'

type NewMediaFile = typeof mediaFiles.$inferInsert
type NewUser = typeof users.$inferInsert

/** A user as the database makes it, for tests that need no token. */
export async function insertUser(db: Database, user: Partial<NewUser> & { username: string }) {
  const row = { role: 'user' as const, createdAt: '2026-01-01T00:00:00Z', ...user }
  const [inserted] = await db.insert(users).values(row).returning()
  if (inserted === undefined) throw new Error('no user')
  return inserted
}

/** A promoted upload and its record, with no bytes behind them. */
export async function insertMedia(db: Database, file: Partial<NewMediaFile> = {}) {
  const uploadId = randomUUID()
  const createdAt = file.createdAt ?? '2026-01-01T00:00:00Z'
  const row: NewMediaFile = {
    uploadId,
    key: randomBytes(16).toString('base64url'),
    storageKey: uploadId,
    type: 'other',
    mimeType: 'application/octet-stream',
    name: 'file',
    size: 0,
    createdAt,
    updatedAt: createdAt,
    ...file,
  }
  await db.insert(uploads).values({
    id: uploadId,
    ownerId: row.userId ?? null,
    door: 'multipart',
    state: 'promoted',
    size: row.size,
    offset: row.size,
    storageKey: row.storageKey,
    createdAt,
    updatedAt: createdAt,
  })
  const [inserted] = await db.insert(mediaFiles).values(row).returning()
  if (inserted === undefined) throw new Error('no media file')
  return inserted
}
