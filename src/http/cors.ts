import type { MiddlewareHandler } from 'hono'
import type { Env } from '../protocols/env.ts'

/** `*`, or the origins that may read our answers, such as `https://app.example`. */
export type AllowedOrigins = '*' | readonly string[]

export interface CorsOptions {
  /**
   * Paths whose handlers answer OPTIONS themselves, each with everything below it: a preflight
   * there gets the CORS headers and is passed on.
   */
  passOptionsTo?: readonly string[]
}

/** What a page may send. Authorization must be named: a wildcard does not include it. */
const requestHeaders = [
  'Authorization',
  // Dropzone sends it with every request.
  'Cache-Control',
  'Content-Type',
  'Content-Range',
  'Content-Disposition',
  'Tus-Resumable',
  'Upload-Length',
  'Upload-Defer-Length',
  'Upload-Offset',
  'Upload-Metadata',
  'Upload-Concat',
  'Upload-Checksum',
  'Upload-Complete',
  'Upload-Incomplete',
  'Upload-Draft-Interop-Version',
  'X-HTTP-Method-Override',
  'X-Requested-With',
  'X-Request-Id',
  'Content-Digest',
  'Repr-Digest',
  'Want-Content-Digest',
  'Want-Repr-Digest',
  'Range',
  'If-Match',
  'If-None-Match',
  'If-Range',
  'If-Modified-Since',
  'If-Unmodified-Since',
  // Of a page that reads events with fetch, since EventSource sends no Authorization.
  'Last-Event-ID',
].join(', ')

/** What a page may read beside the few headers that every page may. */
const responseHeaders = [
  'Location',
  'Tus-Resumable',
  'Tus-Version',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Checksum-Algorithm',
  'Upload-Offset',
  'Upload-Length',
  'Upload-Defer-Length',
  'Upload-Metadata',
  'Upload-Concat',
  'Upload-Expires',
  'Upload-Complete',
  'Upload-Incomplete',
  'Upload-Limit',
  'Upload-Draft-Interop-Version',
  'Landfall-Media-File',
  'Landfall-Media-Url',
  'X-Request-Id',
  'Accept-Patch',
  'Accept-Ranges',
  'Allow',
  'Content-Disposition',
  'Content-Digest',
  'Content-Range',
  'ETag',
  'Repr-Digest',
  'Retry-After',
  'WWW-Authenticate',
].join(', ')

/**
 * The headers of the Fetch standard's CORS protocol that belong on every answer to a request with
 * this Origin (undefined where it has none). For `*` they are the same for everyone; with a list, a
 * listed origin is echoed, a foreign one is not allowed, and caches are told that it matters.
 */
export function corsHeaders(
  allowed: AllowedOrigins,
  origin: string | undefined,
): Record<string, string> {
  const exposed = { 'Access-Control-Expose-Headers': responseHeaders }
  if (allowed === '*') return { 'Access-Control-Allow-Origin': '*', ...exposed }
  if (origin === undefined || !isListed(allowed, origin)) return { Vary: 'Origin' }
  return { 'Access-Control-Allow-Origin': origin, Vary: 'Origin', ...exposed }
}

/** What the answer to a preflight has beside `corsHeaders`. A browser may keep it for a day. */
export function preflightHeaders(): Record<string, string> {
  return {
    'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
    'Access-Control-Allow-Headers': requestHeaders,
    'Access-Control-Max-Age': '86400',
  }
}

/**
 * Puts CORS headers on every answer, errors too, and answers a preflight with 204 before anything
 * can ask it for a token. The headers are set on the Node response, where answers that are written
 * straight to it keep them (`writeHead` overrides only what it names).
 */
export function cors(
  allowed: AllowedOrigins,
  { passOptionsTo = [] }: CorsOptions = {},
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const preflight =
      c.req.method === 'OPTIONS' &&
      c.req.header('origin') !== undefined &&
      c.req.header('access-control-request-method') !== undefined
    const headers = {
      ...corsHeaders(allowed, c.req.header('origin')),
      ...(preflight ? preflightHeaders() : {}),
    }
    if (preflight && !passOptionsTo.some((path) => isAtOrBelow(c.req.path, path))) {
      return c.body(null, 204, headers)
    }
    // Undefined under `app.request()`, which has no Node response, whatever the type says.
    const outgoing: Env['Bindings']['outgoing'] | undefined = c.env?.outgoing
    for (const [name, value] of Object.entries(headers)) outgoing?.setHeader(name, value)
    await next()
    if (outgoing?.headersSent) return
    for (const [name, value] of Object.entries(headers)) {
      const present = c.res.headers.get(name)
      const wanted = name === 'Vary' ? mergeVary(present, value) : value
      // What the handler does not name comes from the Node response; what it names would win there.
      if (present === null ? outgoing === undefined : present !== wanted) c.header(name, wanted)
    }
  }
}

/** Adds a field name to a Vary header, once. */
export function mergeVary(present: string | null, name: string): string {
  if (present === null || present === '') return name
  const names = present.split(',').map((element) => element.trim().toLowerCase())
  return names.includes('*') || names.includes(name.toLowerCase()) ? present : `${present}, ${name}`
}

/** Browsers send origins in lower case and without a slash at the end; people configure both. */
function isListed(allowed: readonly string[], origin: string): boolean {
  return allowed.some((entry) => entry.toLowerCase().replace(/\/$/, '') === origin)
}

function isAtOrBelow(path: string, top: string): boolean {
  const base = top.replace(/\/$/, '')
  return path === base || path.startsWith(`${base}/`)
}
