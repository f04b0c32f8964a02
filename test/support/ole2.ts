/** An entry of the directory; storages hold others. */
export interface Ole2Entry {
  name: string
  children?: readonly Ole2Entry[]
}

interface FlatEntry {
  name: string
  type: number
  left: number
  right: number
  child: number
}

const none = 0xffffffff

const endOfChain = 0xfffffffe

const flatten = (root: readonly Ole2Entry[]): FlatEntry[] => {
  const flat: FlatEntry[] = []
  const add = (entry: Ole2Entry, type: number): number => {
    const own: FlatEntry = { name: entry.name, type, left: none, right: none, child: none }
    const index = flat.push(own) - 1
    let before: FlatEntry | null = null
    // Siblings form a tree; a tree that leans to the right is one too.
    for (const child of entry.children ?? []) {
      const place = add(child, child.children ? 1 : 2)
      if (before) before.right = place
      else own.child = place
      before = flat[place] ?? null
    }
    return index
  }
  add({ name: 'Root Entry', children: root }, 5)
  return flat
}

const entryBytes = ({ name, type, left, right, child }: FlatEntry): Buffer => {
  const buffer = Buffer.alloc(128)
  buffer.write(name, 0, 'utf16le')
  buffer.writeUInt16LE((name.length + 1) * 2, 64)
  buffer.writeUInt8(type, 66)
  buffer.writeUInt8(1, 67)
  buffer.writeUInt32LE(left, 68)
  buffer.writeUInt32LE(right, 72)
  buffer.writeUInt32LE(child, 76)
  buffer.writeUInt32LE(endOfChain, 116)
  return buffer
}

/**
 * A compound file of 512-byte sectors with this directory and empty streams ([MS-CFB] 2.2 to 2.6).
 * The directory's sectors are chained backwards through the file when `scattered`.
 */
export const buildOle2 = (root: readonly Ole2Entry[], scattered = false): Uint8Array => {
  const entries = flatten(root).map(entryBytes)
  while (entries.length % 4 !== 0) {
    entries.push(entryBytes({ name: '', type: 0, left: none, right: none, child: none }))
  }
  const directory = Buffer.concat(entries)
  const count = directory.length / 512
  // Sector 0 is the allocation table, then the directory.
  const order = Array.from(
    { length: count },
    (_, index) => 1 + (scattered ? count - 1 - index : index),
  )
  const table = Buffer.alloc(512, 0xff)
  table.writeUInt32LE(0xfffffffd, 0)
  const sectors = Buffer.alloc(count * 512)
  order.forEach((sector, index) => {
    table.writeUInt32LE(order[index + 1] ?? endOfChain, sector * 4)
    directory.copy(sectors, (sector - 1) * 512, index * 512, (index + 1) * 512)
  })
  const header = Buffer.alloc(512, 0xff)
  header.fill(0, 0, 76)
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(header)
  header.writeUInt16LE(0x3e, 24)
  header.writeUInt16LE(3, 26)
  header.writeUInt16LE(0xfffe, 28)
  header.writeUInt16LE(9, 30)
  header.writeUInt16LE(6, 32)
  header.writeUInt32LE(1, 44)
  header.writeUInt32LE(order[0] ?? endOfChain, 48)
  header.writeUInt32LE(4096, 56)
  header.writeUInt32LE(endOfChain, 60)
  header.writeUInt32LE(endOfChain, 68)
  header.writeUInt32LE(0, 76)
  return Buffer.concat([header, table, sectors])
}
