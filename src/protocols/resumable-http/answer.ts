import { Fault } from '../../errors.ts'
import { digestAlgorithmsOf, type Upload } from '../../uploads/upload.ts'
import type { Progress } from '../../uploads/uploads.ts'
import { digestAlgorithms, formatDigest, hashName } from '../../wire/digest-header.ts'
import { formatBoolean } from '../../wire/structured-field.ts'
import type { Exchange, ResumableHttpDeps } from './exchange.ts'
import type { Dialect } from './interop.ts'
import { problemOf } from './problem.ts'
import { PARTIAL_UPLOAD } from './request.ts'

type Limits = Pick<
  ResumableHttpDeps<unknown>,
  'maxSize' | 'maxAppendSize' | 'expiresAfterMs' | 'now'
>

/**
 * Upload-Limit: "If there are no limits … min-size=0", never an empty value. The lifetime is
 * "counted from the generation of the response"; without an upload it is what a new one would get,
 * and a complete one has none.
 */
export function uploadLimit(limits: Limits, dialect: Dialect, upload?: Upload): string {
  const seconds = Math.floor(lifetimeMs(limits, upload) / 1000)
  return [
    limits.maxSize === null ? 'min-size=0' : `max-size=${limits.maxSize}`,
    ...(limits.maxAppendSize === null ? [] : [`max-append-size=${limits.maxAppendSize}`]),
    ...(Number.isFinite(seconds) ? [`${dialect.lifetimeKey}=${Math.max(0, seconds)}`] : []),
  ].join(', ')
}

function lifetimeMs({ expiresAfterMs, now }: Limits, upload: Upload | undefined): number {
  if (upload === undefined) return expiresAfterMs
  if (upload.expiresAt === null || upload.state !== 'receiving') return Number.POSITIVE_INFINITY
  return new Date(upload.expiresAt).getTime() - now().getTime()
}

/** Fields of every answer of this door. `complete` says who speaks: the resource or the protocol. */
export function commonFields(dialect: Dialect, complete: boolean): Record<string, string> {
  const { completeness, version } = dialect
  return {
    [completeness]: formatBoolean(completeness === 'Upload-Incomplete' ? !complete : complete),
    ...(version === null ? {} : { 'Upload-Draft-Interop-Version': String(version) }),
    'Cache-Control': 'no-store',
  }
}

/** The state of an upload: one set of fields that serves every version. */
export function uploadFields<P>(
  deps: ResumableHttpDeps<P>,
  { dialect, origin }: Exchange,
  { upload, published }: Progress<P>,
): Record<string, string> {
  const link = published === null ? null : deps.linkOf(published, origin)
  return {
    ...commonFields(dialect, published !== null),
    'Upload-Offset': String(upload.offset),
    ...(upload.size === null ? {} : { 'Upload-Length': String(upload.size) }),
    'Upload-Limit': uploadLimit(deps, dialect, upload),
    ...(link && { 'Landfall-Media-File': String(link.id), 'Landfall-Media-Url': link.url }),
  }
}

/** The target resource's own answer: the record of the file, however many requests brought it. */
export async function finalAnswer<P>(
  deps: ResumableHttpDeps<P>,
  exchange: Exchange,
  progress: Progress<P>,
  instead: Record<string, string> = {},
): Promise<Response> {
  const { published, upload } = progress
  const result = published === null ? undefined : await deps.resultOf(published, exchange.origin)
  // Somebody who watches the list can remove a file before its own upload is answered.
  if (result === undefined) throw new Fault('upload-ended')
  const digests = await reprDigest(deps, upload)
  return new Response(JSON.stringify(result.record), {
    status: 201,
    headers: {
      ...uploadFields(deps, exchange, progress),
      Location: result.location,
      ...(digests === '' ? {} : { 'Repr-Digest': digests }),
      'Content-Type': 'application/json',
      ...instead,
    },
  })
}

/** Of the file, where the creation wanted it (Want-Repr-Digest) or sent one to verify. */
async function reprDigest<P>({ uploads }: ResumableHttpDeps<P>, upload: Upload): Promise<string> {
  const running = digestAlgorithmsOf(upload)
  const shown = digestAlgorithms.filter((algorithm) => running.includes(hashName(algorithm)))
  const digests = shown.map(async (algorithm) =>
    formatDigest(algorithm, await uploads.digest(upload, hashName(algorithm))),
  )
  return (await Promise.all(digests)).join(', ')
}

/** A refusal as problem details (RFC 9457), with what the client needs to go on. */
export function problemAnswer<P>(
  deps: ResumableHttpDeps<P>,
  exchange: Exchange,
  fault: Fault,
): Response {
  const { dialect, providedOffset, method } = exchange
  const problem = problemOf(fault, dialect)
  // tus-js-client forgets an upload on any failure of HEAD but 423, and starts from zero.
  const status = method === 'HEAD' && problem.status >= 500 ? 423 : problem.status
  const headers = new Headers(commonFields(dialect, problem.final))
  if (fault.offset !== undefined) headers.set('Upload-Offset', String(fault.offset))
  if (exchange.location !== undefined) headers.set('Location', exchange.location)
  if (fault.status === 401) headers.set('WWW-Authenticate', 'Token')
  if (fault.status === 413) headers.set('Upload-Limit', uploadLimit(deps, dialect))
  if (fault.reason === 'type-unsupported') headers.set('Accept-Patch', PARTIAL_UPLOAD)
  if (fault.reason === 'digest-unsupported')
    headers.set('Want-Content-Digest', 'sha-512=10, sha-256=10')
  if (fault.retryAfterSeconds !== undefined)
    headers.set('Retry-After', String(fault.retryAfterSeconds))
  if (method === 'HEAD') return new Response(null, { status, headers })
  headers.set('Content-Type', 'application/problem+json')
  const offsets =
    fault.reason === 'offset-mismatch' && fault.offset !== undefined
      ? { 'expected-offset': fault.offset, 'provided-offset': providedOffset }
      : {}
  const requestId = fault.reason === 'internal' ? { request_id: exchange.requestId } : {}
  return new Response(JSON.stringify({ ...problem.body, ...offsets, ...requestId }), {
    status,
    headers,
  })
}
