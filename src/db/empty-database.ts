import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliDecompress } from 'node:zlib'

/**
 * An embedded database with the current schema and nothing in it, as `npm run build` makes it: to
 * write one out takes a tenth of what it takes to make one. Not there where the sources run.
 */
const SHIPPED = fileURLToPath(new URL('./empty-database.br', import.meta.url))

/**
 * Beside the folder: where it is written out first. A name that nobody else chooses; what lies there
 * belongs to whoever holds the folder above (hold-directory.ts).
 */
const UNPACKING = '.landfall-unpacking'

/** What is said where the folder cannot be replaced: a mount point, a link, or not our parent. */
const NOT_TO_BE_REPLACED: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'EBUSY',
  'EXDEV',
  'ENOTDIR',
  'ENOTEMPTY',
  'EEXIST',
  'EPERM',
  'EROFS',
])

/**
 * Bytes before what is compressed: a digest of what it was made from, for the next build. What is
 * compressed is the length of the manifest in four bytes, the manifest as JSON, and the contents.
 */
export const STAMP_BYTES = 32

/** Of the contents, which follow each other in the same order. Paths are relative, with slashes. */
export interface Manifest {
  folders: string[]
  files: {
    path: string
    /** In bytes. */
    size: number
    /** How many of them are there; the rest are zeros. */
    stored: number
  }[]
}

/**
 * Puts the empty database where none is yet. It appears as a whole: what a process that died over it
 * has left is written anew.
 *
 * @param folder of the embedded database.
 * @returns whether it is there now because of this; false leaves everything as it was.
 * @throws what the file system says, such as that the disk is full, or that the shipped one is
 * damaged. Nothing is left of it then.
 */
export async function unpackEmptyDatabase(folder: string, shipped = SHIPPED): Promise<boolean> {
  const there = await readdir(folder).catch(ifMissing)
  if (there !== null && there.length > 0) return false
  const packed = await readFile(shipped).catch(ifMissing)
  if (packed === null) return false
  const compressed = packed.subarray(STAMP_BYTES)
  const content = await promisify(brotliDecompress)(compressed).catch((cause: unknown) => {
    throw new Error(`${shipped} is damaged: install Landfall again, or run npm run build`, {
      cause,
    })
  })
  const unpacking = path.join(path.dirname(folder), UNPACKING)
  const remove = () => rm(unpacking, { recursive: true, force: true })
  try {
    await remove()
    writeOut(content, unpacking)
    await rename(unpacking, folder)
    return true
  } catch (error) {
    await remove().catch(() => {})
    if (NOT_TO_BE_REPLACED.has((error as NodeJS.ErrnoException).code)) return false
    throw error
  }
}

const ifMissing = (error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOENT') return null
  throw error
}

/** A thousand small files, before the server does anything else: one call after the other is quickest. */
function writeOut(content: Buffer, folder: string): void {
  let at = 4 + content.readUInt32LE(0)
  const { folders, files }: Manifest = JSON.parse(content.toString('utf8', 4, at))
  for (const name of ['', ...folders]) mkdirSync(path.join(folder, name), { mode: 0o700 })
  for (const { path: name, size, stored } of files) {
    const file = openSync(path.join(folder, name), 'wx', 0o600)
    try {
      writeFileSync(file, content.subarray(at, at + stored))
      if (size > stored) ftruncateSync(file, size)
    } finally {
      closeSync(file)
    }
    at += stored
  }
}
