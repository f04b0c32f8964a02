import { create } from 'content-disposition'

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
