import { ascii, type ByteSource, viewOf } from './bytes.ts'
import { type ImageHeader, type ImageMode, unknownHeader } from './image-mode.ts'

/** Tags of the first directory that are looked at; it is sorted and ours have low numbers. */
const tagsMax = 1_024

/** Values of one tag that are read: one per sample. */
const valuesMax = 16

/** Tag numbers (TIFF 6.0, appendix A). */
const tags = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  samplesPerPixel: 277,
  extraSamples: 338,
  sampleFormat: 339,
} as const

/** Bytes of one value by its field type: BYTE, SHORT, LONG and BigTIFF's LONG8. */
const valueBytes: Record<number, number> = { 1: 1, 3: 2, 4: 4, 16: 8 }

interface Layout {
  little: boolean
  /** BigTIFF: counts and places of 8 bytes. */
  big: boolean
}

type Directory = ReadonlyMap<number, readonly number[]>

const readUint = (view: DataView, at: number, length: number, little: boolean): number => {
  if (length === 1) return view.getUint8(at)
  if (length === 2) return view.getUint16(at, little)
  return length === 4 ? view.getUint32(at, little) : Number(view.getBigUint64(at, little))
}

/** The values of one entry: in the entry itself where they fit, else where it points to. */
const readValues = async (
  source: ByteSource,
  entry: Uint8Array,
  { little, big }: Layout,
): Promise<number[]> => {
  const view = viewOf(entry)
  const bytes = valueBytes[view.getUint16(2, little)]
  const count = Math.min(valuesMax, readUint(view, 4, big ? 8 : 4, little))
  if (!bytes) return []
  const field = big ? 12 : 8
  const place = readUint(view, field, big ? 8 : 4, little)
  const inside = count * bytes <= (big ? 8 : 4)
  const data = inside ? entry.subarray(field) : await source.read(place, count * bytes)
  const values: number[] = []
  for (let at = 0; at + bytes <= data.length && values.length < count; at += bytes) {
    values.push(readUint(viewOf(data), at, bytes, little))
  }
  return values
}

const readDirectory = async (source: ByteSource): Promise<Directory | null> => {
  const head = await source.read(0, 16)
  if (head.length < 16) return null
  const little = ascii(head, 0, 2) === 'II'
  const view = viewOf(head)
  const big = view.getUint16(2, little) === 43
  const start = big ? readUint(view, 8, 8, little) : view.getUint32(4, little)
  const counter = big ? 8 : 2
  const counted = await source.read(start, counter)
  if (counted.length < counter) return null
  const count = Math.min(tagsMax, readUint(viewOf(counted), 0, counter, little))
  const entryBytes = big ? 20 : 12
  const entries = await source.read(start + counter, count * entryBytes)
  const wanted: readonly number[] = Object.values(tags)
  const directory = new Map<number, readonly number[]>()
  for (let at = 0; at + entryBytes <= entries.length; at += entryBytes) {
    const entry = entries.subarray(at, at + entryBytes)
    const tag = viewOf(entry).getUint16(0, little)
    if (!wanted.includes(tag) || directory.has(tag)) continue
    directory.set(tag, await readValues(source, entry, { little, big }))
  }
  return directory
}

/** 1 unsigned, 2 signed, 3 floating point. */
const greyMode = (bits: number, format: number): ImageMode | null => {
  if (bits === 1) return '1'
  if (bits <= 8) return 'L'
  if (format === 3) return 'F'
  if (bits <= 16) return format === 2 ? 'I' : 'I;16'
  return bits <= 32 ? 'I' : null
}

/** Compression 1 is none, 6 JPEG in its old form, that is always YCbCr. */
const modeOf = (directory: Directory): ImageMode | null => {
  const first = (tag: number): number | undefined => directory.get(tag)?.[0]
  const compression = first(tags.compression) ?? 1
  // The tag is required, yet missing from files that Pillow and others open as this.
  const photometric = compression === 6 ? 6 : (first(tags.photometric) ?? 0)
  const bits = first(tags.bitsPerSample) ?? 1
  const samples =
    first(tags.samplesPerPixel) ??
    directory.get(tags.bitsPerSample)?.length ??
    (compression === 6 ? 3 : 1)
  const extra = first(tags.extraSamples)
  switch (photometric) {
    case 0:
    case 1:
      if (samples === 1) return greyMode(bits, first(tags.sampleFormat) ?? 1)
      return extra === 0 ? 'L' : samples === 2 ? 'LA' : null
    case 2:
      // A fourth sample is alpha unless it is said to be of unknown meaning.
      return samples >= 4 && extra !== 0 ? 'RGBA' : 'RGB'
    case 3:
      return samples === 2 && extra === 2 ? 'PA' : 'P'
    case 5:
      return 'CMYK'
    case 6:
      if (samples === 1) return 'L'
      // Compressed, it leaves the decoder as RGB.
      return compression === 1 ? 'YCbCr' : 'RGB'
    case 8:
    case 9:
    case 10:
      return 'LAB'
    default:
      return null
  }
}

/** The first image of a TIFF or BigTIFF, in either byte order, by its directory. */
export const readTiff = async (source: ByteSource): Promise<ImageHeader> => {
  const directory = await readDirectory(source)
  if (!directory) return unknownHeader
  const width = directory.get(tags.width)?.[0] ?? null
  const height = directory.get(tags.height)?.[0] ?? null
  if (width === null && height === null) return unknownHeader
  return { width, height, mode: modeOf(directory) }
}
