import { and, asc, eq, inArray } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { isUniqueViolation, withRetry } from '../db/retry.ts'
import { uploadSessions, uploads } from '../db/schema.ts'
import type { Storage } from '../storage/storage.ts'
import { liveStates } from '../uploads/sessions.ts'
import { finalKeyOf } from '../uploads/upload.ts'
import { type Manifest, manifestKey } from './manifest.ts'
import { readManifest } from './manifests.ts'
import { passBy } from './rebuild-owners.ts'
import { insertRecord } from './rebuild-record.ts'

export interface Resubmission {
  db: Database
  storage: Pick<Storage, 'get'>
  /** Whether the bytes that a manifest speaks of are there. */
  hasBytes: (manifest: Manifest) => Promise<boolean>
  /** Whether listeners are told of the records. */
  events: boolean
  dryRun: boolean
}

/**
 * Submits an open session whose every file has a manifest: the submission wrote all of them before
 * its commit, which the database has forgotten or never got. All of its records or none.
 *
 * @returns the records that were made, or would be.
 */
export async function resubmit(deps: Resubmission, token: string): Promise<number> {
  const { db } = deps
  const files = await withRetry(() => liveFiles(db, token))
  const manifests: Manifest[] = []
  for (const file of files) {
    const manifest = await readManifest(deps.storage, manifestKey(finalKeyOf(file)))
    if (manifest?.upload.id !== file.id || !(await deps.hasBytes(manifest))) return 0
    manifests.push(manifest)
  }
  if (deps.dryRun || manifests.length === 0) return manifests.length
  await withRetry(() => passBy(db, 'media_files', Math.max(...manifests.map((m) => m.media.id))))
  try {
    const { events } = deps
    return await withRetry(() => db.transaction((tx) => submitIn(tx, token, manifests, events)))
  } catch (error) {
    if (isUniqueViolation(error)) return 0
    throw error
  }
}

async function submitIn(
  tx: Database,
  token: string,
  manifests: readonly Manifest[],
  events: boolean,
): Promise<number> {
  const [session] = await tx
    .select()
    .from(uploadSessions)
    .where(eq(uploadSessions.token, token))
    .for('update')
  // The answer to an earlier try may have been lost.
  if (session?.status === 'stored') return manifests.length
  if (session?.status !== 'created' && session?.status !== 'uploading') return 0
  const ids = new Set((await liveFiles(tx, token)).map(({ id }) => id))
  if (ids.size !== manifests.length || manifests.some(({ upload }) => !ids.has(upload.id))) return 0
  for (const manifest of manifests)
    await insertRecord(tx, manifest, { ownerId: session.userId, events, from: 'unsubmitted' })
  const updatedAt = manifests[0]?.upload.updatedAt ?? session.updatedAt
  await tx
    .update(uploadSessions)
    .set({ status: 'stored', updatedAt })
    .where(eq(uploadSessions.token, token))
  return manifests.length
}

function liveFiles(db: Database, token: string) {
  return db
    .select()
    .from(uploads)
    .where(and(eq(uploads.sessionToken, token), inArray(uploads.state, [...liveStates])))
    .orderBy(asc(uploads.createdAt), asc(uploads.id))
}
