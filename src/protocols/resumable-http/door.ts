import { type Context, Hono, type Next } from 'hono'
import { asFault } from '../../db/retry.ts'
import { Fault } from '../../errors.ts'
import type { HeldLock } from '../../uploads/lock.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Progress } from '../../uploads/uploads.ts'
import type { Env } from '../env.ts'
import { cutRequest } from '../node-request.ts'
import { finalAnswer, problemAnswer, uploadFields, uploadLimit } from './answer.ts'
import { claimOf, namesTheDraft } from './claim.ts'
import { beginExchange, type Exchange, type ResumableHttpDeps } from './exchange.ts'
import { dialectOf } from './interop.ts'
import { receive, requireAppendSize, tell } from './receive.ts'
import {
  type Append,
  type Creation,
  inconsistent,
  PARTIAL_UPLOAD,
  parseAppend,
  parseCreation,
} from './request.ts'

/** The name of this door, in the database and in metrics. */
const DOOR = 'resumable-http'
const COLLECTION_METHODS = 'POST, OPTIONS'
const UPLOAD_METHODS = 'GET, HEAD, PATCH, DELETE, OPTIONS'
/** Fields that make no sense where nothing is sent. */
const SENDING_FIELDS = ['upload-offset', 'upload-complete', 'upload-incomplete']
/** Faults that leave the upload in good order, to go on with. */
const PASSING = new Set(['locked', 'pending', 'body-idle', 'client-gone'])

/**
 * "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload) on the paths of the tus door.
 * To be mounted before it: what is not of this protocol is passed on.
 */
