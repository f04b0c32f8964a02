import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { type Delivery, serve } from '../media/serve.ts'
import type { Env } from '../protocols/env.ts'
import type { Upload } from '../uploads/upload.ts'
import { toIsoMicros } from '../wire/time.ts'

/**
 * Answers a GET with the bytes of a finished part. Nobody has looked into it: it is a stretch of
 * some file, to be stored and never to be shown.
 */
export async function sendPart(
  c: Context<Env>,
  delivery: Delivery,
  part: Upload,
  headers: Record<string, string>,
): Promise<Response> {
  await serve({
    outgoing: c.env.outgoing,
    method: 'GET',
    header: (name) => c.req.header(name),
    download: true,
    extraHeaders: headers,
    cache: 'revalidate',
    ...delivery,
    file: {
      storageKey: part.finalKey ?? part.storageKey,
      // A part that is complete never changes.
      etag: `"${part.id}"`,
      size: part.offset,
      mimeType: 'application/octet-stream',
      name: part.filename || part.id,
      modified: new Date(toIsoMicros(part.updatedAt)),
    },
  })
  return RESPONSE_ALREADY_SENT
}
