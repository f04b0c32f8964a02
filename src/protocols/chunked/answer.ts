import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Fault, type Reason } from '../../errors.ts'
import { IMPORT_DOOR, isEnded, type Upload } from '../../uploads/upload.ts'
import { toIsoMicros } from '../../wire/time.ts'
import type { Env } from '../env.ts'
import type { ChunkedDeps, PublishedFile } from './deps.ts'
import { alreadyComplete, expired } from './words.ts'

/** Reasons that have another status here than elsewhere: this door's clients know 400 for them. */
const statuses: Partial<Record<Reason, number>> = {
  'offset-mismatch': 400,
  'type-not-accepted': 400,
  'file-unreadable': 400,
  'too-many-pixels': 400,
  'digest-mismatch': 400,
  // Their libraries repeat a 503 by themselves, and know nothing of 423.
  pending: 503,
}

/** A Fault in the shape of the source's errors: `{"detail": …}` and what belongs to it. */
export function renderFault(c: Context<Env>, fault: Fault): Response {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' }
  if (fault.status === 401) headers['WWW-Authenticate'] = 'Token'
  if (fault.retryAfterSeconds !== undefined) headers['Retry-After'] = `${fault.retryAfterSeconds}`
  const body = { detail: fault.fields ?? fault.message, ...fault.members }
  const status = statuses[fault.reason] ?? fault.status
  return c.json(body, status as ContentfulStatusCode, headers)
}

/** Why nothing can be done with an upload any more, or null. */
export function endOf(upload: Upload, now: Date): Fault | null {
  const { state, expiresAt, rejectReason } = upload
  if (state === 'expired') return expired()
  if (state === 'receiving' && expiresAt !== null && new Date(expiresAt) <= now) return expired()
  if (state === 'rejected' && rejectReason !== null) return new Fault(rejectReason as Reason)
  return isEnded(state) ? new Fault('upload-ended') : null
}

/** Refuses what has ended, and what is complete. */
export function requireOpen(upload: Upload, now: Date): void {
  const end = endOf(upload, now)
  if (end !== null) throw end
  if (upload.state === 'promoted') throw alreadyComplete()
}

/** The upload as drf-chunked-upload shows it, and when it ends. */
export function uploadJson<P extends PublishedFile>(
  deps: Pick<ChunkedDeps<P>, 'settings' | 'urlOf'>,
  upload: Upload,
  file: P | null,
  origin: string,
): Record<string, unknown> {
  return {
    id: upload.id,
    url: `${origin}${deps.settings.path}/${upload.id}`,
    file: file && deps.urlOf(file, origin),
    filename: upload.filename,
    offset: upload.offset,
    created_at: toIsoMicros(upload.createdAt),
    expires: toIsoMicros(endsAt(upload, deps.settings.expirationMs)),
    status: file === null ? 1 : 2,
    completed_at: file && toIsoMicros(completedAt(upload, file)),
    user: upload.ownerId,
    media_file: file?.id ?? null,
  }
}

/** The record of an imported upload is as old as the upload was where it came from. */
function completedAt({ door, updatedAt }: Upload, file: PublishedFile): string {
  return door === IMPORT_DOOR ? updatedAt : file.createdAt
}

/** The upload as django-chunked-upload shows it: an id without dashes, milliseconds at the most. */
export function ancestorJson(upload: Upload, expirationMs: number): Record<string, unknown> {
  return {
    upload_id: upload.id.replaceAll('-', ''),
    offset: upload.offset,
    expires: new Date(endsAt(upload, expirationMs)).toISOString().replace('.000Z', 'Z'),
  }
}

/** A complete upload does not end, and its clients still want to read when it would have. */
function endsAt({ createdAt, expiresAt }: Upload, expirationMs: number): string {
  return expiresAt ?? new Date(new Date(createdAt).getTime() + expirationMs).toISOString()
}
