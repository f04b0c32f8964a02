import { contentDisposition } from '../wire/content-disposition.ts'
import { formatHttpDate } from '../wire/http-date.ts'

/** A finished file, as far as serving its bytes needs to know it. */
export interface ServedFile {
  storageKey: string
  /** A strong entity-tag with its quotes. The bytes under it never change. */
  etag: string
  /** Bytes. */
  size: number
  /** As detected from the content; never what a client declared. */
  mimeType: string
  /** The name for people; cleaned here. */
  name: string
  modified: Date
}

/** How an answer is to be handed out. */
export interface Presentation {
  /** Forces `Content-Disposition: attachment`. */
  download: boolean
  /**
   * `immutable` (default): for a URL that nobody can guess and whose bytes never change.
   * `revalidate`: for a URL that is guarded by a token, which is checked again on every use.
   * `maxAge`, in seconds: for a URL that ends.
   */
  cache?: 'immutable' | 'revalidate' | { maxAge: number } | undefined
}

/**
 * The headers that say what the file is and how it may be used, the same for every way of handing
 * out its bytes (from here, or by the proxy in front after X-Accel-Redirect).
 */
export function representationHeaders(
  request: Presentation,
  file: ServedFile,
): Record<string, string> {
  const inline = !request.download && inlineTypes.has(essence(file.mimeType))
  return {
    ...validatorHeaders(request, file),
    ...protection,
    'Content-Type': contentType(file.mimeType),
    'Content-Disposition': contentDisposition(inline ? 'inline' : 'attachment', file.name),
  }
}

/** Uploaded bytes share our origin: the browser must neither guess their type nor run them. */
export const protection = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
}

/**
 * `private`: a proxy that keeps a copy would go on handing out a file that was deleted, or to
 * people whose access has ended. A browser that has seen the file may show it for one more day
 * without asking; `immutable` spares the question on a reload too.
 */
function cacheControl(cache: Presentation['cache'] = 'immutable'): string {
  if (cache === 'revalidate') return 'private, no-cache'
  const maxAge = Math.min(cache === 'immutable' ? A_DAY : cache.maxAge, A_DAY)
  return `private, max-age=${maxAge}, immutable`
}

/** In seconds. */
const A_DAY = 86_400

/** What lets a client tell whether its copy is still good, and for how long not to ask. */
export function validatorHeaders(
  request: Pick<Presentation, 'cache'>,
  file: ServedFile,
): Record<string, string> {
  return {
    'Accept-Ranges': 'bytes',
    ETag: file.etag,
    'Last-Modified': formatHttpDate(file.modified),
    'Cache-Control': cacheControl(request.cache),
  }
}

/** JPEG, PNG, GIF, WebP, AVIF, MP4, WebM, MP3, Ogg, WAV, plain text and PDF: nothing else. */
const inlineTypes: ReadonlySet<string> = new Set([
  'image/jpeg',
  'image/png',
  'image/gif',
  'image/webp',
  'image/avif',
  'video/mp4',
  'audio/mp4',
  'video/webm',
  'audio/webm',
  'audio/mpeg',
  'audio/ogg',
  'video/ogg',
  'application/ogg',
  'audio/wav',
  'audio/wave',
  'audio/x-wav',
  'audio/vnd.wave',
  'text/plain',
  'application/pdf',
])

/** The type without its parameters, in lower case. */
function essence(mimeType: string): string {
  return (mimeType.split(';', 1)[0] ?? '').trim().toLowerCase()
}

/**
 * Plain text without a charset would be read as windows-1252 by browsers; nearly all of it is
 * UTF-8, and the byte order mark of UTF-16 wins over this header. What is not a media type at all
 * (RFC 9110 §8.3.1) never gets into a header.
 */
function contentType(mimeType: string): string {
  if (!/^[\w.+-]+\/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*$/.test(mimeType)) {
    return 'application/octet-stream'
  }
  return mimeType === 'text/plain' ? 'text/plain; charset=utf-8' : mimeType
}
