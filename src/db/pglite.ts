import { chmod, mkdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import type { Database, OpenDatabase } from './database.ts'
import { unpackEmptyDatabase } from './empty-database.ts'
import { holdDirectory } from './hold-directory.ts'
import { migrationsFolder } from './migrate.ts'

export interface EmbeddedOptions {
  /** Whether to bring the schema up to date first. Default true. */
  migrate?: boolean
}

/**
 * Opens the embedded Postgres in `<dataDir>/db`. It belongs to one process, and it does not sync:
 * what it holds survives a crash of the process, not a power cut. Other users of the machine are kept
 * out of it.
 *
 * @throws Fault-free Error with a message for the operator when another process holds dataDir, or
 * the database is damaged.
 */
export async function openEmbedded(
  dataDir: string,
  options: EmbeddedOptions = {},
): Promise<OpenDatabase> {
  await mkdir(dataDir, { recursive: true })
  const hold = await holdDirectory(dataDir)
  const folder = path.join(dataDir, 'db')
  const client = await openFolder(folder).catch(async (error: unknown) => {
    await hold.release()
    throw error
  })
  const db: Database = drizzle(client)
  await client.exec("set time zone 'UTC'")
  if (options.migrate ?? true) await migrate(drizzle(client), { migrationsFolder })
  return {
    db,
    kind: 'embedded',
    async ping() {
      await client.query('select 1')
    },
    async close() {
      await client.close()
      await hold.release()
    },
  }
}

async function openFolder(folder: string): Promise<PGlite> {
  await unpackEmptyDatabase(folder)
  await mkdir(folder, { recursive: true })
  await closeToOthers(folder)
  return PGlite.create(folder).catch((cause: unknown) => {
    throw damaged(folder, cause)
  })
}

/** PGlite lets everybody write to the files that it makes. Rights of a group are its operator's. */
async function closeToOthers(folder: string): Promise<void> {
  const { mode } = await stat(folder)
  if ((mode & 0o007) === 0) return
  await chmod(folder, 0o700).catch((error: NodeJS.ErrnoException) => {
    // Somebody else's folder, or a file system without modes.
    if (error.code !== 'EPERM' && error.code !== 'ENOTSUP') throw error
  })
}

/** What PGlite itself says ("Aborted()") helps nobody on. */
function damaged(folder: string, cause: unknown): Error {
  return new Error(
    `The embedded database in ${folder} cannot be opened. If it is damaged, restore a backup, or ` +
      'move it away and run `landfall rebuild`',
    { cause },
  )
}