export function resumableHttpRoutes<P>(deps: ResumableHttpDeps<P>): Hono<Env> {
  const { uploads } = deps
  const app = new Hono<Env>({ strict: false })
  app.options('*', async (c, next) => {
    await next()
    const dialect = dialectOf(c.req.header('upload-draft-interop-version'))
    c.header('Upload-Limit', uploadLimit(deps, dialect))
    c.header('Accept-Patch', `${PARTIAL_UPLOAD}, application/offset+octet-stream`)
  })
  app.all('/', (c, next) => serve(c, next))
  app.all('/:id', (c, next) => serve(c, next, c.req.param('id')))

  async function serve(c: Context<Env>, next: Next, id?: string): Promise<Response | undefined> {
    if (c.req.method === 'OPTIONS' || !(await isOurs(c, id))) {
      await next()
      return
    }
    c.set('door', DOOR)
    const exchange = beginExchange(deps, c)
    try {
      await deps.authenticate(c, async () => {})
      exchange.actor = c.var.actor
      return id === undefined ? await onCollection(exchange) : await onUpload(exchange, id)
    } catch (error) {
      return refuse(exchange, error)
    }
  }

  async function isOurs(c: Context<Env>, id: string | undefined): Promise<boolean> {
    const header = (name: string) => c.req.header(name)
    const claim = claimOf(c.req.method, header)
    if (claim !== 'unsaid' || id === undefined) return claim === 'ours'
    try {
      await deps.authenticate(c, async () => {})
      const { door, state } = await uploads.find(c.var.actor, id)
      if (door !== DOOR) return false
      const isFile = state === 'promoted' || state === 'complete'
      return c.req.method !== 'GET' || !isFile || namesTheDraft(header)
    } catch (error) {
      // What is not to be had, the door behind this one says in its own words. But where we cannot
      // know for a moment, its words for a request without a version would be final.
      const fault = asFault(error)
      return !(fault instanceof Fault) || fault.status >= 500
    }
  }

  async function onCollection(exchange: Exchange): Promise<Response> {
    if (exchange.method !== 'POST') return methodNotAllowed(exchange, COLLECTION_METHODS)
    const creation = parseCreation(exchange.header, exchange.dialect, exchange.bodyLength)
    requireAppendSize(deps, exchange.bodyLength)
    const id = deps.newId()
    const { length, complete, bodyLength, contentDigest, ...facts } = creation
    const progress = await uploads.create(exchange.actor, {
      ...facts,
      door: DOOR,
      id,
      size: length,
      autoFinish: exchange.dialect.finishesByLength,
    })
    const location = `${exchange.origin}${deps.path}/${id}`
    const limit = uploadLimit(deps, exchange.dialect, progress.upload)
    const told = tell(deps, exchange, { Location: location, 'Upload-Limit': limit })
    const after =
      progress.published === null
        ? await receiveFirst(exchange, progress.upload, creation, { location, told })
        : progress
    const headers = { ...uploadFields(deps, exchange, after), Location: location }
    if (after.published === null) return new Response(null, { status: 201, headers })
    // Whoever has not said that this was all takes Location for the upload's.
    return finalAnswer(deps, exchange, after, complete ? {} : { Location: location })
  }

  async function receiveFirst(
    exchange: Exchange,
    upload: Upload,
    creation: Creation,
    { location, told }: { location: string; told: boolean },
  ): Promise<Progress<P>> {
    // Nobody else knows of it: there is nothing to wait for, and whoever is gone leaves nothing.
    const lock = await uploads.lock(upload.id)
    try {
      return await receive(deps, exchange, lock, upload, creation)
    } catch (error) {
      const fault = asFault(error)
      const ours = !(fault instanceof Fault) || fault.status >= 500 || fault.reason === 'pending'
      const passing = fault instanceof Fault && PASSING.has(fault.reason)
      // Kept for whoever knows its URL: by the 104, or by the answer to a failure of ours.
      if (ours || (passing && told)) exchange.location = location
      else await abandon(lock)
      throw error
    } finally {
      lock.release()
    }
  }

  async function onUpload(exchange: Exchange, id: string): Promise<Response> {
    const { method, header, dialect } = exchange
    if (!['GET', 'HEAD', 'PATCH', 'DELETE'].includes(method))
      return methodNotAllowed(exchange, UPLOAD_METHODS)
    // Before all else: who may not know of an upload learns nothing, and stops nobody's writing.
    const { door } = await uploads.find(exchange.actor, id)
    if (door !== DOOR) throw new Fault('not-found')
    if (method === 'PATCH') return append(exchange, id)
    if (dialect.bareRetrieval && SENDING_FIELDS.some((name) => header(name) !== undefined))
      throw new Fault('bad-request', { text: `${method} takes no Upload-Offset or completeness.` })
    const lock = await uploads.lock(id, { signal: exchange.clientGone })
    try {
      if (method === 'DELETE') return await cancel(exchange, lock)
      const progress = await uploads.current(lock)
      return new Response(null, { status: 204, headers: uploadFields(deps, exchange, progress) })
    } finally {
      lock.release()
    }
  }

  async function cancel({ dialect: { version } }: Exchange, lock: HeldLock): Promise<Response> {
    await uploads.terminate(lock)
    const headers = new Headers({ 'Cache-Control': 'no-store' })
    if (version !== null) headers.set('Upload-Draft-Interop-Version', String(version))
    return new Response(null, { status: 204, headers })
  }

  async function append(exchange: Exchange, id: string): Promise<Response> {
    const { header, dialect, bodyLength } = exchange
    const asked = parseAppend(header, dialect, bodyLength)
    exchange.providedOffset = asked.offset
    const lock = await uploads.lock(id, { signal: exchange.clientGone })
    try {
      const { upload, published } = await uploads.current(lock)
      if (published !== null) {
        requireReplay(exchange, upload, asked)
        return await finalAnswer(deps, exchange, { upload, published })
      }
      const agreed = await agree(lock, upload, asked)
      const after = await receive(deps, exchange, lock, agreed, asked)
      if (after.published !== null) return await finalAnswer(deps, exchange, after)
      const headers = uploadFields(deps, exchange, after)
      return new Response(null, { status: dialect.appendedStatus, headers })
    } finally {
      lock.release()
    }
  }

  /** Offset, sizes and lengths, before a byte is read; a length that was not known is recorded. */
  async function agree(lock: HeldLock, upload: Upload, asked: Append): Promise<Upload> {
    const { offset, size } = upload
    const { complete, length, bodyLength } = asked
    if (asked.offset !== offset) throw new Fault('offset-mismatch', { offset })
    requireAppendSize(deps, bodyLength, offset)
    const end = bodyLength === null ? null : offset + bodyLength
    const implied = complete ? end : null
    const known = size ?? length ?? implied
    for (const named of [length, implied])
      if (named !== null && named !== known) throw inconsistent(offset)
    if (known !== null && end !== null && end > known) throw inconsistent(offset)
    return size === null && known !== null ? uploads.declareSize(lock, upload, known) : upload
  }

  /** Whoever was not told the URL of a new upload can never go on with it. */
  async function abandon(lock: HeldLock): Promise<void> {
    await uploads.terminate(lock).catch((error: unknown) => {
      if (!(error instanceof Fault)) deps.log.warn({ err: error }, 'a failed creation was left')
    })
  }

  function refuse(exchange: Exchange, error: unknown): Response {
    const { requestId } = exchange
    const fault = asFault(error)
    if (!(fault instanceof Fault) || fault.reason === 'internal') {
      deps.log.error({ requestId, err: error }, 'unexpected error')
      return problemAnswer(deps, exchange, new Fault('internal'))
    }
    if (fault.status >= 500) deps.log.warn({ requestId, err: fault }, DOOR)
    // "RECOMMENDED: terminate" what another request has taken over. A body that went silent is cut
    // too: its client resumes from a cut, and takes an answer for the end.
    if (exchange.superseded || fault.reason === 'body-idle') cutRequest(exchange.env)
    return problemAnswer(deps, exchange, fault)
  }

  function methodNotAllowed(exchange: Exchange, allow: string): Response {
    const answer = problemAnswer(deps, exchange, new Fault('method-not-allowed'))
    answer.headers.set('Allow', allow)
    return answer
  }

  return app
}

/**
 * The answer to the completing request was lost and it comes again, empty: it gets the same answer.
 * Anything else "MUST NOT" add to a complete upload.
 */
function requireReplay({ dialect }: Exchange, { offset, size }: Upload, asked: Append): void {
  const repeats = asked.complete && asked.bodyLength === 0 && (asked.length ?? size) === size
  if (repeats && asked.offset === offset) return
  if (asked.offset !== offset && !dialect.completedProblem)
    throw new Fault('offset-mismatch', { offset })
  throw new Fault('upload-complete', { offset })
}
