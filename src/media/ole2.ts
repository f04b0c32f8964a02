import { type ByteSource, viewOf } from './bytes.ts'
import { type Hints, hintedMimes } from './extensions.ts'
import { typeOfMime } from './file-types.ts'

/** Sectors of the directory that are read: 256 hold 1,024 entries of a usual file. */
const directorySectorsMax = 256

/** Hops along the chain of sectors that list the allocation table's sectors ([MS-CFB] 2.5). */
const listHopsMax = 64

/** Sector numbers from here on mean "end", "free" and the like ([MS-CFB] 2.1). */
const specialSector = 0xfffffffa

const entryBytes = 128
const headerListLength = 109

interface Container {
  source: ByteSource
  header: DataView
  sectorBytes: number
}

/** Sector 0 follows the header, which fills one sector. */
const placeOf = (container: Container, sector: number): number =>
  (sector + 1) * container.sectorBytes

const readUint32 = async (source: ByteSource, at: number): Promise<number | null> => {
  const bytes = await source.read(at, 4)
  return bytes.length === 4 ? viewOf(bytes).getUint32(0, true) : null
}

/** The sector that holds part `index` of the allocation table: 109 are listed in the header. */
const tableSector = async (container: Container, index: number): Promise<number | null> => {
  const { source, header, sectorBytes } = container
  if (index < headerListLength) return header.getUint32(76 + index * 4, true)
  const perSector = sectorBytes / 4 - 1
  const hops = Math.floor((index - headerListLength) / perSector)
  if (hops > listHopsMax) return null
  let sector: number | null = header.getUint32(68, true)
  for (let hop = 0; hop < hops; hop++) {
    if (sector === null || sector >= specialSector) return null
    sector = await readUint32(source, placeOf(container, sector) + perSector * 4)
  }
  if (sector === null || sector >= specialSector) return null
  const place = placeOf(container, sector) + ((index - headerListLength) % perSector) * 4
  return readUint32(source, place)
}

const nextSector = async (container: Container, sector: number): Promise<number | null> => {
  const perSector = container.sectorBytes / 4
  const table = await tableSector(container, Math.floor(sector / perSector))
  if (table === null || table >= specialSector) return null
  return readUint32(container.source, placeOf(container, table) + (sector % perSector) * 4)
}

interface DirectoryEntry {
  name: string
  left: number
  right: number
  child: number
}

const parseEntry = (bytes: Uint8Array): DirectoryEntry => {
  const view = viewOf(bytes)
  const nameBytes = Math.max(0, Math.min(64, view.getUint16(64, true)) - 2)
  return {
    name: Buffer.from(bytes.subarray(0, nameBytes)).toString('utf16le'),
    left: view.getUint32(68, true),
    right: view.getUint32(72, true),
    child: view.getUint32(76, true),
  }
}

const readDirectory = async (container: Container): Promise<DirectoryEntry[]> => {
  const entries: DirectoryEntry[] = []
  let sector: number | null = container.header.getUint32(48, true)
  for (let count = 0; count < directorySectorsMax; count++) {
    if (sector === null || sector >= specialSector) break
    const bytes = await container.source.read(placeOf(container, sector), container.sectorBytes)
    for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
      entries.push(parseEntry(bytes.subarray(at, at + entryBytes)))
    }
    if (bytes.length < container.sectorBytes) break
    sector = await nextSector(container, sector)
  }
  return entries
}

/**
 * Names that stand directly under the root. A workbook within a presentation lies in a storage of
 * its own, one level down, and must not be taken for the file.
 */
export const readTopNames = async (source: ByteSource): Promise<Set<string>> => {
  const names = new Set<string>()
  const head = await source.read(0, 512)
  if (head.length < 512) return names
  const header = viewOf(head)
  const shift = header.getUint16(30, true)
  if (shift !== 9 && shift !== 12) return names
  const entries = await readDirectory({ source, header, sectorBytes: 2 ** shift })
  const seen = new Set<number>()
  const waiting = [entries[0]?.child]
  while (waiting.length > 0) {
    const index = waiting.pop()
    const entry = index === undefined || seen.has(index) ? undefined : entries[index]
    if (index === undefined || !entry) continue
    seen.add(index)
    names.add(entry.name)
    waiting.push(entry.left, entry.right)
  }
  return names
}

const streams: readonly (readonly [name: string, mimeType: string])[] = [
  ['WordDocument', 'application/msword'],
  ['PowerPoint Document', 'application/vnd.ms-powerpoint'],
  ['Workbook', 'application/vnd.ms-excel'],
  ['Book', 'application/vnd.ms-excel'],
  ['VisioDocument', 'application/vnd.visio'],
  ['__properties_version1.0', 'application/vnd.ms-outlook'],
]

const isOffice = (mime: string): boolean =>
  ['document', 'spreadsheet', 'presentation'].includes(typeOfMime(mime)) &&
  mime.startsWith('application/')

/**
 * What an OLE2 compound file is, by its directory entries. The name and the declared type speak
 * only where those do not: an encrypted office file, or a directory that cannot be read.
 */
export const ole2Mime = async (source: ByteSource, hints: Hints): Promise<string> => {
  const names = await readTopNames(source)
  for (const [name, mimeType] of streams) if (names.has(name)) return mimeType
  const silent = names.size === 0 || names.has('EncryptedPackage')
  const hinted = silent ? hintedMimes(hints).find(isOffice) : undefined
  return hinted ?? 'application/x-cfb'
}
