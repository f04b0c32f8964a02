import { randomBytes } from 'node:crypto'
import { type Reason, reasons } from '../errors.ts'
import { evaluatePreconditions, ifRangeHolds } from '../wire/conditional.ts'
import { type ByteRange, parseRange } from '../wire/range.ts'
import { handOver, type ServeWith } from './hand-over.ts'
import {
  type Presentation,
  protection,
  representationHeaders,
  type ServedFile,
  validatorHeaders,
} from './serve-headers.ts'

/** What is asked for. */
export interface ServeRequest extends Presentation {
  method: 'GET' | 'HEAD'
  /** A header of the request, by its name in lower case. */
  header: (name: string) => string | undefined
  /** Default: we send the bytes. */
  serveWith?: ServeWith | undefined
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
  status: 200 | 206 | 302 | 304 | 412 | 416
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

function planGet(request: ServeRequest, file: ServedFile, boundary: string): ServePlan {
  const { header } = request
  const handed = handOver(request.serveWith ?? { by: 'node' }, request, file)
  // "MUST ignore all received preconditions if its response to the same request without those
  // conditions … would have been a status code other than a 2xx" (RFC 9110 §13.2.1).
  if (handed?.status === 302) return { ...handed, body: { kind: 'none' } }
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

  // Ranges are then the affair of whoever sends the bytes.
  if (handed) return { ...handed, body: { kind: 'none' } }

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
