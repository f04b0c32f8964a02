import type { Context } from 'hono'
import { Hono, type MiddlewareHandler } from 'hono'
import { asFault } from '../../db/retry.ts'
import { Fault } from '../../errors.ts'
import type { Log } from '../../telemetry/log.ts'
import { isOpen, isWhole, type Upload } from '../../uploads/upload.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import type { Env } from '../env.ts'
import { bodyLengthOf, clientGone, cutRequest } from '../node-request.ts'
import {
  capabilities,
  headHeaders,
  type PublishedLink,
  renderFault,
  uploadHeaders,
} from './answer.ts'
import { type Concat, parseConcat } from './concat.ts'
import { asFaultOfEngine, createEngine } from './engine.ts'
import { createExchanges, type Exchange } from './exchange.ts'
import {
  BODY_TYPE,
  effectiveMethod,
  parseCreation,
  parseFinalCreation,
  parsePatch,
  TUS_VERSION,
} from './request.ts'

export interface TusDeps<P> {
  uploads: Uploads<P>
  authenticate: MiddlewareHandler<Env>
  log: Pick<Log, 'warn' | 'error'>
  /** Where the door stands, without a slash at the end: `/files`. */
  path: string
  /** UPLOAD_MAX_SIZE. */
  maxSize: number | null
  newId: () => string
  /** Scheme and host for absolute URLs. */
  originOf: (c: Context<Env>) => string
  linkOf: (published: P, origin: string) => PublishedLink
  /** Answers with the bytes of a finished upload, as the media URL does. */
  serve: (c: Context<Env>, published: P, headers: Record<string, string>) => Promise<Response>
  /** The same of a finished part, which is no media file. */
  servePart: (c: Context<Env>, part: Upload, headers: Record<string, string>) => Promise<Response>
}

const COLLECTION_METHODS = 'POST, OPTIONS'
const UPLOAD_METHODS = 'GET, HEAD, PATCH, DELETE, OPTIONS'

