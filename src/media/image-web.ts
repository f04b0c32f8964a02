import { ascii, type ByteSource, viewOf } from './bytes.ts'
import { type ImageHeader, type ImageMode, unknownHeader } from './image-mode.ts'

/** Depth and colour type of a PNG (PNG specification §11.2.1) → mode, as Pillow has it. */
const pngModes: Record<string, ImageMode> = {
  '1/0': '1',
  '2/0': 'L',
  '4/0': 'L',
  '8/0': 'L',
  '16/0': 'I;16',
  '8/2': 'RGB',
  '16/2': 'RGB',
  '1/3': 'P',
  '2/3': 'P',
  '4/3': 'P',
  '8/3': 'P',
  '8/4': 'LA',
  // Pillow has no mode of two times 16 bits and opens these as RGBA.
  '16/4': 'RGBA',
  '8/6': 'RGBA',
  '16/6': 'RGBA',
}

/** The first chunk; before it Apple's tools put one of their own (`CgBI`, 4 bytes). */
export const parsePng = (head: Uint8Array): ImageHeader => {
  const at = ascii(head, 12, 16) === 'CgBI' ? 24 : 8
  if (head.length < at + 18 || ascii(head, at + 4, at + 8) !== 'IHDR') return unknownHeader
  const view = viewOf(head)
  return {
    width: view.getUint32(at + 8),
    height: view.getUint32(at + 12),
    mode: pngModes[`${head[at + 16]}/${head[at + 17]}`] ?? null,
  }
}

export const readPng = async (source: ByteSource): Promise<ImageHeader> =>
  parsePng(await source.read(0, 48))

/** The logical screen (GIF89a §18). Every GIF has a palette. */
export const readGif = async (source: ByteSource): Promise<ImageHeader> => {
  const head = await source.read(0, 10)
  if (head.length < 10) return unknownHeader
  const view = viewOf(head)
  return { width: view.getUint16(6, true), height: view.getUint16(8, true), mode: 'P' }
}

/** The three kinds of WebP begin differently (RFC 9649 §2.5 to §2.7). */
export const readWebp = async (source: ByteSource): Promise<ImageHeader> => {
  const head = await source.read(0, 30)
  if (head.length < 25) return unknownHeader
  const view = viewOf(head)
  const kind = ascii(head, 12, 16)
  if (kind === 'VP8L' && head[20] === 0x2f) {
    const bits = view.getUint32(21, true)
    return {
      width: (bits & 0x3fff) + 1,
      height: ((bits >> 14) & 0x3fff) + 1,
      mode: (bits >> 28) & 1 ? 'RGBA' : 'RGB',
    }
  }
  if (head.length < 30) return unknownHeader
  if (kind === 'VP8X') {
    return {
      width: (view.getUint32(24, true) & 0xffffff) + 1,
      height: (view.getUint32(26, true) >>> 8) + 1,
      mode: (head[20] ?? 0) & 0x10 ? 'RGBA' : 'RGB',
    }
  }
  if (kind !== 'VP8 ' || ascii(head, 23, 26) !== '\x9d\x01\x2a') return unknownHeader
  return {
    width: view.getUint16(26, true) & 0x3fff,
    height: view.getUint16(28, true) & 0x3fff,
    mode: 'RGB',
  }
}
