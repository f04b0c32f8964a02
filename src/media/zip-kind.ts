import { ascii, type ByteSource, headBytes } from './bytes.ts'
import { type Hints, hintedMimes } from './extensions.ts'
import { canonicalMime } from './file-types.ts'
import { readLocalEntries, readZipDirectory, readZipEntry, type ZipEntry } from './zip.ts'

/** Bytes of `[Content_Types].xml` that are unpacked; a workbook of 1,000 sheets takes 150 KB. */
const contentTypesMax = 1024 * 1024

const openXml = 'application/vnd.openxmlformats-officedocument.'

/** The content type of a package's main part, in lower case without `.main`, → the file's own. */
const mainParts: Record<string, string> = {
  'vnd.ms-word.template.macroenabledtemplate': 'application/vnd.ms-word.template.macroenabled.12',
}
for (const name of ['document', 'template']) {
  mainParts[`vnd.openxmlformats-officedocument.wordprocessingml.${name}`] =
    `${openXml}wordprocessingml.${name}`
}
for (const name of ['sheet', 'template']) {
  mainParts[`vnd.openxmlformats-officedocument.spreadsheetml.${name}`] =
    `${openXml}spreadsheetml.${name}`
}
for (const name of ['presentation', 'slideshow', 'template']) {
  mainParts[`vnd.openxmlformats-officedocument.presentationml.${name}`] =
    `${openXml}presentationml.${name}`
}
for (const name of [
  'word.document',
  'excel.sheet',
  'excel.sheet.binary',
  'excel.template',
  'excel.addin',
  'powerpoint.presentation',
  'powerpoint.slideshow',
  'powerpoint.template',
  'powerpoint.addin',
]) {
  mainParts[`vnd.ms-${name}.macroenabled`] = `application/vnd.ms-${name}.macroenabled.12`
}

const mainPartPattern = /["']application\/(vnd\.[a-z.-]{1,100})\.main(?:\+xml)?["']/gi

/** Folder of the main part → MIME type, for a package whose content types cannot be read. */
const packageFolders: readonly (readonly [prefix: string, mimeType: string])[] = [
  ['word/', `${openXml}wordprocessingml.document`],
  ['xl/', `${openXml}spreadsheetml.sheet`],
  ['ppt/', `${openXml}presentationml.presentation`],
  ['visio/', 'application/vnd.visio'],
  ['3D/', 'model/3mf'],
]

type Names = ReadonlyMap<string, ZipEntry>

const someName = (names: Names, test: (name: string) => boolean): boolean => {
  for (const name of names.keys()) if (test(name)) return true
  return false
}

/** Office Open XML (ECMA-376 part 2): the content types name the main part. */
const packageKind = async (
  source: ByteSource,
  entry: ZipEntry,
  names: Names,
): Promise<string | null> => {
  const content = await readZipEntry(source, entry, contentTypesMax)
  for (const [, name = ''] of ascii(content ?? new Uint8Array(0)).matchAll(mainPartPattern)) {
    const mimeType = mainParts[name.toLowerCase()]
    if (mimeType) return mimeType
  }
  for (const [prefix, mimeType] of packageFolders) {
    if (someName(names, (name) => name.startsWith(prefix))) return mimeType
  }
  // Installers and extensions are packages too, and no archives to their users.
  return names.has('AppxManifest.xml') || names.has('extension.vsixmanifest')
    ? 'application/vnd.ms-appx'
    : null
}

/** OpenDocument and EPUB begin with an entry that holds their MIME type, not compressed. */
const declaredByEntry = async (source: ByteSource, entry: ZipEntry): Promise<string | null> => {
  const content = await readZipEntry(source, entry, 256)
  const mimeType = canonicalMime(ascii(content ?? new Uint8Array(0)).trim())
  return mimeType &&
    /^application\/(vnd\.(oasis\.opendocument|sun\.xml)\.[a-z.-]+|epub\+zip)$/.test(mimeType)
    ? mimeType
    : null
}

const programKind = (names: Names): string | null => {
  if (names.has('AndroidManifest.xml') || names.has('classes.dex')) {
    return 'application/vnd.android.package-archive'
  }
  if (names.has('META-INF/mozilla.rsa')) return 'application/x-xpinstall'
  if (names.has('META-INF/MANIFEST.MF')) return 'application/java-archive'
  return someName(names, (name) => /^Payload\/[^/]+\.app\//.test(name))
    ? 'application/x-ios-app'
    : null
}

const iWorkTypes = [
  'application/vnd.apple.pages',
  'application/vnd.apple.numbers',
  'application/vnd.apple.keynote',
]

/** Pages and Numbers hold files of the same names: only the name of the whole tells them apart. */
const iWorkKind = (names: Names, hints: Hints): string | null => {
  const isIWork =
    names.has('Index/Document.iwa') ||
    (names.has('Index.zip') && someName(names, (name) => name.startsWith('Metadata/'))) ||
    names.has('index.apxl') ||
    names.has('index.apxl.gz') ||
    names.has('buildVersionHistory.plist')
  if (!isIWork) return null
  const isKeynote = someName(
    names,
    (name) =>
      name.startsWith('index.apxl') || /^Index\/(Slide|TemplateSlide|MasterSlide)/.test(name),
  )
  if (isKeynote) return 'application/vnd.apple.keynote'
  return (
    hintedMimes(hints).find((mime) => iWorkTypes.includes(mime)) ?? 'application/vnd.apple.pages'
  )
}

/** What a file that begins as a zip archive is: an office file, a program, or just a zip. */
export const zipMime = async (source: ByteSource, hints: Hints): Promise<string> => {
  const entries =
    (await readZipDirectory(source)) ??
    (await readLocalEntries(source, await source.read(0, headBytes)))
  const names: Names = new Map(entries.map((entry) => [entry.name, entry]))
  const mimetype = names.get('mimetype')
  const contentTypes = names.get('[Content_Types].xml')
  return (
    (mimetype && (await declaredByEntry(source, mimetype))) ??
    (contentTypes && (await packageKind(source, contentTypes, names))) ??
    (names.has('META-INF/container.xml') ? 'application/epub+zip' : null) ??
    programKind(names) ??
    iWorkKind(names, hints) ??
    'application/zip'
  )
}
