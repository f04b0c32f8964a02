import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { Fault } from '../errors.ts'
import type { MediaAccess } from '../media/access.ts'
import { parseMediaChanges } from '../media/changes.ts'
import { parseMediaQuery } from '../media/filters.ts'
import { toRecord } from '../media/record.ts'
import type { MediaRepo, MediaRow } from '../media/repo.ts'
import { type Delivery, serve } from '../media/serve.ts'
import { parseLinkRequest, shareLink } from '../media/share.ts'
import { type Thumbnails, thumbnailWidth } from '../media/thumbnails.ts'
import type { Update } from '../media/update.ts'
import type { Env } from '../protocols/env.ts'
import type { MultipartDoor } from '../protocols/multipart/door.ts'
import type { Uploads } from '../uploads/uploads.ts'
import { parseNonNegativeInteger } from '../wire/integer.ts'
import { lastOf, pageLinks, parseAnyInteger } from '../wire/paging.ts'
import { toIsoMicros } from '../wire/time.ts'
import { requirePermission } from './authenticate.ts'
import { readJsonObject } from './json-body.ts'
import { methods } from './methods.ts'

export interface MediaRoutesDeps {
  authenticate: MiddlewareHandler<Env>
  repo: MediaRepo
  uploads: Pick<Uploads<unknown>, 'lock' | 'terminate'>
  multipart: MultipartDoor
  thumbnails: Thumbnails
  update: Update
  delivery: Delivery
  access: MediaAccess
  /** Scheme and host for the absolute URLs of an answer, without a slash at the end. */
  origin: (c: Context<Env>) => string
  now: () => Date
}

/** Where the routes are mounted. */
export const mediaPath = '/api/media/files'

/** 64 Ki characters of description, each written as `\uXXXX` twice over, and a name. */
const MAX_JSON_BYTES = 1024 * 1024

/** The media API. Staff or admin, found out before anything of the body is read. */
export function mediaRoutes(deps: MediaRoutesDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const permitted = requirePermission({ action: 'media:manage' })
  app.use(deps.authenticate)
  app.use((c, next) => (c.req.method === 'OPTIONS' ? next() : permitted(c, next)))
  app.use(async (c, next) => {
    c.header('Cache-Control', 'no-store')
    await next()
  })
  app.all('/', methods({ GET: (c) => list(deps, c), POST: (c) => upload(deps, c) }))
  app.all(
    '/:id',
    methods({
      GET: async (c) => c.json(recordOf(deps, c, await find(deps, c))),
      PATCH: (c) => change(deps, c),
      DELETE: (c) => remove(deps, c),
    }),
  )
  app.all('/:id/thumbnail', methods({ GET: (c) => thumbnail(deps, c) }))
  app.all('/:id/links', methods({ POST: (c) => share(deps, c) }))
  return app
}

function recordOf({ origin, access }: MediaRoutesDeps, c: Context<Env>, row: MediaRow) {
  return toRecord(row, origin(c), access.urlOf)
}

async function list(deps: MediaRoutesDeps, c: Context<Env>): Promise<Response> {
  const { repo, origin, access } = deps
  const { pathname, search } = new URL(c.req.url)
  const params = new URLSearchParams(search)
  const query = parseMediaQuery(params)
  const { count, rows } = await repo.list(query)
  const base = origin(c)
  const results = rows.map((row) => toRecord(row, base, access.urlOf))
  return c.json({ count, ...pageLinks(base + pathname, params, query.paging, count), results })
}

async function upload(deps: MediaRoutesDeps, c: Context<Env>): Promise<Response> {
  const { id } = await deps.multipart.receive(c.var.actor, c.env.incoming)
  const row = await deps.repo.byUpload(id)
  // Somebody who watches the list can remove a file before its own upload is answered.
  if (row === undefined) throw new Fault('upload-ended')
  return c.json(recordOf(deps, c, row), 201, { Location: `${mediaPath}/${row.id}` })
}

async function find({ repo }: MediaRoutesDeps, c: Context<Env>): Promise<MediaRow> {
  const id = parseNonNegativeInteger(c.req.param('id'))
  const row = id === null ? undefined : await repo.find(id)
  if (row === undefined) throw new Fault('not-found')
  return row
}

async function change(deps: MediaRoutesDeps, c: Context<Env>): Promise<Response> {
  const found = await find(deps, c)
  const changes = parseMediaChanges(await readJsonObject(c, { maxBytes: MAX_JSON_BYTES }))
  const row = await deps.update(found, changes, deps.now())
  if (row === undefined) throw new Fault('not-found')
  return c.json(recordOf(deps, c, row))
}

async function share(deps: MediaRoutesDeps, c: Context<Env>): Promise<Response> {
  const row = await find(deps, c)
  const wanted = parseLinkRequest(await readJsonObject(c, { maxBytes: MAX_JSON_BYTES }))
  return c.json(shareLink(deps.access, row, deps.origin(c), wanted), 201)
}

/** Through the uploads core: a file is an upload that was finished, and ends like one. */
async function remove(deps: MediaRoutesDeps, c: Context<Env>): Promise<Response> {
  const { uploads } = deps
  const { uploadId } = await find(deps, c)
  const lock = await uploads.lock(uploadId)
  try {
    await uploads.terminate(lock)
    return c.body(null, 204)
  } catch (error) {
    // Another request has removed it while this one waited for the lock.
    const ended = error instanceof Fault && error.reason === 'upload-ended'
    throw ended ? new Fault('not-found') : error
  } finally {
    lock.release()
  }
}

async function thumbnail(deps: MediaRoutesDeps, c: Context<Env>): Promise<Response> {
  const asked = lastOf(new URL(c.req.url).searchParams, 'width')
  const wanted = asked === '' ? undefined : parseAnyInteger(asked)
  if (wanted === null) {
    throw new Fault('bad-request', { fields: { width: ['Enter a number.'] } })
  }
  const width = thumbnailWidth(wanted)
  const row = await find(deps, c)
  const made = await deps.thumbnails.get(row, width)
  if (made === null) throw new Fault('not-found', { text: 'This file has no thumbnail.' })
  await serve({
    outgoing: c.env.outgoing,
    method: c.req.method === 'HEAD' ? 'HEAD' : 'GET',
    header: (name) => c.req.header(name),
    download: false,
    cache: 'revalidate',
    ...deps.delivery,
    file: {
      ...made,
      etag: `"${row.key}-w${width}"`,
      mimeType: 'image/webp',
      name: `${row.name}.webp`,
      modified: new Date(toIsoMicros(row.createdAt)),
    },
  })
  return RESPONSE_ALREADY_SENT
}
