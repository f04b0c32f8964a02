import { create, parse } from 'content-disposition'

/** Longest name in the header, in code points. File systems take 255 of something. */
const maxNameLength = 255

/** How much of a name is looked at, in UTF-16 units: clients have sent megabytes. */
const maxNameRead = 8192

/** Longest ending that survives the cutting of a name, in code points. */
const maxEndingLength = 16

/**
 * Builds a Content-Disposition header by RFC 6266: the name in ASCII, and beside it in UTF-8 as
 * `filename*` where ASCII is not enough. Whatever the name holds, the result is one valid header
 * value; see `cleanFilename` for what is left of the name.
 */
export function contentDisposition(kind: 'inline' | 'attachment', name: string): string {
  return create(cleanFilename(name), { type: kind })
}

/**
 * The file name in a Content-Disposition of a request (RFC 6266 §4.3), `filename*` before
 * `filename`; null where there is none. A header's characters are bytes, and clients that write
 * UTF-8 without saying so (curl, for one) mean UTF-8.
 */
export function dispositionFilename(header: string | undefined): string | null {
  if (header === undefined || header.length > maxNameRead) return null
  const { parameters } = parse(header)
  const name = parameters.filename
  if (!name) return null
  if (!/[\x80-\xff]/.test(name) || /[^\0-\xff]/.test(name)) return name
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(name, 'latin1'))
  } catch {
    return name
  }
}

/**
 * A name that can be shown and saved: without control characters, line ends and invisible format
 * characters (bidi overrides, which make `exe.gpj` look like `jpg.exe`, zero-width ones, marks),
 * path separators and lone surrogates replaced by `_`, cut to 255 code points before its ending,
 * never empty and never only dots.
 */
export function cleanFilename(name: string): string {
  const visible = name
    .slice(0, maxNameRead)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[/\\\p{Cs}]/gu, '_')
    .trim()
  return /^[. ]*$/.test(visible) ? 'file' : cut(visible)
}

function cut(name: string): string {
  const points = Array.from(name)
  if (points.length <= maxNameLength) return name
  const dot = points.lastIndexOf('.')
  const ending = dot > 0 && points.length - dot <= maxEndingLength ? points.slice(dot) : []
  return [...points.slice(0, maxNameLength - ending.length), ...ending].join('')
}
