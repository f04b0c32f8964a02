import { asFault } from '../db/retry.ts'
import { Fault } from '../errors.ts'
import { fileFault } from './file-fault.ts'

/** What the SDK throws, as far as it is looked at. */
interface S3Error {
  name?: string
  code?: string
  $metadata?: { httpStatusCode?: number }
}

const FULL = new Set([
  'QuotaExceeded',
  'InsufficientStorage',
  'InsufficientCapacity',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
])
const PASSING = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'OperationAborted',
  'ConditionalRequestConflict',
  'TimeoutError',
])
const OURS = new Set(['AbortError', 'CredentialsProviderError'])

export function s3Code(error: unknown): string {
  return (error as S3Error | null)?.name ?? ''
}

export function s3Status(error: unknown): number | undefined {
  return (error as S3Error | null)?.$metadata?.httpStatusCode
}

/** HEAD has no body to say which: there it is the bare status. */
export function isNoSuchKey(error: unknown): boolean {
  return s3Code(error) === 'NoSuchKey' || (s3Code(error) === 'NotFound' && s3Status(error) === 404)
}

/** Whether the same request may have another answer in a moment: no answer, a busy store, a 5xx. */
export function isPassing(error: unknown): boolean {
  const status = s3Status(error)
  if (OURS.has(s3Code(error))) return false
  if (status === undefined || PASSING.has(s3Code(error)) || status === 429) return true
  return status >= 500 && status !== 501 && status !== 507
}

/** What trouble with the store, the database or the spool is to a client: never its own words. */
export function s3Fault(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (isNoSuchKey(error)) return new Fault('not-found', { cause: error })
  if (s3Status(error) === 507 || FULL.has(s3Code(error)))
    return new Fault('storage-full', { cause: error, retryAfterSeconds: 30 })
  if (s3Status(error) !== undefined)
    return new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
  const known = asFault(error)
  return known instanceof Fault ? known : fileFault(error)
}

/** For whoever runs the server: what to mend when the bucket cannot be used at the start. */
export function bucketProblem(
  error: unknown,
  { bucket, endpoint }: { bucket: string; endpoint: string | undefined },
): string {
  const where = endpoint ?? 'AWS'
  const code = s3Code(error)
  const status = s3Status(error)
  if (code === 'NoSuchBucket' || status === 404)
    return `S3_BUCKET: there is no bucket ${bucket} at ${where}; make it or name another`
  if (code === 'PermanentRedirect' || code === 'AuthorizationHeaderMalformed' || status === 301)
    return `S3_REGION: the bucket ${bucket} is in another region`
  if (code === 'AccessDenied')
    return `S3_BUCKET: these credentials may not use ${bucket}; docs/s3.md has what they need`
  if (code === 'CredentialsProviderError' || status === 401 || status === 403)
    return `S3 credentials: ${status === undefined ? 'none are found' : `${where} refuses them (${code})`}; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role`
  const reason = status === undefined ? ((error as S3Error).code ?? code) : `${status} ${code}`
  return `S3_ENDPOINT: ${where} does not answer as an S3 store (${reason})`
}
