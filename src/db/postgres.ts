import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { Database, OpenDatabase } from './database.ts'
import { migratePostgres } from './migrate.ts'
import { asFault } from './retry.ts'

export interface PostgresOptions {
  url: string
  /** Connections in the pool. Default 10. */
  maxConnections?: number
  /** Whether to bring the schema up to date first. Default true. */
  migrate?: boolean
}

/** Opens a real Postgres. Sessions run in UTC, so that times read back as they were written. */
export async function openPostgres(options: PostgresOptions): Promise<OpenDatabase> {
  if (options.migrate ?? true) await migratePostgres(options.url)
  const client = postgres(options.url, {
    max: options.maxConnections ?? 10,
    connect_timeout: 10,
    // Asked for once by each new connection, and nobody waits for it: a connection that breaks in
    // that moment would be an unhandled rejection and the end of the process. Drizzle has its own.
    fetch_types: false,
    // Seconds. The driver's own pause grows to 20: uploads should go on as soon as the database does.
    backoff: (failures) => Math.min(0.05 * 2 ** failures, 1),
    connection: {
      TimeZone: 'UTC',
      application_name: 'landfall',
      // A statement that hangs on a dead connection must not hold a request for ever.
      statement_timeout: 60_000,
      // What is asked here takes milliseconds, where it would be compiled for hundreds of them.
      jit: 'off',
    },
    onnotice: () => {},
  })
  const db: Database = drizzle(client)
  return {
    db,
    kind: 'postgres',
    async ping() {
      await client`select 1`
    },
    listen: (channel, onMessage) => client.listen(channel, onMessage).catch(rethrow),
    async close() {
      await client.end({ timeout: 5 })
    },
  }
}

function rethrow(error: unknown): never {
  throw asFault(error)
}
