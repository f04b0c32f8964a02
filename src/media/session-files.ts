import { and, asc, eq, inArray, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { mediaFiles, uploadSessions, uploads, users } from '../db/schema.ts'
import { outbox } from '../db/schema-events.ts'
import { Fault } from '../errors.ts'
import { isOpenSession, liveStates, type Session } from '../uploads/sessions.ts'
import { finalKeyOf, type Upload } from '../uploads/upload.ts'
import type { Manifests } from './manifests.ts'
import { type Findings, type MediaFile, newRecord } from './new-record.ts'

/** Names in a message: a bound, not a list. */
const MAX_NAMED = 5

/**
 * `complete → held`, with what the inspection found, one statement. Where the session is over the
 * file is too: `upload-ended`. Running it again is harmless.
 */
export async function holdInSession(
  db: Database,
  upload: Upload,
  found: Findings,
  now: string,
): Promise<void> {
  const held = await withRetry(() =>
    rows(
      db,
      sql`with session as (
        select token from upload_sessions
        where token = ${upload.sessionToken} and status in ('created', 'uploading') for share
      ) update uploads set state = 'held', inspection = ${JSON.stringify(found)}::text::jsonb,
        updated_at = ${now}::timestamptz, expires_at = null
      from session where uploads.id = ${upload.id}::uuid and uploads.state = 'complete'
      returning uploads.id`,
    ),
  )
  if (held.length > 0) return
  const [after] = await withRetry(() =>
    db.select({ state: uploads.state }).from(uploads).where(eq(uploads.id, upload.id)),
  )
  if (after?.state !== 'held' && after?.state !== 'promoted') throw new Fault('upload-ended')
}

/** What the inspection of a held file found. */
export function findingsOf({ inspection }: Upload): Findings {
  if (inspection === null) throw new Error('a held file was never inspected')
  return inspection as Findings
}

/** A held file as far as serving its bytes needs to know it: its key is that of the upload. */
export function heldFile(upload: Upload): Omit<MediaFile, 'id'> {
  const record = newRecord(upload, findingsOf(upload), {
    now: () => new Date(upload.createdAt),
    newKey: () => upload.id,
  })
  return { ...record, storageKey: finalKeyOf(upload) }
}

export interface SubmissionDeps {
  db: Database
  now: () => Date
  /** 128 random bits for a public URL. */
  newKey: () => string
  /** Where every record has a manifest beside its bytes. */
  manifests?: Manifests | undefined
  /** Called for every record that was made. */
  onPublished: (door: string) => void
}

/** A file of a submitted session. */
export interface SubmittedFile {
  upload: Upload
  /** Null where it was removed from the library since. */
  media: MediaFile | null
}

/**
 * Makes media files of all files of a session and ends it, in one transaction: all of them or none.
 * Doing it again gives the same files.
 *
 * Rejects with a Fault: `session-closed` when the session has expired, `bad-request` when there is
 * no file in it or one of them is not complete yet; nothing has changed then.
 */
export function createSubmission(deps: SubmissionDeps) {
  return async function submit(token: string): Promise<SubmittedFile[]> {
    const { done, files } = await withRetry(() =>
      deps.db.transaction((tx) => submitIn(tx, deps, token)),
    )
    if (done) for (const { upload } of files) deps.onPublished(upload.door)
    return files
  }
}

async function submitIn(
  tx: Database,
  deps: SubmissionDeps,
  token: string,
): Promise<{ done: boolean; files: SubmittedFile[] }> {
  // Whoever adds or ends a file of the session waits from here on.
  const [session] = await tx
    .select()
    .from(uploadSessions)
    .where(eq(uploadSessions.token, token))
    .for('update')
  const files = await tx
    .select()
    .from(uploads)
    .where(and(eq(uploads.sessionToken, token), inArray(uploads.state, [...liveStates])))
    .orderBy(asc(uploads.createdAt), asc(uploads.id))
  if (session?.status === 'stored') return { done: false, files: await withMedia(tx, files) }
  requireComplete(session, files, deps.now())
  const media = await publishAll(tx, deps, files)
  await tx
    .update(uploadSessions)
    .set({ status: 'stored', updatedAt: deps.now().toISOString() })
    .where(eq(uploadSessions.token, token))
  return { done: true, files: files.map((upload, at) => ({ upload, media: media[at] ?? null })) }
}

function requireComplete(session: Session | undefined, files: Upload[], now: Date): void {
  if (session === undefined || !isOpenSession(session, now)) throw new Fault('session-closed')
  if (files.length === 0)
    throw new Fault('bad-request', { text: 'There are no files in this upload session.' })
  const unfinished = files.filter(({ state }) => state !== 'held')
  if (unfinished.length === 0) return
  const names = unfinished.slice(0, MAX_NAMED).map(({ filename }) => `"${filename}"`)
  const more = unfinished.length > MAX_NAMED ? `, and ${unfinished.length - MAX_NAMED} more` : ''
  throw new Fault('bad-request', {
    text: 'Files are still being uploaded to this session: finish or remove them first.',
    members: { verboseError: `Still being uploaded: ${names.join(', ')}${more}` },
  })
}

/** Records in upload order, so that their ids are too. */
async function publishAll(
  tx: Database,
  deps: SubmissionDeps,
  files: readonly Upload[],
): Promise<MediaFile[]> {
  const at = deps.now()
  const now = at.toISOString()
  const ids = files.map(({ id }) => id)
  const changed = await tx
    .update(uploads)
    .set({ state: 'promoted', updatedAt: now })
    .where(and(inArray(uploads.id, ids), eq(uploads.state, 'held')))
    .returning({ id: uploads.id })
  if (changed.length !== files.length) throw new Fault('unavailable', { retryAfterSeconds: 1 })
  const announced = files.map((upload) => ({
    upload,
    record: newRecord(upload, findingsOf(upload), { ...deps, now: () => at }),
  }))
  // In here, since no file can leave the session before this has ended: no manifest lies alone.
  const numbered = await deps.manifests?.announce(tx, announced)
  const media: MediaFile[] = []
  for (const record of numbered ?? announced.map(({ record }) => record)) {
    const insert = tx.insert(mediaFiles)
    const added = numbered ? insert.overridingSystemValue().values(record) : insert.values(record)
    media.push(...(await added.returning()))
  }
  await tx.insert(outbox).values(
    media.map(({ id, uploadId, name, createdAt }) => ({
      event: 'media.created' as const,
      subject: `media:${id}`,
      payload: { id, upload: uploadId, name },
      createdAt,
    })),
  )
  const [{ ownerId } = { ownerId: null }] = files
  if (ownerId !== null)
    await tx
      .update(users)
      .set({ openUploads: sql`${users.openUploads} - ${files.length}::int` })
      .where(eq(users.id, ownerId))
  return media
}

async function withMedia(tx: Database, files: readonly Upload[]): Promise<SubmittedFile[]> {
  const ids = files.map(({ id }) => id)
  const found =
    ids.length === 0
      ? []
      : await tx.select().from(mediaFiles).where(inArray(mediaFiles.uploadId, ids))
  const byUpload = new Map(found.map((file) => [file.uploadId, file]))
  return files.map((upload) => ({ upload, media: byUpload.get(upload.id) ?? null }))
}
