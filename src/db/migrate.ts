import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'

/** drizzle/ lies beside src/ and beside dist/. */
export const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))

/** Any fixed number will do, as long as every version of Landfall uses this one ("landfall"). */
const MIGRATION_LOCK = 0x6c616e64

/**
 * Brings the schema of a Postgres up to date. Servers that start together wait for the first one,
 * which holds an advisory lock that Postgres frees by itself should the process die.
 */
export async function migratePostgres(url: string): Promise<void> {
  // A session-level lock belongs to a connection, so the migration has one of its own.
  const client = postgres(url, {
    max: 1,
    connect_timeout: 10,
    // See postgres.ts: its failure would be nobody's.
    fetch_types: false,
    onnotice: () => {},
    // Indexes take their time, and what a role has for its requests would end every start half way.
    connection: { statement_timeout: 0, lock_timeout: 0, idle_in_transaction_session_timeout: 0 },
  })
  try {
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`
    await migrate(drizzle(client), { migrationsFolder })
  } finally {
    await client.end({ timeout: 5 })
  }
}
