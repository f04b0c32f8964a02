import type { ByteSource } from './bytes.ts'
import { readBitmap, readIcon } from './image-bitmap.ts'
import { readHeif } from './image-heif.ts'
import { readJpeg } from './image-jpeg.ts'
import { type ImageHeader, unknownHeader } from './image-mode.ts'
import { readTiff } from './image-tiff.ts'
import { readGif, readPng, readWebp } from './image-web.ts'
import { readSvgSize } from './svg.ts'

/** `tooManyPixels`: the header promises more than the limit; nothing was decoded to find out. */
export interface ImageFacts extends ImageHeader {
  tooManyPixels: boolean
}

/**
 * Every reader parses its header with bounds of its own and hands nothing to a decoder: what a
 * record says about an image stands in the first bytes, and a decoder is what a hostile file
 * wants to reach. (libvips also turns an AVIF before it says its size, and reports no palette.)
 */
const readers: Record<string, (source: ByteSource) => Promise<ImageHeader>> = {
  'image/jpeg': readJpeg,
  'image/png': readPng,
  'image/gif': readGif,
  'image/webp': readWebp,
  'image/avif': readHeif,
  'image/heic': readHeif,
  'image/heic-sequence': readHeif,
  'image/heif': readHeif,
  'image/heif-sequence': readHeif,
  'image/tiff': readTiff,
  'image/bmp': readBitmap,
  'image/x-icon': readIcon,
  'image/svg+xml': async (source) => ({ ...(await readSvgSize(source)), mode: null }),
}

/** Largest side that a record can hold. */
const sideMax = 2 ** 31 - 1

const side = (pixels: number | null): number | null =>
  pixels !== null && pixels > 0 && pixels <= sideMax ? pixels : null

/**
 * Width and height as stored (not turned by an orientation) and the mode as Pillow names it. What
 * a damaged header does not give is null, as is everything of formats that are not read here.
 */
export const readImage = async (
  source: ByteSource,
  mimeType: string,
  maxPixels: number,
): Promise<ImageFacts> => {
  const reader = Object.hasOwn(readers, mimeType) ? readers[mimeType] : undefined
  const header = reader ? await reader(source) : unknownHeader
  const isVector = mimeType === 'image/svg+xml'
  return {
    width: side(header.width),
    height: side(header.height),
    mode: header.mode,
    tooManyPixels: !isVector && (header.width ?? 0) * (header.height ?? 0) > maxPixels,
  }
}
