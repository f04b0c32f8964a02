import { type Context, type Handler, Hono } from 'hono'
import { asFault } from '../../db/retry.ts'
import { Fault } from '../../errors.ts'
import type { Upload } from '../../uploads/upload.ts'
import type { Progress } from '../../uploads/uploads.ts'
import { parseNonNegativeInteger } from '../../wire/integer.ts'
import type { Env } from '../env.ts'
import { clientGone } from '../node-request.ts'
import { ancestorJson, endOf, renderFault, uploadJson } from './answer.ts'
import { requireRange } from './check.ts'
import { takeChunk } from './chunk.ts'
import { completeUpload } from './complete.ts'
import type { ChunkedDeps, PublishedFile } from './deps.ts'
import { readFields } from './fields.ts'
import { DOOR, findUpload, SHOWN } from './find.ts'
import { takePosted } from './post.ts'
import { addChunk, beginUpload, type Sender, underLock } from './store.ts'
import {
  ancestorDigestDiffers,
  ancestorNeedsBoth,
  checksumDiffers,
  checksumMissing,
} from './words.ts'

/** Uploads in one list; older ones are asked for with `offset`. */
const MAX_LISTED = 1_000

/** drf-chunked-upload, and its ancestor: request → core call → answer in their words. */
export function chunkedRoutes<P extends PublishedFile>(deps: ChunkedDeps<P>): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const on = (handle: (c: Context<Env>) => Promise<Response>) => answering(deps, handle)
  app.use(deps.authenticate)
  app.use(deps.permitted)
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store')
    await next()
  })
  app
    .get(
      '/',
      on((c) => list(deps, c)),
    )
    .put(
      '/',
      on((c) => putFirst(deps, c)),
    )
    .post(
      '/',
      on((c) => post(deps, c)),
    )
    .all('/', others('GET, PUT, POST, HEAD, OPTIONS'))
  app.post(
    '/complete',
    on((c) => completeAncestor(deps, c)),
  )
  app.all('/complete', others('POST, OPTIONS'))
  app
    .get(
      '/:id',
      on((c) => show(deps, c)),
    )
    .put(
      '/:id',
      on((c) => putNext(deps, c)),
    )
    .post(
      '/:id',
      on((c) => complete(deps, c)),
    )
    .delete(
      '/:id',
      on((c) => remove(deps, c)),
    )
    .all('/:id', others('GET, PUT, POST, DELETE, HEAD, OPTIONS'))
  return app
}

/** Expected failures in this door's shape; all others are the whole server's affair. */
function answering(
  { log }: Pick<ChunkedDeps<PublishedFile>, 'log'>,
  handle: (c: Context<Env>) => Promise<Response>,
): Handler<Env> {
  return async function answering(c) {
    try {
      return await handle(c)
    } catch (error) {
      const fault = asFault(error)
      if (!(fault instanceof Fault) || fault.reason === 'internal') throw error
      if (fault.status >= 500) log.warn({ requestId: c.var.requestId, err: fault }, DOOR)
      return renderFault(c, fault)
    }
  }
}

function others(allow: string): Handler<Env> {
  return function others(c) {
    if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
    return c.json({ detail: `Method "${c.req.method}" not allowed.` }, 405, { Allow: allow })
  }
}

const idOf = (c: Context<Env>) => c.req.param('id') ?? ''

function senderOf(c: Context<Env>): Sender {
  return { actor: c.var.actor, gone: clientGone(c.env) }
}

function answer<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
  { upload, published }: Progress<P>,
): Response {
  return c.json(uploadJson(deps, upload, published, deps.originOf(c)))
}

const received = <P>(upload: Upload): Progress<P> => ({ upload, published: null })

async function putFirst<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const upload = await takeChunk(c.env.incoming, optionsOf(deps, true), async (chunk) => {
    const range = requireRange(c.req.header('content-range'), deps.settings.maxBytes)
    const confirm = () => ({})
    return beginUpload(deps, senderOf(c), chunk, range, confirm, async (_lock, begun) => begun)
  })
  return answer(deps, c, received(upload))
}

async function putNext<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const upload = await takeChunk(c.env.incoming, optionsOf(deps, true), async (chunk) => {
    const range = requireRange(c.req.header('content-range'), deps.settings.maxBytes)
    return addChunk(deps, senderOf(c), idOf(c), chunk, range)
  })
  return answer(deps, c, received(upload))
}

async function post<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const posted = await takeChunk(c.env.incoming, optionsOf(deps, false), (chunk) =>
    takePosted(deps, senderOf(c), chunk, c.req.header('content-range')),
  )
  if ('whole' in posted) return answer(deps, c, posted.whole)
  return c.json(ancestorJson(posted.chunk, deps.settings.expirationMs))
}

async function complete<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const { checksum: algorithm } = deps.settings
  const hex = (await readFields(c.env.incoming, deps)).get(algorithm)
  if (!hex) throw checksumMissing(algorithm)
  const expected = { algorithm, hex, differs: checksumDiffers }
  return answer(deps, c, await completeUpload(deps, senderOf(c), idOf(c), expected))
}

async function completeAncestor<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const fields = await readFields(c.env.incoming, deps)
  const [id, hex] = [fields.get('upload_id'), fields.get('md5')]
  if (!id || !hex) throw ancestorNeedsBoth()
  const expected = { algorithm: 'md5', hex, differs: ancestorDigestDiffers }
  const { upload } = await completeUpload(deps, senderOf(c), id, expected)
  return c.json(ancestorJson(upload, deps.settings.expirationMs))
}

async function show<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const upload = await findUpload(deps, c.var.actor, idOf(c))
  const end = endOf(upload, deps.now())
  if (end !== null) throw end
  const [published = null] = upload.state === 'promoted' ? await deps.filesOf([upload.id]) : []
  return answer(deps, c, { upload, published })
}

async function list<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const uploads = await deps.uploads.list(c.var.actor, {
    doors: SHOWN,
    everybody: !deps.settings.userRestricted,
    limit: MAX_LISTED,
    offset: parseNonNegativeInteger(c.req.query('offset')) ?? 0,
  })
  const complete = uploads.filter(({ state }) => state === 'promoted')
  const files = complete.length === 0 ? [] : await deps.filesOf(complete.map(({ id }) => id))
  const byUpload = new Map(files.map((file) => [file.uploadId, file]))
  const origin = deps.originOf(c)
  return c.json(
    uploads.map((upload) => uploadJson(deps, upload, byUpload.get(upload.id) ?? null, origin)),
  )
}

async function remove<P extends PublishedFile>(
  deps: ChunkedDeps<P>,
  c: Context<Env>,
): Promise<Response> {
  const upload = await findUpload(deps, c.var.actor, idOf(c))
  const end = endOf(upload, deps.now())
  if (end !== null) throw end
  // Where everybody reaches every upload, ending one is still its owner's affair.
  await deps.uploads.find(c.var.actor, upload.id).catch((error: unknown) => {
    const foreign = error instanceof Fault && error.reason === 'not-found'
    throw foreign ? new Fault('not-allowed') : error
  })
  await underLock(deps, upload.id, senderOf(c).gone, (lock) => deps.uploads.terminate(lock))
  return c.body(null, 204)
}

function optionsOf<P extends PublishedFile>({ settings, idleMs }: ChunkedDeps<P>, raw: boolean) {
  return { fieldName: settings.fieldName, idleMs, raw }
}
