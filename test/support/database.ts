import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import postgres from 'postgres'
import { inject } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { unpackEmptyDatabase } from '../../src/db/empty-database.ts'
import { openEmbedded } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { databaseUrl } from './global-setup.ts'

export type DatabaseKind = OpenDatabase['kind']
export const databaseKinds: readonly DatabaseKind[] = ['postgres', 'embedded']

/** An empty database of its own with the current schema; a real Postgres, or an embedded one. */
export async function openTestDatabase(kind: DatabaseKind): Promise<OpenDatabase> {
  const [database] = await openTestDatabases(kind, 1)
  if (database === undefined) throw new Error('no database was opened')
  return database
}

/** The same with connections for several servers; it is gone when the last of them is closed. */
export async function openTestDatabases(
  kind: DatabaseKind,
  count: number,
): Promise<OpenDatabase[]> {
  if (kind === 'embedded') return [await openOwnEmbedded()]
  const { url, drop } = await createPostgresDatabase()
  const open = new Set<OpenDatabase>()
  for (let n = 0; n < count; n++) {
    const database = await openPostgres({ url, maxConnections: 5, migrate: false })
    const closing: OpenDatabase = {
      ...database,
      async close() {
        await database.close()
        open.delete(closing)
        if (open.size === 0) await drop()
      },
    }
    open.add(closing)
  }
  return [...open]
}

/**
 * A database on the run's Postgres, for tests that hand its URL to another process. With the
 * current schema, or with what another template has: `template0` has nothing.
 */
export async function createPostgresDatabase({
  template = 'landfall_template',
} = {}): Promise<{ url: string; drop(): Promise<void> }> {
  const base = inject('postgresUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await admin(base, `create database ${name} template ${template}`)
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

/** A database whose answers can be lost after the work is done, as when a connection breaks. */
export interface LossyDatabase extends OpenDatabase {
  /** The next statement that matches takes effect, and fails all the same. */
  loseAnswerTo(statement: RegExp): void
}

export async function openLossyDatabase(): Promise<LossyDatabase> {
  const opened = await openOwnEmbedded()
  const client = (opened.db as unknown as { $client: PGlite }).$client
  let losing: RegExp | undefined
  const query = client.query.bind(client)
  client.query = async (text: string, ...rest: never[]) => {
    const result = await query(text, ...rest)
    if (!losing?.test(text)) return result as never
    losing = undefined
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  }
  return {
    ...opened,
    loseAnswerTo(statement) {
      losing = statement
    },
  }
}

async function openOwnEmbedded(): Promise<OpenDatabase> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-embedded-'))
  await unpackEmptyDatabase(path.join(folder, 'db'), emptyDatabase())
  const opened = await openEmbedded(folder)
  return {
    ...opened,
    async close() {
      await opened.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The one that was made for this run; where the sources run, there is none beside them. */
export const emptyDatabase = () => path.join(inject('compiled'), 'src/db/empty-database.br')
