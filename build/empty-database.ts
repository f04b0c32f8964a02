import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import { type Manifest, STAMP_BYTES } from '../src/db/empty-database.ts'
import { migrationsFolder } from '../src/db/migrate.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

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
    const database = await PGlite.create(home)
    await migrate(drizzle(database), { migrationsFolder })
    // What the tables were made with stays behind in segments of the log that are not needed again.
    await database.exec('checkpoint; select pg_switch_wal(); checkpoint')
    const log = await database.query<{ segment: string }>(
      'select pg_walfile_name(pg_current_wal_lsn()) as segment',
    )
    await database.close()
    const packed = await pack(home, `pg_wal/${log.rows[0]?.segment}`)
    await mkdir(outDir, { recursive: true })
    // A build that is killed leaves none that looks whole.
    await writeFile(`${target}.part`, Buffer.concat([stamp, packed]))
    await rename(`${target}.part`, target)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** Of the migrations, of what makes a database of them, and of what packs it. */
async function digestOfSources(): Promise<Buffer> {
  const migrations = await readdir(migrationsFolder)
  const sources = [
    ...migrations.filter((name) => name.endsWith('.sql')).map((name) => `drizzle/${name}`),
    ...['drizzle/meta/_journal.json', 'src/db/empty-database.ts'],
    'build/empty-database.ts',
    'node_modules/@electric-sql/pglite/package.json',
    'node_modules/drizzle-orm/package.json',
  ]
  const digest = createHash('sha256')
  for (const file of sources.sort())
    digest.update(`${file}\n`).update(await readFile(path.join(root, file)))
  return digest.digest()
}

/** @param segment the one file of the log that is needed. */
async function pack(folder: string, segment: string): Promise<Buffer> {
  const manifest: Manifest = { folders: [], files: [] }
  const contents: Buffer[] = []
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found = entries
    .map((entry) => ({
      name: path
        .relative(folder, path.join(entry.parentPath ?? entry.path, entry.name))
        .replaceAll(path.sep, '/'),
      isFolder: entry.isDirectory(),
    }))
    .filter(({ name }) => !/^pg_wal\/[0-9A-F]{24}$/.test(name) || name === segment)
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

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await buildEmptyDatabase(path.join(root, 'dist/db'))
