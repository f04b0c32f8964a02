import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'
import { sql } from 'drizzle-orm'
import { type Manifest, STAMP_BYTES } from '../src/db/empty-database.ts'
import { migrationsFolder } from '../src/db/migrate.ts'
import { openEmbedded } from '../src/db/pglite.ts'

/**
 * Puts an embedded database with the current schema and nothing in it into `outDir`, packed. One that
 * was made from the same things stays: to make it takes seconds, and `npm start` builds.
 */
export async function buildEmptyDatabase(outDir: string): Promise<void> {
  const target = path.join(outDir, 'empty-database.br')
  const stamp = await digestOfSources()
  const there = await readFile(target).catch(() => null)
  if (there?.subarray(0, STAMP_BYTES).equals(stamp)) return
  const home = await mkdtemp(path.join(tmpdir(), 'landfall-empty-'))
  try {
    const { db, close } = await openEmbedded(home)
    // What the tables were made with is not needed again: the log begins anew, and is nearly empty.
    for (const step of [sql`checkpoint`, sql`select pg_switch_wal()`, sql`checkpoint`])
      await db.execute(step)
    await close()
    await writeFile(target, Buffer.concat([stamp, await pack(path.join(home, 'db'))]))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** Of the migrations, of PGlite's version, and of this code. */
async function digestOfSources(): Promise<Buffer> {
  const pglite = path.dirname(createRequire(import.meta.url).resolve('@electric-sql/pglite'))
  const migrations = await readdir(migrationsFolder, { recursive: true })
  const sources = [
    ...migrations.sort().map((name) => path.join(migrationsFolder, name)),
    path.join(pglite, '../package.json'),
    fileURLToPath(import.meta.url),
  ]
  const digest = createHash('sha256')
  for (const file of sources)
    if (path.extname(file) !== '') digest.update(path.basename(file)).update(await readFile(file))
  return digest.digest()
}

async function pack(folder: string): Promise<Buffer> {
  const manifest: Manifest = { folders: [], files: [] }
  const contents: Buffer[] = []
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found = entries
    .map((entry) => ({
      name: path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)),
      isFolder: entry.isDirectory(),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  manifest.folders = found.filter(({ isFolder }) => isFolder).map(({ name }) => name)
  // A cluster has three databases that are alike: the same file of each stands beside the others.
  const alike = ({ name }: { name: string }) => path.basename(name)
  const files = found.filter(({ isFolder }) => !isFolder)
  files.sort((a, b) => (alike(a) < alike(b) ? -1 : alike(a) > alike(b) ? 1 : 0))
  for (const { name } of files) {
    const content = await readFile(path.join(folder, name))
    const stored = withoutZeros(content)
    manifest.files.push({ path: name, size: content.length, stored: stored.length })
    contents.push(stored)
  }
  const head = Buffer.from(JSON.stringify(manifest))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_MAX_WINDOW_BITS } = constants
  return promisify(brotliCompress)(Buffer.concat([length, head, ...contents]), {
    params: { [BROTLI_PARAM_QUALITY]: 9, [BROTLI_PARAM_LGWIN]: BROTLI_MAX_WINDOW_BITS },
  })
}

function withoutZeros(content: Buffer): Buffer {
  let end = content.length
  while (end > 0 && content[end - 1] === 0) end -= 1
  return content.subarray(0, end)
}
