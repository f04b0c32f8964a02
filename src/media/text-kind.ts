import { ascii } from './bytes.ts'
import { type Hints, hintedMimes } from './extensions.ts'
import { canonicalMime, typeOfMime } from './file-types.ts'
import { localName, type Markup, readMarkup } from './markup.ts'
import { isSvg } from './svg.ts'
import { isEightBitText, type TextEncoding } from './text.ts'

/** Formats made of bytes that may all be text; they are never written in UTF-16. */
const byteSignatures: readonly (readonly [pattern: RegExp, mimeType: string])[] = [
  [/^\s*%PDF-\d/, 'application/pdf'],
  [/^\s*\{\\rtf/, 'application/rtf'],
  // Nothing but letters may follow, as in the GIF that is a script too: still it is a GIF.
  [/^GIF8[79]a/, 'image/gif'],
  [/^!<arch>\n/, 'application/x-unix-archive'],
]

/** Formats that are text by themselves, and that their first characters tell. */
const textSignatures: readonly (readonly [pattern: RegExp, mimeType: string])[] = [
  [/^BEGIN:VCARD\s/i, 'text/vcard'],
  [/^BEGIN:VCALENDAR\s/i, 'text/calendar'],
  [/^WEBVTT(?=\s|$)/, 'text/vtt'],
]

/** What a name or a declared type may make of a text; no picture, no archive. */
const isTextFormat = (mime: string): boolean => {
  const type = typeOfMime(mime)
  return type === 'text' || mime === 'text/csv' || mime === 'text/tab-separated-values'
}

const flatOffice = (mime: string): boolean => mime.endsWith('-flat-xml')

/** A document of another type that is written in XML, by its root element, or null. */
const xmlFormat = (markup: Markup, hints: Hints): string | null => {
  if (isSvg(markup)) return 'image/svg+xml'
  const root = markup.root
  if (!root || localName(root.name) !== 'document') return null
  const declared = canonicalMime(root.attributes.get('office:mimetype') ?? '')
  if (declared?.startsWith('application/vnd.oasis.opendocument.')) {
    return `${declared.replace(/-template$/, '')}-flat-xml`
  }
  return (root.name.startsWith('office:') && hintedMimes(hints).find(flatOffice)) || null
}

const firstMatch = (
  text: string,
  signatures: readonly (readonly [pattern: RegExp, mimeType: string])[],
): string | undefined => signatures.find(([pattern]) => pattern.test(text))?.[1]

/** The MIME type of a file that is text: its content first, then its name and declared type. */
export const textMime = (text: string, encoding: TextEncoding, hints: Hints): string => {
  const start = text.slice(0, 256).replace(/^\ufeff/, '')
  const signature =
    (encoding === 'utf-8' ? firstMatch(start, byteSignatures) : undefined) ??
    firstMatch(start, textSignatures)
  if (signature) return signature
  const markup = readMarkup(text)
  const format = markup && xmlFormat(markup, hints)
  if (format) return format
  const hinted = hintedMimes(hints).find(isTextFormat)
  if (hinted) return hinted
  if (/^html$/i.test(markup?.doctype ?? markup?.root?.name ?? '')) return 'text/html'
  return /^<\?xml\s/.test(start) ? 'application/xml' : 'text/plain'
}

/** Formats without a signature, that only a name can tell. */
const nameOnly = ['application/x-brotli', 'application/x-lzma']

/**
 * A file whose content tells nothing. Bytes that could be text of an older 8-bit encoding are
 * looked at as that for what does not depend on the encoding: SVG by its root, CSV by its name.
 */
export const unknownMime = (head: Uint8Array, hints: Hints): string | null => {
  const hinted = hintedMimes(hints)
  if (!isEightBitText(head)) return hinted.find((mime) => nameOnly.includes(mime)) ?? null
  const markup = readMarkup(ascii(head))
  const format = markup && xmlFormat(markup, hints)
  return (
    format || (hinted.find((mime) => isTextFormat(mime) && typeOfMime(mime) !== 'text') ?? null)
  )
}
