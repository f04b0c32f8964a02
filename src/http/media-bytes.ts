import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { Fault } from '../errors.ts'
import type { MediaFile } from '../media/promote.ts'
import type { MediaRepo } from '../media/repo.ts'
import { type Delivery, serve } from '../media/serve.ts'
import type { Env } from '../protocols/env.ts'
import { toIsoMicros } from '../wire/time.ts'
import { methods } from './methods.ts'

export interface MediaBytesDeps {
  repo: Pick<MediaRepo, 'byKey'>
  delivery: Delivery
}

/**
 * The bytes of media files, `/{key}/{name}`, for whoever knows the key. The name is for people and
 * is not looked at.
 */
export function mediaBytesRoutes(deps: MediaBytesDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const handler = methods({ GET: (c) => bytes(deps, c) })
  app.all('/:key', handler)
  app.all('/:key/:name', handler)
  return app
}

async function bytes({ repo, delivery }: MediaBytesDeps, c: Context<Env>): Promise<Response> {
  const key = c.req.param('key') ?? ''
  // Also keeps bytes that no text of Postgres can hold out of the statement.
  const row = /^[\w-]{1,64}$/.test(key) ? await repo.byKey(key) : undefined
  if (row === undefined) throw new Fault('not-found')
  return sendFile(c, delivery, row)
}

/** Answers a GET or HEAD with the bytes of a media file, wherever it is asked for. */
export async function sendFile(
  c: Context<Env>,
  delivery: Delivery,
  file: Omit<MediaFile, 'id'>,
  { headers, cache }: { headers?: Record<string, string>; cache?: 'revalidate' } = {},
): Promise<Response> {
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
