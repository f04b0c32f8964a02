import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { can } from '../auth/can.ts'
import type { Tokens } from '../auth/tokens.ts'
import { Fault } from '../errors.ts'
import type { MediaAccess } from '../media/access.ts'
import type { MediaFile } from '../media/promote.ts'
import type { MediaRepo } from '../media/repo.ts'
import { type Delivery, serve } from '../media/serve.ts'
import type { Presentation } from '../media/serve-headers.ts'
import type { Env } from '../protocols/env.ts'
import { toIsoMicros } from '../wire/time.ts'
import { methods } from './methods.ts'

export interface MediaBytesDeps {
  repo: Pick<MediaRepo, 'byKey'>
  delivery: Delivery
  access: Pick<MediaAccess, 'mode' | 'verify'>
  tokens: Pick<Tokens, 'authenticate'>
  now: () => Date
}

/**
 * The bytes of media files, `/{key}/{name}`, for whom MEDIA_ACCESS lets read them. The name is for
 * people and is not looked at.
 */
export function mediaBytesRoutes(deps: MediaBytesDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const handler = methods({ GET: (c) => bytes(deps, c) })
  app.all('/:key', handler)
  app.all('/:key/:name', handler)
  return app
}

async function bytes(deps: MediaBytesDeps, c: Context<Env>): Promise<Response> {
  const key = c.req.param('key') ?? ''
  const granted = await grantOf(deps, c, key)
  // Also keeps bytes that no text of Postgres can hold out of the statement.
  const row = /^[\w-]{1,64}$/.test(key) ? await deps.repo.byKey(key) : undefined
  if (row === undefined || !granted.covers(row.userId)) throw new Fault('not-found')
  return sendFile(c, deps.delivery, row, { cache: granted.cache })
}

/** What a request may read, before anything is looked up. */
interface Grant {
  covers: (ownerId: number | null) => boolean
  cache: Presentation['cache']
}

const anyFile = () => true

/**
 * A link that is good is enough by itself, whatever token comes with it. One that is not is as if it
 * were not there: the answer is that to a key that nobody knows, and nothing is looked up for it.
 */
async function grantOf(
  { access, tokens, now }: MediaBytesDeps,
  c: Context<Env>,
  key: string,
): Promise<Grant> {
  if (access.mode === 'public') return { covers: anyFile, cache: 'immutable' }
  const link = access.verify(key, new URL(c.req.url).searchParams)
  if (link.kind === 'good') {
    // No cache is to show the file for longer than the link is good.
    const maxAge = Math.max(0, Math.floor(link.expiresAt - now().getTime() / 1000))
    return { covers: anyFile, cache: { maxAge } }
  }
  const authorization = c.req.header('authorization')
  const byToken = access.mode === 'private' && authorization !== undefined
  if (link.kind === 'ended' && !byToken) throw new Fault('link-ended')
  if (access.mode === 'signed') throw new Fault('not-found')
  const actor = await tokens.authenticate(authorization)
  c.set('actor', actor)
  if (actor.kind === 'anonymous') throw new Fault('not-authenticated')
  return {
    covers: (ownerId) => can(actor, { action: 'media:read', ownerId }, false),
    cache: 'revalidate',
  }
}

/** What a browser says it fetches a file for when it is going to run it, or to apply it to a page. */
const RUNNING = new Set([
  'script',
  'style',
  'xslt',
  'worker',
  'sharedworker',
  'serviceworker',
  'audioworklet',
  'paintworklet',
])

/**
 * The page trusts what comes from its own origin, and so do uploaded files. A browser tells what it
 * asks for, and nothing in a page can change that (Fetch Metadata, Sec-Fetch-Dest and -Site).
 */
function refuseToRun(c: Context<Env>): void {
  if (c.req.header('sec-fetch-site') !== 'same-origin') return
  if (!RUNNING.has(c.req.header('sec-fetch-dest') ?? '')) return
  throw new Fault('not-allowed', { text: 'Uploaded files are not run in pages of this server.' })
}

/** Answers a GET or HEAD with the bytes of a media file, wherever it is asked for. */
export async function sendFile(
  c: Context<Env>,
  delivery: Delivery,
  file: Omit<MediaFile, 'id'>,
  { headers, cache }: { headers?: Record<string, string>; cache?: Presentation['cache'] } = {},
): Promise<Response> {
  refuseToRun(c)
  await serve({
    outgoing: c.env.outgoing,
    method: c.req.method === 'HEAD' ? 'HEAD' : 'GET',
    header: (name) => c.req.header(name),
    download: new URL(c.req.url).searchParams.get('download') === '1',
    extraHeaders: headers,
    cache,
    ...delivery,
    file: {
      storageKey: file.storageKey,
      // The bytes under a key never change; ids begin again when records are rebuilt.
      etag: `"${file.key}"`,
      size: file.size,
      mimeType: file.mimeType,
      name: file.name,
      modified: new Date(toIsoMicros(file.createdAt)),
    },
  })
  return RESPONSE_ALREADY_SENT
}
