import path from 'node:path'
import type { Config } from './config.ts'
import type { Database, OpenDatabase } from './db/database.ts'
import { openEmbedded } from './db/pglite.ts'
import { openPostgres } from './db/postgres.ts'
import { openDiskStorage } from './storage/disk.ts'
import { openS3Storage } from './storage/s3.ts'

/** Where the bytes are: a bucket, or a folder of DATA_DIR. */
export async function openStorage({ dataDir, durability, s3 }: Config, db: Database) {
  if (s3 === null) {
    const root = path.join(dataDir, 'files')
    return { storage: await openDiskStorage({ root, durability }), close: () => {} }
  }
  const storage = await openS3Storage({ ...s3, db, spoolDir: path.join(dataDir, 'spool') })
  return { storage, close: storage.close }
}

/** The database that DATABASE_URL names, or the embedded one in DATA_DIR. */
export function openDatabase(config: Config): Promise<OpenDatabase> {
  return config.databaseUrl === undefined
    ? openEmbedded(config.dataDir)
    : openPostgres({ url: config.databaseUrl })
}
