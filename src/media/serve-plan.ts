import { randomBytes } from 'node:crypto'
import { type Reason, reasons } from '../errors.ts'
import { evaluatePreconditions, ifRangeHolds } from '../wire/conditional.ts'
import { contentDisposition } from '../wire/content-disposition.ts'
import { formatHttpDate } from '../wire/http-date.ts'
import { type ByteRange, parseRange } from '../wire/range.ts'

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

/** What is asked for. */
export interface ServeRequest {
  method: 'GET' | 'HEAD'
  /** A header of the request, by its name in lower case. */
  header: (name: string) => string | undefined
  /** Forces `Content-Disposition: attachment`. */
  download: boolean
  /**
   * `immutable` (default): for a URL that nobody can guess and whose bytes never change.
   * `revalidate`: for a URL that is guarded by a token, which is checked again on every use.
   */
  cache?: 'immutable' | 'revalidate' | undefined
}

/** A stretch of the body: text to send first (multipart only), then bytes of the file. */
export interface PlannedPart {
  preamble: string
  range: ByteRange
}

export type PlannedBody =
  | { kind: 'none' }
  | { kind: 'text'; text: string }
  | { kind: 'parts'; parts: readonly PlannedPart[]; closing: string }

/** A whole answer, decided without touching the file. */
export interface ServePlan {
  status: 200 | 206 | 304 | 412 | 416
  headers: Record<string, string>
  body: PlannedBody
}

/**
 * Decides the answer to a GET or HEAD: preconditions, then ranges (RFC 9110 §13.2.2, §14.2). HEAD
 * gets the headers of GET, those of a range included: RFC 9110 defines ranges for GET alone, but
 * our contract promises that the two are equal. `boundary` separates the parts of a multipart
 * answer; it is random so that no file can hold it.
 */
export function planResponse(
  request: ServeRequest,
  file: ServedFile,
  boundary: string = randomBytes(18).toString('hex'),
): ServePlan {
  const plan = planGet(request, file, boundary)
  return request.method === 'HEAD' ? { ...plan, body: { kind: 'none' } } : plan
}

/**
 * The headers that say what the file is and how it may be used, the same for every way of handing
 * out its bytes (from here, or by the proxy in front after X-Accel-Redirect).
 */
export function representationHeaders(
  request: Pick<ServeRequest, 'download' | 'cache'>,
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

function planGet(request: ServeRequest, file: ServedFile, boundary: string): ServePlan {
  const { header } = request
  const validators = { etag: file.etag, lastModified: file.modified }
  const verdict = evaluatePreconditions(
    {
      method: request.method,
      ifMatch: header('if-match'),
      ifNoneMatch: header('if-none-match'),
      ifModifiedSince: header('if-modified-since'),
      ifUnmodifiedSince: header('if-unmodified-since'),
    },
    validators,
  )
  if (verdict === 'not-modified') {
    const headers = { ...validatorHeaders(request, file), ...protection }
    return { status: 304, headers, body: { kind: 'none' } }
  }
  if (verdict === 'precondition-failed') return refusal(412, 'precondition-failed')

  const ifRange = header('if-range')
  const counts = ifRange === undefined || ifRangeHolds(ifRange, validators)
  const asked = parseRange(counts ? header('range') : undefined, file.size)
  if (asked.kind === 'unsatisfiable') {
    return refusal(416, 'range-unsatisfiable', { 'Content-Range': `bytes */${file.size}` })
  }
  const headers = representationHeaders(request, file)
  return asked.kind === 'whole'
    ? wholeAnswer(headers, file.size)
    : rangesAnswer(headers, asked.ranges, file.size, boundary)
}

function wholeAnswer(headers: Record<string, string>, size: number): ServePlan {
  return {
    status: 200,
    headers: { ...headers, 'Content-Length': String(size) },
    body:
      size === 0
        ? { kind: 'none' }
        : {
            kind: 'parts',
            parts: [{ preamble: '', range: { start: 0, end: size - 1 } }],
            closing: '',
          },
  }
}

/** One range is sent as it is, several as multipart/byteranges (RFC 9110 §15.3.7.1, §15.3.7.2). */
function rangesAnswer(
  headers: Record<string, string>,
  ranges: readonly ByteRange[],
  size: number,
  boundary: string,
): ServePlan {
  const contentRange = ({ start, end }: ByteRange) => `bytes ${start}-${end}/${size}`
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0)
  const [only] = ranges
  if (ranges.length === 1 && only !== undefined) {
    return {
      status: 206,
      headers: {
        ...headers,
        'Content-Range': contentRange(only),
        'Content-Length': String(bytes),
      },
      body: { kind: 'parts', parts: [{ preamble: '', range: only }], closing: '' },
    }
  }
  // Every line of these is ASCII, so their length in characters is their length in bytes.
  const partHead = `--${boundary}\r\nContent-Type: ${headers['Content-Type']}\r\nContent-Range: `
  const parts = ranges.map((range, index) => ({
    preamble: `${index === 0 ? '' : '\r\n'}${partHead}${contentRange(range)}\r\n\r\n`,
    range,
  }))
  const closing = `\r\n--${boundary}--\r\n`
  const length = parts.reduce((sum, { preamble }) => sum + preamble.length, bytes + closing.length)
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Type': `multipart/byteranges; boundary=${boundary}`,
      'Content-Length': String(length),
    },
    body: { kind: 'parts', parts, closing },
  }
}

function refusal(
  status: 412 | 416,
  reason: Reason,
  headers: Record<string, string> = {},
): ServePlan {
  const text = `${reasons[reason][1]}\n`
  return {
    status,
    headers: {
      ...headers,
      ...protection,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'no-store',
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': String(text.length),
    },
    body: { kind: 'text', text },
  }
}

/** Uploaded bytes share our origin: the browser must neither guess their type nor run them. */
const protection = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
}

/**
 * `private`: a proxy that keeps a copy would go on handing out a file that was deleted, or to
 * people whose access has ended. A browser that has seen the file may show it for one more day
 * without asking; `immutable` spares the question on a reload too.
 */
const cacheControl = {
  immutable: 'private, max-age=86400, immutable',
  revalidate: 'private, no-cache',
}

function validatorHeaders(
  request: Pick<ServeRequest, 'cache'>,
  file: ServedFile,
): Record<string, string> {
  return {
    'Accept-Ranges': 'bytes',
    ETag: file.etag,
    'Last-Modified': formatHttpDate(file.modified),
    'Cache-Control': cacheControl[request.cache ?? 'immutable'],
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
