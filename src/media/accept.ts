import { type Hints, hintedMimes, mimeOfName } from './extensions.ts'
import {
  canonicalMime,
  type FileKind,
  kindOfMime,
  type MediaType,
  mediaTypes,
  typeOfMime,
} from './file-types.ts'
import { type Candidate, sniff } from './sniff.ts'

/** ACCEPTED_FILE_FORMATS, read. A file is accepted when one entry of any kind fits it. */
export interface AcceptedFormats {
  types: ReadonlySet<MediaType>
  /** Canonical, such as `video/mp4`. */
  mimeTypes: ReadonlySet<string>
  /** Of `image/*`: `image`. */
  families: ReadonlySet<string>
  /** With their dot, in lower case. */
  extensions: ReadonlySet<string>
}

const isMediaType = (text: string): text is MediaType =>
  (mediaTypes as readonly string[]).includes(text)

/**
 * Reads a comma list of types (`image`), MIME types (`video/mp4`, `audio/*`) and extensions
 * (`.docx`), without regard to case. Null when an entry is none of these.
 */
export const parseAccepted = (text: string): AcceptedFormats | null => {
  const types = new Set<MediaType>()
  const mimeTypes = new Set<string>()
  const families = new Set<string>()
  const extensions = new Set<string>()
  for (const part of text.split(',')) {
    const entry = part.trim().toLowerCase()
    const family = /^(application|audio|font|image|model|text|video)\/\*$/.exec(entry)?.[1]
    const mimeType = canonicalMime(entry)
    if (isMediaType(entry)) types.add(entry)
    else if (/^\.[a-z0-9][a-z0-9._+-]{0,31}$/.test(entry)) extensions.add(entry)
    else if (family) families.add(family)
    else if (mimeType && !mimeType.includes('*')) mimeTypes.add(mimeType)
    else return null
  }
  return { types, mimeTypes, families, extensions }
}

const isMoving = (type: MediaType): boolean => type === 'audio' || type === 'video'

/** Whether content may carry an extension: a Word file named `.pdf` is no PDF. */
const fitsExtension = (extension: string, kind: Candidate): boolean => {
  const expected = mimeOfName(extension)
  if (expected === null || expected === kind.mimeType) return true
  const type = typeOfMime(expected)
  if (kind.mimeType === null) return type === kind.type
  // Names of sound and film are used loosely (.mp4 without a picture, .ogg with one).
  if (isMoving(type) && isMoving(kind.type)) {
    return type === kind.type || expected.split('/')[1] === kind.mimeType.split('/')[1]
  }
  return /^image\/hei[cf]/.test(expected) && /^image\/hei[cf]/.test(kind.mimeType)
}

/** One container under many names: .mov, .mp4, .m4a, .3gp, with a picture and without. */
const isIsoMedia = (mimeType: string): boolean =>
  /^(?:audio|video)\/(?:mp4|quicktime|3gpp2?)$/.test(mimeType)

/**
 * Whether content is what a name says. Texts of any kind fit the name of any text, and a name that
 * stands for nothing known fits everything.
 */
export const fitsName = (name: string, { type, mimeType }: FileKind): boolean => {
  const expected = mimeOfName(name)
  if (expected !== null && type === 'text' && typeOfMime(expected) === 'text') return true
  if (expected !== null && isIsoMedia(expected) && isIsoMedia(mimeType)) return true
  return fitsExtension(name, { type, mimeType: canonicalMime(mimeType) })
}

const namedExtensions = (formats: AcceptedFormats, name: string): string[] =>
  [...formats.extensions].filter((extension) => name.toLowerCase().endsWith(extension))

/** Whether a file that is of this kind, or may be one of its kinds, is accepted. */
const takes = (formats: AcceptedFormats, kind: Candidate, name: string): boolean => {
  if (formats.types.has(kind.type)) return true
  if (namedExtensions(formats, name).some((extension) => fitsExtension(extension, kind)))
    return true
  if (kind.mimeType !== null) {
    const [family = ''] = kind.mimeType.split('/')
    return formats.mimeTypes.has(kind.mimeType) || formats.families.has(family)
  }
  return (
    formats.families.has('application') ||
    formats.families.has(kind.type) ||
    [...formats.mimeTypes].some((mimeType) => typeOfMime(mimeType) === kind.type)
  )
}

/** The final word, on what inspection found: extensions need the name and fitting content. */
export const accepts = (formats: AcceptedFormats, file: FileKind & { name: string }): boolean =>
  takes(formats, { type: file.type, mimeType: canonicalMime(file.mimeType) }, file.name)

/** Containers that hold sound or film, whatever their name says. */
const sharedContainers = ['ogg', 'mp4', 'webm', 'matroska', 'x-ms-asf', '3gpp', 'quicktime']

/** What a hint may mean; nothing where it is too vague to refuse a file for. */
const meanings = (mimeType: string): FileKind[] => {
  const kind = kindOfMime(mimeType)
  const subtype = mimeType.split('/')[1] ?? ''
  return isMoving(kind.type) && sharedContainers.includes(subtype)
    ? [kindOfMime(`audio/${subtype}`), kindOfMime(`video/${subtype}`)]
    : [kind]
}

/**
 * Whether an upload may be created: refused only when its name or declared type clearly say
 * something that is not accepted. What says nothing passes, its content is looked at later.
 */
export const mayBeAccepted = (formats: AcceptedFormats, hints: Hints): boolean => {
  const { name } = hints
  if (namedExtensions(formats, name).length > 0) return true
  const onlyExtensions = formats.types.size + formats.mimeTypes.size + formats.families.size === 0
  // Extensions judge the name, and that is known already.
  if (onlyExtensions) return name === ''
  const byName = mimeOfName(name)
  const clear = hintedMimes(hints).filter(
    (mimeType) => mimeType === byName || typeOfMime(mimeType) !== 'other',
  )
  if (clear.length === 0) return true
  return clear.flatMap(meanings).some((kind) => accepts(formats, { ...kind, name }))
}

/**
 * Whether the first bytes (4,100, or all there are) make it certain that the file will not be
 * accepted, so that the rest need not be sent.
 */
export const sniffRefuses = async (
  formats: AcceptedFormats,
  prefix: Uint8Array,
  hints: Hints,
): Promise<boolean> => {
  if (prefix.length === 0) return false
  const candidates = await sniff(prefix, hints)
  return !candidates.some((kind) => takes(formats, kind, hints.name))
}
