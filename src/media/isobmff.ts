import { ascii, type ByteSource, viewOf } from './bytes.ts'

/** Boxes that are looked at on each level; a fragmented recording has one pair per second. */
const boxesMax = 512

/** A box (ISO/IEC 14496-12 §4.2): where its content begins and ends. */
export interface Box {
  type: string
  start: number
  end: number
}

/** The boxes between two places, until one is damaged or there are too many. */
export async function* boxes(source: ByteSource, from: number, to: number): AsyncGenerator<Box> {
  let at = from
  for (let count = 0; count < boxesMax && at + 8 <= to; count++) {
    const header = await source.read(at, 16)
    if (header.length < 8) return
    const view = viewOf(header)
    const short = view.getUint32(0)
    const isLong = short === 1 && header.length === 16
    // Zero: the box lasts to the end of the file.
    const length = isLong ? Number(view.getBigUint64(8)) : short === 0 ? to - at : short
    const headerLength = isLong ? 16 : 8
    if (length < headerLength) return
    const end = Math.min(to, at + length)
    yield { type: ascii(header, 4, 8), start: at + headerLength, end }
    at += length
  }
}

export const findBox = async (
  source: ByteSource,
  parent: { start: number; end: number },
  type: string,
): Promise<Box | null> => {
  for await (const box of boxes(source, parent.start, parent.end)) if (box.type === type) return box
  return null
}

/** Handlers of the tracks: `vide`, `soun`, `text` … Empty where there is no movie box. */
const readHandlers = async (source: ByteSource): Promise<string[]> => {
  const movie = await findBox(source, { start: 0, end: source.size }, 'moov')
  const handlers: string[] = []
  if (!movie) return handlers
  for await (const track of boxes(source, movie.start, movie.end)) {
    if (track.type !== 'trak') continue
    const media = await findBox(source, track, 'mdia')
    const handler = media && (await findBox(source, media, 'hdlr'))
    if (handler) handlers.push(ascii(await source.read(handler.start + 8, 4)))
  }
  return handlers
}

/** The still picture formats that share the general brand `mif1`, most telling first. */
const pictureBrands: readonly (readonly [brand: string, mimeType: string])[] = [
  ['avif', 'image/avif'],
  ['avis', 'image/avif'],
  ['heic', 'image/heic'],
  ['heix', 'image/heic'],
]

const brandsOf = async (source: ByteSource): Promise<string[]> => {
  const first = await findBox(source, { start: 0, end: source.size }, 'ftyp')
  const text = first ? ascii(await source.read(first.start, Math.min(256, first.end))) : ''
  return text.match(/[\s\S]{4}/g) ?? []
}

/**
 * What is in a file of this family, given the name that its first brand stands for: a picture by
 * its compatible brands, a film without pictures is sound. A file whose brand says sound stays so:
 * audio books carry their chapter pictures as a video track.
 */
export const isoMediaMime = async (source: ByteSource, byBrand: string): Promise<string> => {
  if (byBrand === 'image/heif' || byBrand === 'image/heif-sequence') {
    const brands = await brandsOf(source)
    return pictureBrands.find(([brand]) => brands.includes(brand))?.[1] ?? byBrand
  }
  if (!byBrand.startsWith('video/')) return byBrand
  const handlers = await readHandlers(source)
  if (handlers.includes('vide') || !handlers.includes('soun')) return byBrand
  return byBrand === 'video/quicktime' ? 'audio/mp4' : byBrand.replace('video/', 'audio/')
}
