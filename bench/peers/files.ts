import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'

/** Removes every file below a folder; the folders stay, since a server may have remembered them. */
export async function removeFiles(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries)
    if (entry.isFile()) await rm(path.join(entry.parentPath, entry.name), { force: true })
}
