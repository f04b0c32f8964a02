import { ascii, type ByteSource, viewOf } from './bytes.ts'
import { type ImageHeader, type ImageMode, unknownHeader } from './image-mode.ts'
import { parsePng } from './image-web.ts'

/** Colours of a palette that are compared; a format of 8 bits has no more. */
const coloursMax = 256

/** Pictures of an icon that are looked at. */
const picturesMax = 256

const infoHeaders = [40, 52, 56, 64, 108, 124]

const bitFields = 3

interface Bitmap extends ImageHeader {
  bits: number
}

/** A palette of nothing but greys in their order makes a picture grey, as Pillow sees it. */
const paletteMode = (palette: Uint8Array, colours: number, entryBytes: number): ImageMode => {
  if (palette.length < colours * entryBytes) return 'P'
  for (let index = 0; index < colours; index++) {
    const grey = colours === 2 ? index * 255 : index
    const colour = palette.subarray(index * entryBytes, index * entryBytes + 3)
    if (colour.some((part) => part !== grey)) return 'P'
  }
  return colours <= 2 ? '1' : 'L'
}

/** Reads a device-independent bitmap's header at `at`, behind the file header or in an icon. */
const readDib = async (source: ByteSource, at: number): Promise<Bitmap | null> => {
  const head = await source.read(at, 124)
  if (head.length < 12) return null
  const view = viewOf(head)
  const headerBytes = view.getUint32(0, true)
  const isCore = headerBytes === 12
  if (!isCore && !(infoHeaders.includes(headerBytes) && head.length >= 40)) return null
  const bits = view.getUint16(isCore ? 10 : 14, true)
  const width = isCore ? view.getUint16(4, true) : Math.abs(view.getInt32(4, true))
  // A negative height only says that the rows go from top to bottom.
  const height = isCore ? view.getUint16(6, true) : Math.abs(view.getInt32(8, true))
  const bitmap = { width, height, bits }
  if (bits === 1 || bits === 4 || bits === 8) {
    const colours = (isCore ? 0 : view.getUint32(32, true)) || 2 ** bits
    const entryBytes = isCore ? 3 : 4
    if (colours > coloursMax) return { ...bitmap, mode: 'P' }
    const palette = await source.read(at + headerBytes, colours * entryBytes)
    return { ...bitmap, mode: paletteMode(palette, colours, entryBytes) }
  }
  if (bits !== 16 && bits !== 24 && bits !== 32) return { ...bitmap, mode: null }
  // The fourth byte is alpha only where the header gives it a mask.
  const hasMask =
    bits === 32 && !isCore && headerBytes >= 56 && view.getUint32(16, true) === bitFields
  return { ...bitmap, mode: hasMask && view.getUint32(52, true) !== 0 ? 'RGBA' : 'RGB' }
}

export const readBitmap = async (source: ByteSource): Promise<ImageHeader> => {
  const found = await readDib(source, 14)
  return found ? { width: found.width, height: found.height, mode: found.mode } : unknownHeader
}

/** The largest picture of an icon, of two equal ones the one listed with fewer colours. */
const largestPicture = (list: Uint8Array): { offset: number } | null => {
  let best: { offset: number; area: number; depth: number } | null = null
  for (let at = 0; at + 16 <= list.length; at += 16) {
    const view = viewOf(list.subarray(at, at + 16))
    const area = (list[at] || 256) * (list[at + 1] || 256)
    const colours = list[at + 2] ?? 0
    const depth = view.getUint16(6, true) || (colours && Math.ceil(Math.log2(colours))) || 256
    if (!best || area > best.area || (area === best.area && depth < best.depth)) {
      best = { offset: view.getUint32(12, true), area, depth }
    }
  }
  return best
}

/**
 * An icon shows its largest picture: a PNG, or a bitmap without file header whose height counts
 * the transparency mask too. Cursors are left alone: their entries mean other things.
 */
export const readIcon = async (source: ByteSource): Promise<ImageHeader> => {
  const head = await source.read(0, 6)
  if (head.length < 6 || head[2] !== 1) return unknownHeader
  const count = Math.min(viewOf(head).getUint16(4, true), picturesMax)
  const picture = largestPicture(await source.read(6, count * 16))
  if (!picture) return unknownHeader
  const start = await source.read(picture.offset, 48)
  if (ascii(start, 1, 4) === 'PNG') return parsePng(start)
  const found = await readDib(source, picture.offset)
  if (!found) return unknownHeader
  return {
    width: found.width,
    height: found.height === null ? null : Math.floor(found.height / 2),
    mode: 'RGBA',
  }
}
