import { randomBytes } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import postgres from 'postgres'
import { inject } from 'vitest'
import type { Database, OpenDatabase } from '../../src/db/database.ts'
import { migrationsFolder } from '../../src/db/migrate.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import * as schema from '../../src/db/schema.ts'
import { databaseUrl } from './global-setup.ts'

export type DatabaseKind = OpenDatabase['kind']
export const databaseKinds: readonly DatabaseKind[] = ['postgres', 'embedded']

/** An empty database of its own with the current schema; a real Postgres, or PGlite in memory. */
export async function openTestDatabase(kind: DatabaseKind): Promise<OpenDatabase> {
  if (kind === 'embedded') return openMemory()
  const { url, drop } = await createPostgresDatabase()
  const database = await openPostgres({ url, maxConnections: 5, migrate: false })
  return {
    ...database,
    async close() {
      await database.close()
      await drop()
    },
  }
}

/** A database on the run's Postgres, for tests that hand its URL to another process. */
export async function createPostgresDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const base = inject('postgresUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await admin(base, `create database ${name} template landfall_template`)
  return {
    url: databaseUrl(base, name),
    drop: () => admin(base, `drop database if exists ${name} with (force)`),
  }
}

async function admin(base: string, statement: string): Promise<void> {
  const client = postgres(base, { max: 1, onnotice: () => {} })
  try {
    // Two copies of one template at the same moment are refused by Postgres: take turns.
    await client`select pg_advisory_lock(1)`
    await client.unsafe(statement)
  } finally {
    await client.end()
  }
}

async function openMemory(): Promise<OpenDatabase> {
  const client = await PGlite.create()
  await client.exec("set time zone 'UTC'")
  await migrate(drizzle(client), { migrationsFolder })
  const db: Database = drizzle(client, { schema })
  return {
    db,
    kind: 'embedded',
    async ping() {
      await client.query('select 1')
    },
    close: () => client.close(),
  }
}
