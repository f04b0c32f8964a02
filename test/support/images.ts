import { crc32, deflateSync } from 'node:zlib'

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const buffer = Buffer.alloc(body.length + 8)
  buffer.writeUInt32BE(data.length, 0)
  body.copy(buffer, 4)
  buffer.writeUInt32BE(crc32(body), body.length + 4)
  return buffer
}

const header = (width: number, height: number, depth: number, colour: number): Buffer => {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(width, 0)
  data.writeUInt32BE(height, 4)
  data.set([depth, colour], 8)
  return data
}

/** An interlaced grey PNG of zeros: its decoder has to hold all of it at once. */
export const buildInterlacedPng = (side: number): Uint8Array => {
  const data = header(side, side, 8, 0)
  data[12] = 1
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', data),
    // Each of the seven passes has a filter byte per row of its own.
    chunk('IDAT', deflateSync(Buffer.alloc(side * side + 3 * side), { level: 1 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** A PNG of zeros whose rows are all there; colour types as in the PNG specification §11.2.1. */
export const buildPng = (
  width: number,
  height: number,
  depth = 8,
  colour = 2,
  extra: readonly Uint8Array[] = [],
): Uint8Array => {
  const channels = [1, 0, 3, 1, 2, 0, 4][colour] ?? 1
  const row = 1 + Math.ceil((width * channels * depth) / 8)
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header(width, height, depth, colour)),
    ...extra,
    ...(colour === 3 ? [chunk('PLTE', Buffer.alloc(6))] : []),
    chunk('IDAT', deflateSync(Buffer.alloc(row * height), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** A profile chunk of incompressible bytes. */
export const pngProfile = (profile: Uint8Array): Uint8Array =>
  chunk(
    'iCCP',
    Buffer.concat([Buffer.from('icc\0\0', 'latin1'), deflateSync(profile, { level: 0 })]),
  )

export interface BitmapOptions {
  bits: number
  /** Red, green, blue. */
  palette?: readonly (readonly [number, number, number])[]
  /** Masks of red, green, blue and alpha, in a version 4 header. */
  masks?: readonly number[]
  topDown?: boolean
}

/** A Windows bitmap without its file header. */
export const buildDib = (width: number, height: number, options: BitmapOptions): Buffer => {
  const { bits, palette = [], masks, topDown = false } = options
  const head = Buffer.alloc(masks ? 108 : 40)
  head.writeUInt32LE(head.length, 0)
  head.writeInt32LE(width, 4)
  head.writeInt32LE(topDown ? -height : height, 8)
  head.writeUInt16LE(1, 12)
  head.writeUInt16LE(bits, 14)
  head.writeUInt32LE(masks ? 3 : 0, 16)
  head.writeUInt32LE(palette.length, 32)
  masks?.forEach((mask, index) => {
    head.writeUInt32LE(mask >>> 0, 40 + index * 4)
  })
  const colours = Buffer.from(palette.flatMap(([red, green, blue]) => [blue, green, red, 0]))
  const row = Math.ceil((width * bits) / 32) * 4
  return Buffer.concat([head, colours, Buffer.alloc(row * height)])
}

export const buildBmp = (width: number, height: number, options: BitmapOptions): Uint8Array => {
  const dib = buildDib(width, height, options)
  const head = Buffer.alloc(14)
  head.write('BM', 0, 'latin1')
  head.writeUInt32LE(dib.length + 14, 2)
  head.writeUInt32LE(14 + dib.readUInt32LE(0) + (options.palette?.length ?? 0) * 4, 10)
  return Buffer.concat([head, dib])
}

/** An icon of pictures: PNG files, or bitmaps of twice the height with their mask. */
export const buildIco = (
  pictures: readonly { width: number; height: number; bits: number; bytes: Uint8Array }[],
): Uint8Array => {
  const list = Buffer.alloc(6 + pictures.length * 16)
  list.writeUInt16LE(1, 2)
  list.writeUInt16LE(pictures.length, 4)
  let at = list.length
  pictures.forEach(({ width, height, bits, bytes }, index) => {
    const entry = 6 + index * 16
    list.set([width & 0xff, height & 0xff], entry)
    list.writeUInt16LE(bits, entry + 6)
    list.writeUInt32LE(bytes.length, entry + 8)
    list.writeUInt32LE(at, entry + 12)
    at += bytes.length
  })
  return Buffer.concat([list, ...pictures.map(({ bytes }) => bytes)])
}

export interface TiffOptions {
  bigEndian?: boolean
  bigTiff?: boolean
  /** Tag number → values, written as SHORT. */
  tags: Readonly<Record<number, readonly number[]>>
  /** Bytes between the header and the directory. */
  gap?: number
}

/** A TIFF or BigTIFF that is nothing but its first directory. */
export const buildTiff = ({ bigEndian = false, bigTiff = false, tags, gap = 0 }: TiffOptions) => {
  const buffer = Buffer.alloc(4_096 + gap)
  const put = (value: number, at: number, bytes: number): void => {
    if (bytes === 8) put(0, bigEndian ? at : at + 4, 4)
    const place = bytes === 8 && bigEndian ? at + 4 : at
    const width = Math.min(bytes, 4)
    if (bigEndian) buffer.writeUIntBE(value, place, width)
    else buffer.writeUIntLE(value, place, width)
  }
  const wide = bigTiff ? 8 : 4
  buffer.write(bigEndian ? 'MM' : 'II', 0, 'latin1')
  put(bigTiff ? 43 : 42, 2, 2)
  if (bigTiff) put(8, 4, 2)
  const start = 16 + gap
  put(start, bigTiff ? 8 : 4, wide)
  const entries = Object.entries(tags)
  put(entries.length, start, bigTiff ? 8 : 2)
  let at = start + (bigTiff ? 8 : 2)
  let outside = start + 2_048
  for (const [tag, values] of entries) {
    put(Number(tag), at, 2)
    put(3, at + 2, 2)
    put(values.length, at + 4, wide)
    const field = at + 4 + wide
    const place = values.length * 2 <= wide ? field : outside
    if (place === outside) put(outside, field, wide)
    values.forEach((value, index) => {
      put(value, place + index * 2, 2)
    })
    if (place === outside) outside += values.length * 2
    at = field + wide
  }
  return buffer
}
