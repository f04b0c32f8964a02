import { inflateRawSync } from 'node:zlib'
import { ascii, type ByteSource, viewOf } from './bytes.ts'

/** Bytes of a central directory that are looked at; what an archive is stands near its start. */
export const directoryBytesMax = 1024 * 1024

/** Entries of an archive that are looked at. */
export const entriesMax = 20_000

/** The end record and the longest comment behind it (APPNOTE 4.3.16), and the zip64 locator. */
const tailBytes = 22 + 65_535 + 20

export interface ZipEntry {
  name: string
  /** 0 stored, 8 deflated. */
  method: number
  encrypted: boolean
  compressedSize: number
  /** Place of the local header in the file. */
  offset: number
}

/** Where the central directory lies, and how far all its places are off. */
interface Directory {
  start: number
  length: number
  shift: number
}

const readUint64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true))

/** The zip64 end record, where a locator stands before the end record (APPNOTE 4.3.14, 4.3.15). */
const findZip64 = async (
  source: ByteSource,
  tail: Uint8Array,
  end: number,
): Promise<Directory | null> => {
  const locator = end - 20
  if (locator < 0 || ascii(tail, locator, locator + 4) !== 'PK\x06\x07') return null
  const place = readUint64(viewOf(tail), locator + 8)
  const record = await source.read(place, 56)
  if (record.length < 56 || ascii(record, 0, 4) !== 'PK\x06\x06') return null
  const view = viewOf(record)
  return { length: readUint64(view, 40), start: readUint64(view, 48), shift: 0 }
}

/**
 * Place of the end record in the tail, or -1. A comment may follow it and may contain its mark; the
 * true one is that whose comment ends with the file. Archives with bytes behind them have none such:
 * there the last mark counts.
 */
const findEnd = (tail: Uint8Array): number => {
  const view = viewOf(tail)
  let last = -1
  for (let end = tail.length - 22; end >= 0; end--) {
    if (tail[end] !== 0x50 || view.getUint32(end, true) !== 0x06054b50) continue
    const commentEnd = end + 22 + view.getUint16(end + 20, true)
    if (commentEnd === tail.length) return end
    if (last < 0 && commentEnd < tail.length) last = end
  }
  return last
}

const findDirectory = async (source: ByteSource): Promise<Directory | null> => {
  const tailStart = Math.max(0, source.size - tailBytes)
  const tail = await source.read(tailStart, tailBytes)
  const end = findEnd(tail)
  if (end < 0) return null
  const zip64 = await findZip64(source, tail, end)
  if (zip64) return zip64
  const view = viewOf(tail)
  const length = view.getUint32(end + 12, true)
  const start = view.getUint32(end + 16, true)
  // Bytes put before an archive move everything in it by their number.
  const shift = tailStart + end - length - start
  return shift >= 0 ? { start: start + shift, length, shift } : null
}

/** Sizes and places over 4 GiB stand in an extra field (APPNOTE 4.5.3). */
const readZip64Extra = (entry: ZipEntry, size: number, extra: Uint8Array): void => {
  const view = viewOf(extra)
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue
    let value = at + 4
    const next = (): number => {
      value += 8
      return value <= extra.length ? readUint64(view, value - 8) : -1
    }
    if (size === 0xffffffff) next()
    if (entry.compressedSize === 0xffffffff) entry.compressedSize = next()
    if (entry.offset === 0xffffffff) entry.offset = next()
    return
  }
}

/**
 * The entries of an archive as its central directory lists them (APPNOTE 4.3.12), as far as the
 * bounds reach; null where there is none to be found: a cut file, or no archive at all.
 */
export const readZipDirectory = async (source: ByteSource): Promise<ZipEntry[] | null> => {
  const directory = await findDirectory(source)
  if (!directory) return null
  const bytes = await source.read(directory.start, Math.min(directory.length, directoryBytesMax))
  const view = viewOf(bytes)
  const entries: ZipEntry[] = []
  let at = 0
  while (at + 46 <= bytes.length && entries.length < entriesMax) {
    if (view.getUint32(at, true) !== 0x02014b50) break
    const nameEnd = at + 46 + view.getUint16(at + 28, true)
    const extraEnd = nameEnd + view.getUint16(at + 30, true)
    const entry: ZipEntry = {
      name: Buffer.from(bytes.subarray(at + 46, nameEnd)).toString('utf8'),
      method: view.getUint16(at + 10, true),
      encrypted: (view.getUint16(at + 8, true) & 1) === 1,
      compressedSize: view.getUint32(at + 20, true),
      offset: view.getUint32(at + 42, true),
    }
    readZip64Extra(entry, view.getUint32(at + 24, true), bytes.subarray(nameEnd, extraEnd))
    entry.offset += directory.shift
    entries.push(entry)
    at = extraEnd + view.getUint16(at + 32, true)
  }
  return entries.length > 0 || directory.length === 0 ? entries : null
}

/** Names in the local headers of the head, for an archive whose end is missing or damaged. */
export const readLocalEntries = async (
  source: ByteSource,
  head: Uint8Array,
): Promise<ZipEntry[]> => {
  const view = viewOf(head)
  const entries: ZipEntry[] = []
  let at = 0
  while (at + 30 <= head.length && view.getUint32(at, true) === 0x04034b50) {
    const flags = view.getUint16(at + 6, true)
    const compressedSize = view.getUint32(at + 18, true)
    const nameEnd = at + 30 + view.getUint16(at + 26, true)
    if (nameEnd > source.size) break
    entries.push({
      name: Buffer.from(head.subarray(at + 30, nameEnd)).toString('utf8'),
      method: view.getUint16(at + 8, true),
      encrypted: (flags & 1) === 1,
      compressedSize,
      offset: at,
    })
    // With bit 3 the sizes follow the data: where the next header begins is not known.
    if (flags & 8 && compressedSize === 0) break
    at = nameEnd + view.getUint16(at + 28, true) + compressedSize
  }
  return entries
}

/**
 * The content of one small entry; null when it is encrypted, packed in a way that is not deflate,
 * damaged, or longer than `limit` bytes, packed or not.
 */
export const readZipEntry = async (
  source: ByteSource,
  entry: ZipEntry,
  limit: number,
): Promise<Uint8Array | null> => {
  if (entry.encrypted || entry.compressedSize < 0 || entry.compressedSize > limit) return null
  const header = await source.read(entry.offset, 30)
  if (header.length < 30 || ascii(header, 0, 4) !== 'PK\x03\x04') return null
  const view = viewOf(header)
  const start = entry.offset + 30 + view.getUint16(26, true) + view.getUint16(28, true)
  const packed = await source.read(start, entry.compressedSize)
  if (packed.length < entry.compressedSize) return null
  if (entry.method === 0) return packed
  if (entry.method !== 8) return null
  try {
    return inflateRawSync(packed, { maxOutputLength: limit })
  } catch {
    return null
  }
}
