import { fileTypeFromBuffer } from 'file-type'
import { ascii, viewOf } from './bytes.ts'
import { canonicalMime } from './file-types.ts'

/** Milliseconds that file-type may take for one head; it needs a fraction of one. */
const deadlineMs = 1_000

/** Bytes before a PDF's signature that readers put up with (ISO 32000-1, Annex H note 13). */
const pdfJunkMax = 1_024

const bitmapHeaders = [12, 16, 40, 52, 56, 64, 108, 124]

/** "BM" alone is too little: the size of the second header has to be one that exists. */
const isBitmap = (head: Uint8Array): boolean =>
  head.length >= 18 && bitmapHeaders.includes(viewOf(head).getUint32(14, true))

/** An icon's list: at least one picture, that lies behind the list. */
const isIcon = (head: Uint8Array): boolean => {
  if (head.length < 22) return false
  const view = viewOf(head)
  const count = view.getUint16(4, true)
  return count > 0 && head[9] === 0 && view.getUint32(18, true) >= 6 + count * 16
}

const bitrates: readonly (readonly number[])[] = [
  [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
]

/** Length of an MPEG audio frame by its header (ISO/IEC 11172-3 §2.4.2.3); null for none. */
const frameLength = (head: Uint8Array, at: number): number | null => {
  const [sync, version, sizes] = [head[at], head[at + 1] ?? 0, head[at + 2] ?? 0]
  if (sync !== 0xff || (version & 0xe0) !== 0xe0) return null
  const isFirst = (version & 0x18) === 0x18
  const layer = 4 - ((version >> 1) & 3)
  const rate = [44_100, 48_000, 32_000][(sizes >> 2) & 3]
  const table = isFirst ? layer - 1 : layer === 1 ? 3 : 4
  const kilobits = bitrates[table]?.[(sizes >> 4) - 1]
  if ((version & 0x18) === 0x08 || layer === 4 || !rate || !kilobits) return null
  const sampleRate = isFirst ? rate : (version & 0x18) === 0x10 ? rate / 2 : rate / 4
  const padding = (sizes >> 1) & 1
  if (layer === 1) return (Math.floor((12_000 * kilobits) / sampleRate) + padding) * 4
  const samples = layer === 3 && !isFirst ? 72_000 : 144_000
  return Math.floor((samples * kilobits) / sampleRate) + padding
}

/** Length of an ADTS frame (ISO/IEC 14496-3 §1.A.3.2). */
const adtsLength = (head: Uint8Array, at: number): number | null => {
  if (head[at] !== 0xff || ((head[at + 1] ?? 0) & 0xf6) !== 0xf0) return null
  const length =
    (((head[at + 3] ?? 0) & 3) << 11) | ((head[at + 4] ?? 0) << 3) | ((head[at + 5] ?? 0) >> 5)
  return length > 6 ? length : null
}

/** Eleven bits are no signature: a whole frame has to follow, and behind it the next or the end. */
const isFramed = (
  head: Uint8Array,
  length: (head: Uint8Array, at: number) => number | null,
): boolean => {
  const first = length(head, 0)
  return (
    first !== null &&
    first <= head.length &&
    (first + 6 > head.length || length(head, first) !== null)
  )
}

/** What file-type is taken at its word for only if more than its few bytes agree. */
const confirmations: Record<string, (head: Uint8Array) => boolean> = {
  'image/bmp': isBitmap,
  'image/x-icon': isIcon,
  'image/gif': (head) => /^GIF8[79]a/.test(ascii(head, 0, 6)),
  'audio/aiff': (head) => /^(AIFF|AIFC)/.test(ascii(head, 8, 12)),
  'audio/aac': (head) => isFramed(head, adtsLength),
  'audio/mpeg': (head) => isFramed(head, frameLength),
}

const askFileType = async (head: Uint8Array): Promise<string | null> => {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, null)
  })
  try {
    const found = await Promise.race([fileTypeFromBuffer(head), deadline])
    return found ? canonicalMime(found.mime) : null
  } catch {
    // It rejects where a hostile head breaks its parsers: then the head told nothing.
    return null
  } finally {
    clearTimeout(timer)
  }
}

/** TIFF files whose directory lies behind the head are unknown to file-type. */
const isTiff = (head: Uint8Array): boolean =>
  ['II*\0', 'II+\0', 'MM\0*', 'MM\0+'].includes(ascii(head, 0, 4))

/** A local header, the end of an empty archive, the mark of one that was split. */
const zipStarts = ['PK\x03\x04', 'PK\x05\x06', 'PK\x07\x08']

/**
 * The MIME type that a binary file's first bytes tell, or null. Answers where a container has to
 * be looked into are given back as they are: zip, OLE2, Ogg, EBML, ISO media and ASF.
 */
export const signatureOf = async (head: Uint8Array): Promise<string | null> => {
  const start = ascii(head, 0, 8)
  // These two before file-type: it would unpack them to look inside.
  if (zipStarts.includes(start.slice(0, 4))) return 'application/zip'
  if (start.startsWith('\x1f\x8b\x08')) return 'application/gzip'
  if (start.startsWith('\x1aE\xdf\xa3')) return 'video/matroska'
  if (start.startsWith('OggS')) return 'application/ogg'
  const found = await askFileType(head)
  if (found && (confirmations[found]?.(head) ?? true)) return found
  if (isTiff(head)) return 'image/tiff'
  return ascii(head, 0, pdfJunkMax).includes('%PDF-') ? 'application/pdf' : null
}
