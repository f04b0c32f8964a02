import { Fault } from '../../errors.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { AppendInput, Progress } from '../../uploads/uploads.ts'
import { hashName } from '../../wire/digest-header.ts'
import type { Exchange, ResumableHttpDeps } from './exchange.ts'
import { sendInterim } from './interim.ts'
import { type Body, inconsistent } from './request.ts'

/** Milliseconds between two 104 answers on the way; each costs a sync and a statement. */
const PROGRESS_EVERY_MS = 1000

/**
 * Takes the body of a creation or an append to the end of the upload, and finishes the upload if
 * the request says that this is all.
 *
 * @param upload as it is under the lock, its length agreed on.
 */
export async function receive<P>(
  deps: ResumableHttpDeps<P>,
  exchange: Exchange,
  lock: HeldLock,
  upload: Upload,
  body: Body,
): Promise<Progress<P>> {
  const { uploads } = deps
  let progress: Progress<P> = { upload, published: null }
  if (body.bodyLength !== 0 || body.contentDigest !== null) {
    try {
      progress = await uploads.append(lock, upload, appendInput(deps, exchange, upload, body))
    } catch (error) {
      throw await afterFailure(deps, exchange, lock, upload, body, error)
    }
  }
  if (progress.published !== null) return progress
  const { size, offset } = progress.upload
  const reached = exchange.dialect.finishesByLength && size === offset
  return body.complete || reached ? uploads.finish(lock, progress.upload) : progress
}

/** Which limits hold for one request's bytes, before any of them is read. */
export function requireAppendSize(
  { maxAppendSize }: Pick<ResumableHttpDeps<unknown>, 'maxAppendSize'>,
  bodyLength: number | null,
  offset?: number,
): void {
  if (maxAppendSize === null || bodyLength === null || bodyLength <= maxAppendSize) return
  const text = `One request can carry ${maxAppendSize} bytes.`
  throw new Fault('too-large', offset === undefined ? { text } : { text, offset })
}

/**
 * Sends a 104: to whoever named a version that is spoken here ("the server MUST NOT" otherwise),
 * where they are switched on. False where none was sent.
 */
export function tell<P>(
  deps: ResumableHttpDeps<P>,
  { env, dialect: { version } }: Exchange,
  fields: Record<string, string>,
): boolean {
  if (!deps.interim || version === null) return false
  return sendInterim(env, { 'Upload-Draft-Interop-Version': String(version), ...fields })
}

function appendInput<P>(
  deps: ResumableHttpDeps<P>,
  exchange: Exchange,
  upload: Upload,
  { bodyLength, contentDigest }: Body,
): AppendInput {
  const { interim, maxAppendSize } = deps
  const { dialect, env } = exchange
  const input: AppendInput = { offset: upload.offset, body: env.incoming, length: bodyLength }
  if (maxAppendSize !== null) input.maxBytes = maxAppendSize
  if (contentDigest !== null) {
    const { algorithm, value } = contentDigest
    // Bytes that are not verified yet must not be counted: all of this body or none of it.
    input.mode = 'whole'
    input.verify = { algorithm: hashName(algorithm), expected: () => value }
  } else if (interim && dialect.version !== null && dialect.progress)
    input.progress = {
      everyMs: PROGRESS_EVERY_MS,
      // "MUST NOT carry Location": only the first 104 of a creation does.
      onRecorded: (offset) => void tell(deps, exchange, { 'Upload-Offset': String(offset) }),
    }
  return input
}

/** Notes what the answer needs to know of a failed append, and does what the protocol asks for. */
async function afterFailure<P>(
  deps: ResumableHttpDeps<P>,
  exchange: Exchange,
  lock: HeldLock,
  upload: Upload,
  { bodyLength }: Body,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof Fault)) return error
  if (error.reason === 'locked' && lock.asked.aborted) exchange.superseded = true
  if (error.reason !== 'too-large' || bodyLength !== null || upload.size === null) return error
  if (upload.size - upload.offset > (deps.maxAppendSize ?? Number.POSITIVE_INFINITY)) return error
  // "If the length is known, the server MUST prevent the offset from exceeding it … reject the
  // request, mark the upload resource invalid and reject any further interaction with it."
  await deps.uploads.terminate(lock)
  return inconsistent()
}
