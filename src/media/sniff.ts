import { ascii } from './bytes.ts'
import type { Hints } from './extensions.ts'
import { type MediaType, typeOfMime, unknownMimeType } from './file-types.ts'
import { readMarkup } from './markup.ts'
import { signatureOf } from './signatures.ts'
import { decodeHead } from './text.ts'
import { textMime, unknownMime } from './text-kind.ts'

/** What a file may still turn out to be. `mimeType` null: any of that type. */
export interface Candidate {
  type: MediaType
  mimeType: string | null
}

const any = (...types: MediaType[]): Candidate[] => types.map((type) => ({ type, mimeType: null }))

const exactly = (mimeType: string): Candidate => ({ type: typeOfMime(mimeType), mimeType })

/** Containers whose beginning does not say what is inside. */
const open: Record<string, Candidate[]> = {
  'application/zip': any('compressed', 'document', 'spreadsheet', 'presentation', 'other'),
  'application/x-cfb': any('document', 'spreadsheet', 'presentation', 'other'),
  'application/ogg': any('audio', 'video', 'other'),
  'application/vnd.ms-asf': any('audio', 'video'),
  'audio/x-ms-asf': any('audio', 'video'),
  'video/x-ms-asf': any('audio', 'video'),
  'video/matroska': any('audio', 'video', 'other'),
  'video/quicktime': any('audio', 'video'),
  // The raw formats of cameras are TIFF files; their marks may lie further on.
  'image/tiff': any('image'),
}

const textCandidates = async (text: string, mimeType: string): Promise<Candidate[]> => {
  const type = typeOfMime(mimeType)
  if (type !== 'text' && type !== 'spreadsheet') return [exactly(mimeType), ...any('other')]
  const isOpen = text.trimStart().startsWith('<') && !readMarkup(text)?.root
  return any('text', 'spreadsheet', 'other', ...(isOpen ? (['image', 'document'] as const) : []))
}

/**
 * Everything that a file beginning with these bytes can turn out to be when all of it is there.
 * Runs on a buffer of a few KB in the main process: it unpacks nothing and decodes no image.
 */
export const sniff = async (prefix: Uint8Array, hints: Hints): Promise<Candidate[]> => {
  const decoded = decodeHead(prefix, true)
  const found = await signatureOf(prefix)
  const byBytes = found === null ? [] : (open[found] ?? [exactly(found)])
  if (decoded) {
    const mimeType = textMime(decoded.text, decoded.encoding, hints)
    return [...(await textCandidates(decoded.text, mimeType)), ...byBytes]
  }
  if (ascii(prefix, 0, 3) === 'ID3') return any('audio')
  if (found === null || typeOfMime(found) === 'text') {
    return [exactly(unknownMime(prefix, hints) ?? unknownMimeType)]
  }
  // Brands of films and pictures share one container.
  if (ascii(prefix, 4, 8) === 'ftyp') {
    return found.startsWith('image/') ? any('image') : any('audio', 'video')
  }
  return byBytes
}
