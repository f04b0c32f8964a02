import { ascii, type ByteSource } from './bytes.ts'

/** Elements that are looked at on each level. */
const elementsMax = 512

/** Element ids (RFC 9559 §5.1), length marker included. */
const ids = {
  ebml: 0x1a45dfa3,
  docType: 0x4282,
  segment: 0x18538067,
  cluster: 0x1f43b675,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackType: 0x83,
} as const

interface Element {
  id: number
  start: number
  end: number
}

/** An id and a length, each a number that says by its leading zeros how long it is (RFC 8794 §4). */
const readElement = async (source: ByteSource, at: number): Promise<Element | null> => {
  const bytes = await source.read(at, 12)
  const idLength = Math.clz32(bytes[0] ?? 0) - 23
  const sizeLength = Math.clz32(bytes[idLength] ?? 0) - 23
  if (idLength > 4 || sizeLength > 8 || bytes.length < idLength + sizeLength) return null
  let id = 0
  for (let index = 0; index < idLength; index++) id = id * 256 + (bytes[index] ?? 0)
  let size = (bytes[idLength] ?? 0) & (0xff >> sizeLength)
  let unknown = size === 0xff >> sizeLength
  for (let index = 1; index < sizeLength; index++) {
    const byte = bytes[idLength + index] ?? 0
    unknown &&= byte === 0xff
    size = size * 256 + byte
  }
  const start = at + idLength + sizeLength
  // A live recording does not know its length: the element then lasts to the end.
  return { id, start, end: unknown ? source.size : Math.min(source.size, start + size) }
}

/** The elements within one, until a cluster of frames begins. */
async function* children(source: ByteSource, parent: Element): AsyncGenerator<Element> {
  let at = parent.start
  for (let count = 0; count < elementsMax && at < parent.end; count++) {
    const element = await readElement(source, at)
    if (!element || element.id === ids.cluster) return
    yield element
    at = element.end
  }
}

const findChild = async (
  source: ByteSource,
  parent: Element,
  id: number,
): Promise<Element | null> => {
  for await (const element of children(source, parent)) if (element.id === id) return element
  return null
}

/** 1 video, 2 audio (RFC 9559 §5.1.4.1.3), of every track. */
const readTrackTypes = async (source: ByteSource, segment: Element): Promise<number[]> => {
  const tracks = await findChild(source, segment, ids.tracks)
  const types: number[] = []
  if (!tracks) return types
  for await (const entry of children(source, tracks)) {
    if (entry.id !== ids.trackEntry) continue
    const type = await findChild(source, entry, ids.trackType)
    if (type) types.push((await source.read(type.start, 1))[0] ?? 0)
  }
  return types
}

/** A Matroska or WebM file's kind by its tracks; null for EBML documents that are neither. */
export const matroskaMime = async (source: ByteSource): Promise<string | null> => {
  const header = await readElement(source, 0)
  if (header?.id !== ids.ebml) return null
  const docType = await findChild(source, header, ids.docType)
  if (!docType || docType.end - docType.start > 64) return null
  const name = ascii(await source.read(docType.start, docType.end - docType.start))
  const format = name.split('\0', 1)[0]
  if (format !== 'webm' && format !== 'matroska') return null
  const segment = await readElement(source, header.end)
  const types = segment?.id === ids.segment ? await readTrackTypes(source, segment) : []
  return `${types.includes(2) && !types.includes(1) ? 'audio' : 'video'}/${format}`
}
