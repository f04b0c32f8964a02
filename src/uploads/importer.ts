import { ensureAdmin } from '../auth/ensure-admin.ts'
import { createUserImport, type UserImport } from '../auth/import-users.ts'
import type { Database } from '../db/database.ts'
import type { Core } from './core.ts'
import { type ImportOptions, importFile } from './import.ts'
import type { ExistingFile, Imported } from './import-source.ts'
import { createImportRepo } from './repo-import.ts'

/** What `landfall import` is done with, beside a running server or without one. */
export interface Importer {
  users: UserImport
  file(file: ExistingFile, options?: ImportOptions): Promise<Imported>
  /** Whether the storage can take files without copying them. */
  canLink: boolean
  /**
   * On a database without users: makes the admin, whom a later start would not make any more, and
   * answers their key, this once. Null otherwise.
   */
  ensureAdmin(): Promise<string | null>
}

export function createImporter<P>(deps: {
  core: Core<P>
  db: Database
  adminToken: string | undefined
}): Importer {
  const { core, db, adminToken } = deps
  const { now } = core
  const importing = { ...core, imports: createImportRepo(db) }
  return {
    users: createUserImport({ db, now }),
    file: (file, options) => importFile(importing, file, options),
    canLink: core.storage.link !== undefined,
    async ensureAdmin() {
      return (await ensureAdmin({ db, now }, { adminToken })).printedKey
    },
  }
}
