import { eq, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { isUniqueViolation, withRetry } from '../db/retry.ts'
import { mediaFiles, uploadSessions, uploads, users } from '../db/schema.ts'
import { outbox } from '../db/schema-events.ts'
import { finalKeyOf, IMPORT_DOOR, isEnded, type Upload } from '../uploads/upload.ts'
import type { Manifest } from './manifest.ts'

/** How the database stands to a manifest. */
export type Standing =
  /** Its record is there. */
  | 'present'
  /** Its file was removed, and the sweep has not been there yet. */
  | 'removed'
  /** It waits in a session that is still open; its record is made when that is submitted. */
  | 'unsubmitted'
  /** Its upload is there and was never published, as far as the database knows. */
  | 'unpublished'
  | 'unknown'
  /** Its id belongs to something else. */
  | 'conflict'

/** Decides by the row of the upload, where there is one. */
export function standingOf(
  { upload }: Manifest,
  found: Upload | undefined,
  hasRecord: boolean,
): Standing {
  if (hasRecord) return 'present'
  if (found === undefined) return 'unknown'
  if (isEnded(found.state)) return 'removed'
  if (found.purpose === 'part' || finalKeyOf(found) !== finalKeyOf(upload)) return 'conflict'
  return found.purpose === 'session' && found.state !== 'promoted' ? 'unsubmitted' : 'unpublished'
}

/**
 * Makes the record of a manifest, with its upload where that is missing too, in one transaction.
 * Doing it again changes nothing. The id is kept where no other record has it.
 *
 * @returns false where something else has a key of it.
 */
export async function makeRecord(
  db: Database,
  manifest: Manifest,
  file: { ownerId: number | null; events: boolean },
): Promise<boolean> {
  try {
    const made = { ...file, from: 'unpublished' as const }
    await withRetry(() => db.transaction((tx) => insertRecord(tx, manifest, made)))
    return true
  } catch (error) {
    if (isUniqueViolation(error)) return false
    throw error
  }
}

/**
 * Does nothing where the record is there, or the upload stands otherwise by now.
 *
 * @param made.ownerId of an upload that is missing
 * @param made.events whether listeners are told of it
 * @param made.from how an upload that is there has to stand
 */
export async function insertRecord(
  tx: Database,
  manifest: Manifest,
  made: { ownerId: number | null; events: boolean; from: 'unpublished' | 'unsubmitted' },
): Promise<void> {
  const { ownerId } = made
  const { media, upload } = manifest
  const [found] = await tx.select().from(uploads).where(eq(uploads.id, upload.id)).for('update')
  const [record] = await tx
    .select({ id: mediaFiles.id })
    .from(mediaFiles)
    .where(eq(mediaFiles.uploadId, upload.id))
  // The answer to an earlier try may have been lost.
  if (record) return
  // It may have been removed, or published by its own server, since somebody looked.
  if (found && standingOf(manifest, found, false) !== made.from) return
  if (found) await publishRow(tx, found, media.size)
  else await insertRow(tx, manifest, ownerId)
  const { id, ...rest } = media
  const [taken] = await tx
    .select({ id: mediaFiles.id })
    .from(mediaFiles)
    .where(eq(mediaFiles.id, id))
  const row = {
    ...rest,
    uploadId: upload.id,
    storageKey: finalKeyOf(upload),
    userId: found ? found.ownerId : ownerId,
  }
  const insert = tx.insert(mediaFiles)
  const [added] = await (taken
    ? insert.values(row)
    : insert.overridingSystemValue().values({ ...row, id })
  ).returning({ id: mediaFiles.id })
  if (made.events && added && upload.door !== IMPORT_DOOR)
    await tx.insert(outbox).values({
      event: 'media.created',
      subject: `media:${added.id}`,
      payload: { id: added.id, upload: upload.id, name: media.name },
      createdAt: media.createdAt,
    })
}

/** What the database forgot of an upload that is in it: that all bytes are there. */
async function publishRow(tx: Database, found: Upload, size: number): Promise<void> {
  const set = { state: 'promoted' as const, size, offset: size, reserved: size }
  await tx
    .update(uploads)
    .set({ ...set, cutTo: null, expiresAt: null })
    .where(eq(uploads.id, found.id))
  if (found.ownerId === null) return
  const wasOpen = found.state === 'promoted' ? 0 : 1
  await tx
    .update(users)
    .set({
      usedBytes: sql`${users.usedBytes} + ${size - found.reserved}::bigint`,
      openUploads: sql`${users.openUploads} - ${wasOpen}::int`,
    })
    .where(eq(users.id, found.ownerId))
}

async function insertRow(
  tx: Database,
  { media: { size }, upload }: Manifest,
  ownerId: number | null,
): Promise<void> {
  const sessionToken = await joinSession(tx, { upload, ownerId, size })
  const row = { ...upload, sessionToken, ownerId, size, offset: size, reserved: size }
  await tx.insert(uploads).values({ ...row, state: 'promoted', expiresAt: null })
  if (ownerId !== null)
    await tx
      .update(users)
      .set({ usedBytes: sql`${users.usedBytes} + ${size}::bigint` })
      .where(eq(users.id, ownerId))
}

/** The session that the file was submitted in; null where that is open again, and takes no such file. */
async function joinSession(
  tx: Database,
  file: { upload: Manifest['upload']; ownerId: number | null; size: number },
): Promise<string | null> {
  const { sessionToken: token, createdAt, updatedAt } = file.upload
  if (token === null) return null
  const times = { createdAt, updatedAt, expiresAt: updatedAt }
  const counters = { fileCount: 1, totalSize: file.size }
  const [joined] = await tx
    .insert(uploadSessions)
    .values({ token, userId: file.ownerId, status: 'stored', ...counters, ...times })
    .onConflictDoUpdate({
      target: uploadSessions.token,
      set: {
        fileCount: sql`${uploadSessions.fileCount} + 1`,
        totalSize: sql`${uploadSessions.totalSize} + ${file.size}::bigint`,
      },
      setWhere: eq(uploadSessions.status, 'stored'),
    })
    .returning({ token: uploadSessions.token })
  return joined?.token ?? null
}
