import {
  type Presentation,
  protection,
  representationHeaders,
  type ServedFile,
} from './serve-headers.ts'

/** Who sends the bytes of a file (SERVE_WITH). */
export type ServeWith =
  | { by: 'node' }
  /** Clients fetch them elsewhere: below this URL, which has no slash at its end. */
  | { by: 'redirect'; mediaUrl: string }
  /** The proxy in front reads them, from its internal location of this name (`/…/`). */
  | { by: 'x-accel-redirect'; prefix: string }

/** An answer without a body that tells somebody else to send the bytes. */
export interface HandOver {
  status: 200 | 302
  headers: Record<string, string>
}

/**
 * The answer to a request for a file that somebody else sends; null where we do it.
 *
 * Nothing of the request gets into the place that is named: it is made of a setting and of the
 * storage key, which is ours.
 */
export function handOver(
  serveWith: ServeWith,
  request: Presentation & { header: (name: string) => string | undefined },
  file: ServedFile,
): HandOver | null {
  const place = file.storageKey.split('/').map(encodeURIComponent).join('/')
  switch (serveWith.by) {
    case 'node':
      return null
    case 'redirect':
      return {
        status: 302,
        headers: {
          Location: `${serveWith.mediaUrl}/${place}`,
          ...protection,
          // Where the bytes are is a setting, and who may have them is asked every time.
          'Cache-Control': 'no-store',
          'Content-Length': '0',
        },
      }
    case 'x-accel-redirect': {
      // nginx evaluates these again, against an entity-tag of its own or none, and would answer 412
      // where they hold. They are rare on a GET.
      const guards = ['if-match', 'if-unmodified-since']
      if (guards.some((name) => request.header(name) !== undefined)) return null
      return {
        status: 200,
        headers: {
          ...representationHeaders(request, file),
          'X-Accel-Redirect': serveWith.prefix + place,
          'Content-Length': '0',
        },
      }
    }
  }
}