/** tus 1.0 at `/files/`: request in words of tus → core → answer in words of tus. */
export function tusRoutes<P>(deps: TusDeps<P>): Hono<Env> {
  const exchanges = createExchanges<P>()
  const engine = createEngine(deps.uploads, exchanges, deps)
  const app = new Hono<Env>({ strict: false })

  app.onError((error, c) => {
    const fault = asFault(error)
    const method = methodShown(c)
    if (fault instanceof Fault && fault.reason !== 'internal') {
      if (fault.status >= 500) deps.log.warn({ requestId: c.var.requestId, err: fault }, 'tus')
      // A dead body gets no answer: tus-js-client takes 408 as final, a cut it resumes from.
      if (fault.reason === 'body-idle') cutRequest(c.env)
      return renderFault(fault, method)
    }
    deps.log.error({ requestId: c.var.requestId, err: error }, 'unexpected error')
    const answer = renderFault(new Fault('internal'), method)
    return answer
  })
  app.options('*', (c) => c.body('', 200, capabilities(deps.maxSize)))
  app.use(requireVersion)
  app.use(deps.authenticate)
  app.all('/', (c) => onCollection(c))
  app.all('/:id', (c) => onUpload(c, c.req.param('id')))
  app.all('*', () => {
    throw new Fault('not-found')
  })

  async function onCollection(c: Context<Env>): Promise<Response> {
    if (c.req.method !== 'POST') return methodNotAllowed(COLLECTION_METHODS)
    const header = (name: string) => c.req.header(name)
    if (effectiveMethod('POST', header) !== 'POST') throw new Fault('not-found')
    const concat = parseConcat(header('upload-concat'), deps.path)
    if (concat?.kind === 'final') return createFinal(c, concat)
    const announced = bodyLengthOf(c.env.incoming)
    const creation = parseCreation(header, announced, concat === null ? 'file' : 'part')
    const exchange = { ...begin(c, deps.newId()), creation }
    const headers = {
      ...(creation.size === null
        ? { 'Upload-Defer-Length': '1' }
        : { 'Upload-Length': String(creation.size) }),
      ...(creation.body !== null ? { 'Content-Type': BODY_TYPE } : {}),
    }
    try {
      return await run(c, exchange, 'POST', headers)
    } catch (error) {
      await abandon(exchange)
      throw withoutOffset(error)
    }
  }

  /** Beside the engine, which knows nothing of concatenation. */
  async function createFinal(
    c: Context<Env>,
    { partIds, sent }: Concat & { kind: 'final' },
  ): Promise<Response> {
    const announced = bodyLengthOf(c.env.incoming)
    const facts = parseFinalCreation((name) => c.req.header(name), announced)
    const id = deps.newId()
    const whole = { ...facts, door: 'tus', id, partIds, recipe: sent }
    const progress = await deps.uploads.join(c.var.actor, whole)
    const origin = deps.originOf(c)
    return c.body(null, 201, {
      'Tus-Resumable': TUS_VERSION,
      Location: urlOf(c, id),
      ...uploadHeaders(progress, (published) => deps.linkOf(published, origin)),
    })
  }

  async function onUpload(c: Context<Env>, id: string): Promise<Response> {
    const header = (name: string) => c.req.header(name)
    const method = effectiveMethod(c.req.method, header)
    if (method === 'GET') return download(c, id)
    if (method === 'POST' || method === 'PUT') return methodNotAllowed(UPLOAD_METHODS)
    if (!['HEAD', 'PATCH', 'DELETE'].includes(method)) return methodNotAllowed(UPLOAD_METHODS)
    const patch = method === 'PATCH' ? parsePatch(header, bodyLengthOf(c.env.incoming)) : undefined
    // Before the lock: who may not know of an upload must not stop its writer either.
    const upload = await deps.uploads.find(c.var.actor, id)
    // Another door's uploads grow and finish by other rules.
    if (upload.door !== 'tus' && isOpen(upload.state)) throw new Fault('not-found')
    // "The Server MUST respond with the 403 Forbidden status to PATCH requests against a final
    // upload URL", whatever offset they name.
    if (patch && isWhole(upload))
      throw new Fault('not-allowed', { text: 'A final upload takes no bytes of its own.' })
    const exchange = { ...begin(c, id), ...(patch && { patch }) }
    const headers = patch
      ? { 'Upload-Offset': String(patch.offset), 'Content-Type': BODY_TYPE }
      : undefined
    return run(c, exchange, method, headers ?? {})
  }

  function urlOf(c: Context<Env>, id: string): string {
    return `${deps.originOf(c)}${deps.path}/${id}`
  }

  function begin(c: Context<Env>, id: string): Exchange<P> {
    return {
      actor: c.var.actor,
      id,
      url: urlOf(c, id),
      incoming: c.env.incoming as Exchange<P>['incoming'],
      clientGone: clientGone(c.env),
    }
  }

  async function run(
    c: Context<Env>,
    exchange: Exchange<P>,
    method: string,
    headers: Record<string, string>,
  ): Promise<Response> {
    const answer = await exchanges.run(exchange, (key) =>
      engine.handleWeb(
        new Request(`http://engine${deps.path}/${key}`, {
          method,
          headers: { ...headers, 'Tus-Resumable': TUS_VERSION },
        }),
      ),
    )
    if (exchange.error !== undefined) throw asFaultOfEngine(exchange.error, exchange)
    return present(c, exchange, answer, method)
  }

  /** The engine's answer with what the core knows beside it. */
  function present(
    c: Context<Env>,
    { progress }: Exchange<P>,
    answer: Response,
    method: string,
  ): Response {
    // A plain record, which Hono's adapter writes as it is. CORS is the whole server's business
    // (http/cors.ts), not the engine's.
    const headers: Record<string, string> = {}
    for (const [name, value] of answer.headers)
      if (!name.startsWith('access-control-')) headers[name] = value
    if (progress && method !== 'DELETE') {
      const origin = deps.originOf(c)
      const added = uploadHeaders(progress, (published) => deps.linkOf(published, origin))
      for (const [name, value] of Object.entries(added)) headers[name.toLowerCase()] = value
      if (method === 'HEAD')
        for (const [name, value] of Object.entries(headHeaders(progress.upload)))
          if (value === null) delete headers[name.toLowerCase()]
          else headers[name.toLowerCase()] = value
    }
    // Whatever the engine had to say in words was thrown.
    const { status } = answer
    const body = method === 'HEAD' || status === 204 ? null : ''
    return new Response(body, { status, headers })
  }

  /** Whoever was not told the URL of a new upload can never go on with it. */
  async function abandon({ id, progress }: Exchange<P>): Promise<void> {
    if (progress === undefined) return
    const lock = await deps.uploads.lock(id)
    await deps.uploads
      .terminate(lock)
      .catch((error: unknown) => {
        if (!(error instanceof Fault)) deps.log.warn({ err: error }, 'a failed creation was left')
      })
      .finally(() => lock.release())
  }

  async function download(c: Context<Env>, id: string): Promise<Response> {
    const upload = await deps.uploads.find(c.var.actor, id)
    const part = upload.purpose === 'part' && upload.state === 'held'
    if (upload.state !== 'promoted' && upload.state !== 'complete' && !part) {
      const ended = upload.state === 'terminated' || upload.state === 'expired'
      throw new Fault(ended ? 'upload-ended' : 'not-found')
    }
    const lock = await deps.uploads.lock(id)
    const { published } = await deps.uploads.current(lock).finally(() => lock.release())
    if (part) return deps.servePart(c, upload, { 'Tus-Resumable': TUS_VERSION })
    if (published === null) throw new Fault('not-found')
    return deps.serve(c, published, { 'Tus-Resumable': TUS_VERSION })
  }

  return app
}

/**
 * "If the version specified by the Client is not supported by the Server, it MUST respond with the
 * 412 Precondition Failed status and MUST include the Tus-Version header … the Server MUST NOT
 * process the request." A GET is a download and may come from a browser's address bar.
 */
const requireVersion: MiddlewareHandler<Env> = async (c, next) => {
  const version = c.req.header('tus-resumable')
  if (version !== TUS_VERSION && (c.req.method !== 'GET' || version !== undefined))
    throw new Fault('precondition-failed', {
      text: `This door speaks tus ${TUS_VERSION}: send Tus-Resumable: ${TUS_VERSION}.`,
    })
  await next()
}

/** There is no upload that the offset would be one of. */
function withoutOffset(error: unknown): unknown {
  if (!(error instanceof Fault)) return error
  const { reason, message, retryAfterSeconds, cause } = error
  return new Fault(reason, { text: message, retryAfterSeconds, cause })
}

function methodShown(c: Context<Env>): string {
  const override = c.req.header('x-http-method-override')?.toUpperCase()
  return c.req.method === 'POST' && override === 'HEAD' ? 'HEAD' : c.req.method
}

function methodNotAllowed(allow: string): Response {
  const answer = renderFault(new Fault('method-not-allowed'), 'GET')
  answer.headers.set('Allow', allow)
  return answer
}
