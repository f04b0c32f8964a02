import { lstat, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Row, under } from '../row.ts'
import type { Scenario } from '../scenario.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** The kernel counts a file's space in these, whatever the file system's own blocks are. */
const STAT_BLOCK = 512
const MB = 1_000_000
const MIB = 1024 * 1024

/** What `npm ci --omit=dev` puts on the disk: the packages of the lock file that are not for development. */
export const installedSize: Scenario = {
  name: 'size',
  title: 'installed size of the production dependencies',
  seconds: { full: 5, quick: 5 },
  async run() {
    const lock = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean; devOptional?: boolean }>
    }
    let blocks = 0
    let bytes = 0
    let packages = 0
    for (const [folder, { dev, devOptional }] of Object.entries(lock.packages)) {
      if (folder === '' || dev || devOptional) continue
      const used = await spaceOf(path.join(root, folder))
      if (used.bytes > 0) packages++
      blocks += used.blocks
      bytes += used.bytes
    }
    const row: Row = {
      figure: 'installed size of the production dependencies',
      ours: (blocks * STAT_BLOCK) / MIB,
      unit: 'MB',
      goal: under(120),
      note: `${packages} packages, space on the disk as \`du -m\` counts it (2^20 bytes): ${((blocks * STAT_BLOCK) / MB).toFixed(0)} million bytes; the files themselves are ${(bytes / MB).toFixed(0)}`,
    }
    return [row]
  },
}

/** Without packages inside it, which the lock file lists by themselves. */
async function spaceOf(folder: string): Promise<{ blocks: number; bytes: number }> {
  // Packages for other systems are in the lock file and not installed.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const total = { blocks: 0, bytes: 0 }
  for (const entry of entries) {
    if (entry.name === 'node_modules') continue
    const at = path.join(folder, entry.name)
    const { blocks, size } = await lstat(at)
    total.blocks += blocks
    if (!entry.isDirectory()) total.bytes += size
    const below = entry.isDirectory() ? await spaceOf(at) : { blocks: 0, bytes: 0 }
    total.blocks += below.blocks
    total.bytes += below.bytes
  }
  return total
}
