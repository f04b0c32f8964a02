/** What a record's `type` can be, in the order of the table in the documentation. */
export const mediaTypes = [
  'pdf',
  'text',
  'image',
  'document',
  'compressed',
  'spreadsheet',
  'presentation',
  'video',
  'audio',
  'other',
] as const

export type MediaType = (typeof mediaTypes)[number]

/** What a file turned out to be. `mimeType` is one clean token pair, fit for a Content-Type. */
export interface FileKind {
  type: MediaType
  mimeType: string
}

export const unknownMimeType = 'application/octet-stream'

const openXml = 'application/vnd.openxmlformats-officedocument.'
const openDocument = 'application/vnd.oasis.opendocument.'

const typesOfMime: Record<string, MediaType> = {}
const register = (type: MediaType, ...mimeTypes: string[]): void => {
  for (const mimeType of mimeTypes) typesOfMime[mimeType] = type
}

register('pdf', 'application/pdf')

register(
  'document',
  'application/msword',
  `${openXml}wordprocessingml.document`,
  `${openXml}wordprocessingml.template`,
  'application/vnd.ms-word.document.macroenabled.12',
  'application/vnd.ms-word.template.macroenabled.12',
  `${openDocument}text`,
  `${openDocument}text-template`,
  `${openDocument}text-master`,
  `${openDocument}text-web`,
  `${openDocument}text-flat-xml`,
  'application/vnd.sun.xml.writer',
  'application/vnd.apple.pages',
  'application/epub+zip',
  'application/rtf',
)

register(
  'spreadsheet',
  'application/vnd.ms-excel',
  `${openXml}spreadsheetml.sheet`,
  `${openXml}spreadsheetml.template`,
  'application/vnd.ms-excel.sheet.macroenabled.12',
  'application/vnd.ms-excel.sheet.binary.macroenabled.12',
  'application/vnd.ms-excel.template.macroenabled.12',
  'application/vnd.ms-excel.addin.macroenabled.12',
  `${openDocument}spreadsheet`,
  `${openDocument}spreadsheet-template`,
  `${openDocument}spreadsheet-flat-xml`,
  'application/vnd.sun.xml.calc',
  'application/vnd.apple.numbers',
  'text/csv',
  'text/tab-separated-values',
)

register(
  'presentation',
  'application/vnd.ms-powerpoint',
  `${openXml}presentationml.presentation`,
  `${openXml}presentationml.slideshow`,
  `${openXml}presentationml.template`,
  'application/vnd.ms-powerpoint.presentation.macroenabled.12',
  'application/vnd.ms-powerpoint.slideshow.macroenabled.12',
  'application/vnd.ms-powerpoint.template.macroenabled.12',
  'application/vnd.ms-powerpoint.addin.macroenabled.12',
  `${openDocument}presentation`,
  `${openDocument}presentation-template`,
  `${openDocument}presentation-flat-xml`,
  'application/vnd.sun.xml.impress',
  'application/vnd.apple.keynote',
)

register(
  'compressed',
  'application/zip',
  'application/gzip',
  'application/x-bzip2',
  'application/x-xz',
  'application/x-lzma',
  'application/x-lzip',
  'application/zstd',
  'application/x-brotli',
  'application/x-lz4',
  'application/x-7z-compressed',
  'application/x-rar-compressed',
  'application/x-tar',
  'application/x-cpio',
  'application/x-unix-archive',
  'application/x-compress',
  'application/x-lzh-compressed',
  'application/x-ace-compressed',
  'application/x-arj',
  'application/vnd.ms-cab-compressed',
)

register(
  'text',
  'application/json',
  'application/x-ndjson',
  'application/xml',
  'application/xhtml+xml',
  'application/yaml',
  'application/toml',
  'application/sql',
  'application/pgp-encrypted',
)

// Containers of moving pictures whose registered name begins with "application".
register('video', 'application/mxf', 'application/vnd.rn-realmedia')

/** Other names of the same format: what browsers, old systems and file-type say. */
const canonicalNames: Record<string, string> = {
  'application/ogg': 'audio/ogg',
  'application/csv': 'text/csv',
  'application/javascript': 'text/javascript',
  'application/x-javascript': 'text/javascript',
  'application/x-bzip': 'application/x-bzip2',
  'application/x-gzip': 'application/gzip',
  'application/x-pdf': 'application/pdf',
  'application/x-rar': 'application/x-rar-compressed',
  'application/vnd.rar': 'application/x-rar-compressed',
  'application/x-yaml': 'application/yaml',
  'application/x-zip-compressed': 'application/zip',
  'application/x-zip': 'application/zip',
  'application/x-zstd': 'application/zstd',
  'audio/m4a': 'audio/mp4',
  'audio/mp3': 'audio/mpeg',
  'audio/wave': 'audio/wav',
  'audio/vnd.wave': 'audio/wav',
  'audio/x-flac': 'audio/flac',
  'audio/x-m4a': 'audio/mp4',
  'audio/x-matroska': 'audio/matroska',
  'audio/x-wav': 'audio/wav',
  // To every decoder that knows no animation an APNG is a PNG, and it is served as one.
  'image/apng': 'image/png',
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/vnd.microsoft.icon': 'image/x-icon',
  'image/x-ms-bmp': 'image/bmp',
  'image/x-png': 'image/png',
  'image/svg': 'image/svg+xml',
  'text/json': 'application/json',
  'text/rtf': 'application/rtf',
  'text/tsv': 'text/tab-separated-values',
  'text/x-markdown': 'text/markdown',
  'text/xml': 'application/xml',
  'text/yaml': 'application/yaml',
  'video/avi': 'video/vnd.avi',
  'video/mp1s': 'video/mpeg',
  'video/mp2p': 'video/mpeg',
  'video/msvideo': 'video/vnd.avi',
  'video/x-m4v': 'video/mp4',
  'video/x-matroska': 'video/matroska',
  'video/x-msvideo': 'video/vnd.avi',
}

// RFC 6838 §4.2: restricted-name characters, 127 of them at most on each side.
const mimePattern = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/

/** A MIME type in lower case, without parameters, under its usual name; null where it is none. */
export const canonicalMime = (text: string): string | null => {
  const bare = (text.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (!mimePattern.test(bare)) return null
  return Object.hasOwn(canonicalNames, bare) ? (canonicalNames[bare] ?? null) : bare
}

/** The type of a canonical MIME type; `other` for what fits none of the named ones. */
export const typeOfMime = (mimeType: string): MediaType => {
  const named = Object.hasOwn(typesOfMime, mimeType) ? typesOfMime[mimeType] : undefined
  if (named) return named
  const family = mimeType.split('/', 1)[0]
  return family === 'image' || family === 'video' || family === 'audio' || family === 'text'
    ? family
    : 'other'
}

export const kindOfMime = (mimeType: string): FileKind => ({
  type: typeOfMime(mimeType),
  mimeType,
})

export const unknownKind: FileKind = { type: 'other', mimeType: unknownMimeType }
