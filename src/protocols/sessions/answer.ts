import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { asFault } from '../../db/retry.ts'
import { Fault, type Reason, reasons } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import { shown } from '../../uploads/session-names.ts'
import { isOpenSession, type Session } from '../../uploads/sessions.ts'
import type { Upload } from '../../uploads/upload.ts'
import { toIsoMicros } from '../../wire/time.ts'
import type { Env } from '../env.ts'

/** Reasons that have another status elsewhere: a file that is not taken is 400 at this door. */
const REFUSALS: ReadonlySet<Reason> = new Set([
  'too-large',
  'too-many-pixels',
  'type-not-accepted',
  'file-unreadable',
  'upload-ended',
  'unscannable',
])

/** What stands in an error beside its words. */
export interface Place {
  uploadSessionToken?: string
  /** Name of the file that was refused. */
  file?: string
}

/**
 * An error in this door's shapes: of a file, of a session, or of neither. What is unexpected says
 * so and no more; the log has the rest.
 */
export function renderError(
  c: Context<Env>,
  log: Pick<Log, 'warn' | 'error'>,
  error: unknown,
  place: Place = {},
): Response {
  const fault = spoken(asFault(error))
  const { requestId } = c.var
  if (fault === null) {
    log.error({ requestId, err: error }, 'unexpected error')
    return c.json({ error: reasons.internal[1] }, 500, { 'Cache-Control': 'no-store' })
  }
  if (fault.status >= 500) log.warn({ requestId, err: fault }, 'a request could not be served')
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' }
  if (fault.status === 401) headers['WWW-Authenticate'] = 'Token'
  if (fault.retryAfterSeconds !== undefined) headers['Retry-After'] = `${fault.retryAfterSeconds}`
  const status = REFUSALS.has(fault.reason) ? 400 : fault.status
  return c.json(bodyOf(fault, place), status as ContentfulStatusCode, headers)
}

/**
 * All bytes of a form were there and it could not be finished: what stood in the way is the answer,
 * since a form cannot be asked about later. Null for what nobody expected.
 */
function spoken(error: unknown): Fault | null {
  if (!(error instanceof Fault) || error.reason === 'internal') return null
  return error.reason === 'pending' ? spoken(asFault(error.cause)) : error
}

function bodyOf(fault: Fault, { file, uploadSessionToken }: Place): Record<string, unknown> {
  // Who asks is the same question at every door, and has the same answer.
  if (fault.status === 401 || fault.status === 403) return { detail: fault.message }
  const session = uploadSessionToken === undefined ? {} : { uploadSessionToken }
  const words = { error: fault.message, ...fault.members }
  if (file === undefined) return { ...session, ...words }
  return { file: shown(file), accepted: false, ...session, verboseError: fault.message, ...words }
}

/** Where the files of a session are. */
export function filesUrl(origin: string, token: string): string {
  return `${origin}/upload-session/${token}/files/`
}

export function fileUrl(origin: string, token: string, filename: string): string {
  return `${filesUrl(origin, token)}${encodeURIComponent(filename)}/`
}

/** A session as the list shows it. A submitted one does not expire. */
export function sessionJson(session: Session, origin: string, now: Date) {
  const { token, status, fileCount, totalSize } = session
  const stored = status === 'stored'
  const over = !stored && !isOpenSession(session, now)
  return {
    uploadSessionToken: token,
    status: over ? 'expired' : status,
    fileCount: over ? 0 : fileCount,
    totalSize: over ? 0 : totalSize,
    expires: stored ? null : toIsoMicros(session.expiresAt),
    created: toIsoMicros(session.createdAt),
    url: filesUrl(origin, token),
  }
}

/** A file as the list shows it. */
export function fileJson(upload: Upload, origin: string) {
  const { filename, offset, sessionToken } = upload
  return { name: filename, size: offset, url: fileUrl(origin, sessionToken ?? '', filename) }
}
