import type sharp from 'sharp'
import { type ByteSource, headBytes } from './bytes.ts'
import { signatureOf } from './signatures.ts'

/** Seconds that libvips may work on one thumbnail before it gives up by itself. */
const renderSeconds = 15

/** Longest side that WebP can store. */
const webpSideMax = 16_383

/** A thumbnail is at most this many times as high as it is wide. */
const tallestRatio = 4

const quality = 80

/** What libvips may open; SVG is never rendered, and the rest it cannot read anyway. */
const renderable = [
  'image/jpeg',
  'image/png',
  'image/gif',
  'image/webp',
  'image/avif',
  'image/heic',
  'image/heif',
  'image/tiff',
]

/** Loaders of those formats, from files only. Everything else in libvips stays shut. */
const loaders = ['Jpeg', 'Png', 'Nsgif', 'Webp', 'Heif', 'Tiff'].map(
  (name) => `VipsForeignLoad${name}File`,
)

let loading: Promise<typeof sharp> | undefined

/** Loads libvips when the first thumbnail is wanted: inspection does without it. */
const loadSharp = async (): Promise<typeof sharp> => {
  const module = (await import('sharp')).default
  module.block({ operation: ['VipsForeignLoad'] })
  module.unblock({ operation: loaders })
  module.cache(false)
  module.concurrency(1)
  return module
}

/**
 * A WebP of an image, turned upright, at most `width` wide and never larger than the image. Null
 * where the file is no image that can be decoded, or has more than `maxPixels`.
 */
export const renderThumbnail = async (
  source: ByteSource,
  path: string,
  width: number,
  maxPixels: number,
): Promise<Uint8Array | null> => {
  const found = await signatureOf(await source.read(0, headBytes))
  if (found === null || !renderable.includes(found)) return null
  loading ??= loadSharp()
  const open = await loading
  const side = Math.max(1, Math.min(webpSideMax, Math.trunc(width)))
  try {
    return await open(path, {
      limitInputPixels: maxPixels,
      // A damaged image shows what there is of it.
      failOn: 'none',
      sequentialRead: true,
    })
      .timeout({ seconds: renderSeconds })
      .autoOrient()
      .resize({
        width: side,
        height: Math.min(webpSideMax, side * tallestRatio),
        fit: 'inside',
        withoutEnlargement: true,
      })
      .webp({ quality })
      .toBuffer()
  } catch {
    return null
  }
}
