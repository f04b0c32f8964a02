import { asfMime } from './asf.ts'
import { ascii, type ByteSource, bounded, headBytes } from './bytes.ts'
import type { Hints } from './extensions.ts'
import { type FileKind, kindOfMime, typeOfMime, unknownKind } from './file-types.ts'
import { isoMediaMime } from './isobmff.ts'
import { matroskaMime } from './matroska.ts'
import { oggMime } from './ogg.ts'
import { ole2Mime } from './ole2.ts'
import { signatureOf } from './signatures.ts'
import { type DecodedText, decodeHead, isTextTail, textTailBytes } from './text.ts'
import { textMime, unknownMime } from './text-kind.ts'
import { zipMime } from './zip-kind.ts'

/** Containers that more than one kind of file uses, and how each is looked into. */
const containers: Record<string, (source: ByteSource, hints: Hints) => Promise<string | null>> = {
  'application/zip': zipMime,
  'application/x-cfb': ole2Mime,
  'application/ogg': oggMime,
  'video/matroska': matroskaMime,
  'application/vnd.ms-asf': asfMime,
  'audio/x-ms-asf': asfMime,
  'video/x-ms-asf': asfMime,
}

const isIsoMedia = (head: Uint8Array, mime: string): boolean =>
  mime === 'video/quicktime' || ascii(head, 4, 8) === 'ftyp'

/** An ID3v2 tag (id3.org, ID3v2.4 §3.1): its length is written in four times seven bits. */
const tagLength = (head: Uint8Array): number | null => {
  const size = head.subarray(6, 10)
  if (ascii(head, 0, 3) !== 'ID3' || size.length < 4 || size.some((byte) => byte > 0x7f))
    return null
  return 10 + size.reduce((sum, byte) => sum * 128 + byte, 0)
}

/** Audio behind a tag, that hides the frames from the head where it holds a cover picture. */
const taggedMime = async (source: ByteSource, length: number): Promise<string> => {
  const found = await signatureOf(await source.read(length, 4096))
  return found?.startsWith('audio/') ? found : 'audio/mpeg'
}

const binaryMime = async (
  source: ByteSource,
  head: Uint8Array,
  hints: Hints,
): Promise<string | null> => {
  const tag = tagLength(head)
  if (tag !== null) return taggedMime(source, tag)
  const found = await signatureOf(head)
  // What begins like text and is none has control characters in it: no text at all.
  if (found === null || typeOfMime(found) === 'text') return unknownMime(head, hints)
  const lookInto = containers[found]
  if (lookInto) return lookInto(source, hints)
  return isIsoMedia(head, found) ? isoMediaMime(source, found) : found
}

/** The text a file begins with, if it is text at both of its ends. */
const readText = async (source: ByteSource, head: Uint8Array): Promise<DecodedText | null> => {
  const decoded = decodeHead(head, source.size > head.length)
  if (!decoded || source.size <= head.length) return decoded
  const start = Math.max(head.length, source.size - textTailBytes)
  const tail = await source.read(start, textTailBytes)
  return isTextTail(tail, start, decoded.encoding) ? decoded : null
}

/**
 * What a file is. Its content decides; where content does not tell (text formats, some OLE2 and
 * zip containers, Brotli) the name's extension and then the declared type are asked, and neither
 * ever overrides content. Reads a bounded part of the file, whatever its size.
 */
export const detect = async (source: ByteSource, hints: Hints): Promise<FileKind> => {
  if (source.size === 0) return unknownKind
  const limited = bounded(source)
  const head = await limited.read(0, headBytes)
  const text = await readText(limited, head)
  const mime = text
    ? textMime(text.text, text.encoding, hints)
    : await binaryMime(limited, head, hints)
  return mime === null ? unknownKind : kindOfMime(mime)
}
