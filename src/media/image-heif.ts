import { ascii, type ByteSource, fromBytes, viewOf } from './bytes.ts'
import { type ImageHeader, unknownHeader } from './image-mode.ts'
import { type Box, boxes, findBox } from './isobmff.ts'

/** Bytes of the `meta` box that are read; a picture of 1,000 tiles takes 60 KB. */
const metaBytesMax = 512 * 1024

/** Items and properties of one picture that are looked at. */
const itemsMax = 4_096

type Property =
  | { kind: 'size' | 'crop'; width: number; height: number }
  | { kind: 'channels'; count: number }
  | { kind: 'grey' }
  | { kind: 'alpha' }
  | { kind: 'other' }

/** The primary item's number (ISO/IEC 14496-12 §8.11.4). */
const readPrimary = async (meta: ByteSource, box: Box | null): Promise<number | null> => {
  const bytes = box ? await meta.read(box.start, 8) : null
  if (!bytes || bytes.length < 6) return null
  const view = viewOf(bytes)
  return bytes[0] === 0 ? view.getUint16(4) : bytes.length < 8 ? null : view.getUint32(4)
}

/** One property of an item (ISO/IEC 23008-12 §6.5). */
const parseProperty = (type: string, bytes: Uint8Array): Property => {
  const view = viewOf(bytes)
  if (type === 'ispe' && bytes.length >= 12) {
    return { kind: 'size', width: view.getUint32(4), height: view.getUint32(8) }
  }
  if (type === 'clap' && bytes.length >= 16) {
    const width = Math.round(view.getUint32(0) / view.getUint32(4))
    const height = Math.round(view.getUint32(8) / view.getUint32(12))
    if (width > 0 && height > 0) return { kind: 'crop', width, height }
  }
  if (type === 'pixi' && bytes.length >= 5) return { kind: 'channels', count: bytes[4] ?? 0 }
  // The monochrome bit of AV1, the chroma format 0 of HEVC.
  if (type === 'av1C' && (bytes[2] ?? 0) & 0x10) return { kind: 'grey' }
  if (type === 'hvcC' && bytes.length > 16 && ((bytes[16] ?? 0) & 3) === 0) return { kind: 'grey' }
  if (type === 'auxC' && /alpha|:auxid:1\0/.test(ascii(bytes, 4))) return { kind: 'alpha' }
  return { kind: 'other' }
}

const readProperties = async (meta: ByteSource, container: Box): Promise<Property[]> => {
  const properties: Property[] = []
  for await (const box of boxes(meta, container.start, container.end)) {
    const bytes = await meta.read(box.start, Math.min(256, box.end - box.start))
    properties.push(parseProperty(box.type, bytes))
  }
  return properties
}

/** Which properties belong to which item (ISO/IEC 23008-12 §9.3); numbers count from one. */
const parseAssociations = (bytes: Uint8Array): Map<number, number[]> => {
  const associations = new Map<number, number[]>()
  if (bytes.length < 8) return associations
  const view = viewOf(bytes)
  const idBytes = bytes[0] === 0 ? 2 : 4
  const isWide = ((bytes[3] ?? 0) & 1) === 1
  const count = Math.min(itemsMax, view.getUint32(4))
  let at = 8
  for (let item = 0; item < count && at + idBytes + 1 <= bytes.length; item++) {
    const id = idBytes === 2 ? view.getUint16(at) : view.getUint32(at)
    const length = bytes[at + idBytes] ?? 0
    const start = at + idBytes + 1
    at = start + length * (isWide ? 2 : 1)
    if (at > bytes.length) break
    const numbers = Array.from({ length }, (_, index) =>
      isWide ? view.getUint16(start + index * 2) & 0x7fff : (bytes[start + index] ?? 0) & 0x7f,
    )
    associations.set(id, numbers)
  }
  return associations
}

/** A file cut short within its `meta` box still gives what stands before the cut. */
const readMeta = async (source: ByteSource): Promise<ByteSource | null> => {
  const box = await findBox(source, { start: 0, end: source.size }, 'meta')
  if (!box) return null
  // Version and flags come before the boxes within.
  const start = box.start + 4
  return fromBytes(await source.read(start, Math.min(metaBytesMax, box.end - start)))
}

interface Size {
  width: number
  height: number
}

const fits = (inner: Size, outer: Size): boolean =>
  inner.width <= outer.width && inner.height <= outer.height

/**
 * HEIC and AVIF without a codec: the primary item's properties say size and channels, and an
 * auxiliary item of alpha values says RGBA. `ispe` is the size before any turning (`irot`), `clap`
 * cuts off the rest of the last coding block.
 */
export const readHeif = async (source: ByteSource): Promise<ImageHeader> => {
  const meta = await readMeta(source)
  const all = { start: 0, end: meta?.size ?? 0 }
  const described = meta && (await findBox(meta, all, 'iprp'))
  const container = described && (await findBox(meta, described, 'ipco'))
  const linked = described && (await findBox(meta, described, 'ipma'))
  if (!meta || !container || !linked) return unknownHeader
  const properties = await readProperties(meta, container)
  const associations = parseAssociations(await meta.read(linked.start, linked.end - linked.start))
  const of = (numbers: number[] | undefined): Property[] =>
    (numbers ?? []).flatMap((number) => properties[number - 1] ?? [])
  const primary = await readPrimary(meta, await findBox(meta, all, 'pitm'))
  const own = of(primary === null ? undefined : associations.get(primary))
  const coded = own.find((property) => property.kind === 'size')
  if (coded?.kind !== 'size') return unknownHeader
  const crop = own.find((property) => property.kind === 'crop')
  const size = crop?.kind === 'crop' && fits(crop, coded) ? crop : coded
  const channels = own.find((property) => property.kind === 'channels')
  const isGrey =
    channels?.kind === 'channels'
      ? channels.count === 1
      : own.some((property) => property.kind === 'grey')
  const hasAlpha = [...associations.values()].some((numbers) =>
    of(numbers).some((property) => property.kind === 'alpha'),
  )
  const mode = isGrey ? (hasAlpha ? 'LA' : 'L') : hasAlpha ? 'RGBA' : 'RGB'
  return { width: size.width, height: size.height, mode }
}
