import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Database } from '../../src/db/database.ts'
import { openS3Storage, type S3Storage, type S3StorageOptions } from '../../src/storage/s3.ts'
import type { TestBucket } from './s3.ts'

export interface OpenedS3Storage {
  storage: S3Storage
  spoolDir: string
  close(): Promise<void>
}

/** Parts of the least size that S3 takes, so that few bytes make many. */
export const PART = 5 * 1024 * 1024

/** The backend itself, without a server around it, with a spool of its own. */
export async function openTestS3Storage(
  bucket: TestBucket,
  db: Database,
  options: Partial<S3StorageOptions> = {},
): Promise<OpenedS3Storage> {
  const spoolDir = await mkdtemp(path.join(tmpdir(), 'landfall-spool-'))
  const storage = await openS3Storage({
    bucket: bucket.name,
    endpoint: bucket.env.S3_ENDPOINT,
    region: undefined,
    forcePathStyle: true,
    prefix: 'in-here/',
    checksums: true,
    db,
    spoolDir,
    usualPartBytes: PART,
    ...options,
  })
  return {
    storage,
    spoolDir,
    async close() {
      storage.close()
      await rm(spoolDir, { recursive: true, force: true })
    },
  }
}
