import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compose, type Landfall, type Replacements } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createAccounts, type TestAccounts } from './accounts.ts'
import { type DatabaseKind, openTestDatabase } from './database.ts'

export const ADMIN_KEY = 'test-admin-key-0123456789abcdef0123'

export interface TestServer {
  url: string
  /** An Authorization value for the admin. */
  admin: string
  accounts: TestAccounts
  database: OpenDatabase
  dataDir: string
  landfall: Landfall
  /** Lines of the log, parsed. */
  logged: Record<string, unknown>[]
  close(): Promise<void>
}

export interface TestServerOptions {
  database?: DatabaseKind
  env?: Record<string, string>
  replaced?: Replacements
}

/** A whole server on a port of its own, in this process, on a database and a folder of its own. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-data-'))
  const database = await openTestDatabase(options.database ?? 'postgres')
  const logged: Record<string, unknown>[] = []
  const log = createLog({ destination: { write: (line) => logged.push(JSON.parse(line)) } })
  const config = readConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    ADMIN_TOKEN: ADMIN_KEY,
    SHUTDOWN_TIMEOUT: '2s',
    ...options.env,
  })
  const landfall = await compose(config, { log, database, ...options.replaced })
  const { url } = await landfall.listen()
  const admin = `Token ${ADMIN_KEY}`
  return {
    url,
    admin,
    accounts: createAccounts(url, admin),
    database,
    dataDir,
    landfall,
    logged,
    async close() {
      // A test may have closed it already: that is what it tests.
      await landfall.close().catch(() => {})
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
