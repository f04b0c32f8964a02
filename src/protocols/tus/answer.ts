import type { Fault } from '../../errors.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Progress } from '../../uploads/uploads.ts'
import { CHECKSUM_ALGORITHMS } from './checksum.ts'
import { TUS_VERSION } from './request.ts'
import { EXTENSIONS } from './store.ts'

/** What a client of this door is told of a published file. */
export interface PublishedLink {
  id: number
  url: string
}

/** Headers of point 1: what the door can do. Asked for without a token, by clients and browsers. */
export function capabilities(maxSize: number | null): Record<string, string> {
  return {
    'Tus-Version': TUS_VERSION,
    'Tus-Extension': EXTENSIONS.join(','),
    'Tus-Checksum-Algorithm': CHECKSUM_ALGORITHMS.join(','),
    ...(maxSize === null ? {} : { 'Tus-Max-Size': String(maxSize) }),
  }
}

/** What every answer about an upload adds to the engine's own headers. */
export function uploadHeaders<P>(
  { upload, published }: Progress<P>,
  linkOf: (published: P) => PublishedLink,
): Record<string, string> {
  const link = published === null ? null : linkOf(published)
  return {
    ...expiry(upload),
    ...(link && { 'Landfall-Media-File': String(link.id), 'Landfall-Media-Url': link.url }),
  }
}

/** What HEAD tells beside the engine's own headers; null takes one of those away. */
export function headHeaders(upload: Upload): Record<string, string | null> {
  const { metadata, recipe, purpose, size, state } = upload
  const concat = recipe ?? (purpose === 'part' ? 'partial' : null)
  return {
    ...(metadata !== null && { 'Upload-Metadata': metadata }),
    ...(concat !== null && { 'Upload-Concat': concat }),
    // "HEAD request for a final upload SHOULD NOT contain the Upload-Offset header unless the
    // concatenation has been successfully finished"; its length is not deferred, but its parts'.
    ...(recipe !== null && state === 'receiving' && { 'Upload-Offset': null }),
    ...(recipe !== null && size === null && { 'Upload-Defer-Length': null }),
  }
}

/**
 * "Upload-Expires … MUST be in RFC 9110 datetime format". A finished file does not expire; a
 * finished part does.
 */
function expiry(upload: Upload): Record<string, string> {
  if (upload.expiresAt === null || !['receiving', 'held'].includes(upload.state)) return {}
  return { 'Upload-Expires': new Date(upload.expiresAt).toUTCString() }
}

/**
 * Renders a Fault as tus clients expect it: a status and a short text. HEAD never answers 5xx:
 * tus-js-client forgets an upload on any failure of HEAD but 423, and starts from zero.
 */
export function renderFault(fault: Fault, method: string): Response {
  const busy = method === 'HEAD' && fault.status >= 500
  const status = busy ? 423 : fault.status
  const headers = new Headers({ 'Tus-Resumable': TUS_VERSION, 'Cache-Control': 'no-store' })
  if (fault.reason === 'precondition-failed') headers.set('Tus-Version', TUS_VERSION)
  if (fault.offset !== undefined) headers.set('Upload-Offset', String(fault.offset))
  if (fault.status === 401) headers.set('WWW-Authenticate', 'Token')
  if (fault.retryAfterSeconds !== undefined)
    headers.set('Retry-After', String(fault.retryAfterSeconds))
  if (method === 'HEAD') return new Response(null, { status, headers })
  const denied = fault.status === 401 || fault.status === 403
  headers.set('Content-Type', denied ? 'application/json' : 'text/plain; charset=utf-8')
  const body = denied ? JSON.stringify({ detail: fault.message }) : `${fault.message}\n`
  return new Response(body, { status, headers })
}
