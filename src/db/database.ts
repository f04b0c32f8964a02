import type { SQL } from 'drizzle-orm'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'

/**
 * The one database type of the code: both drivers' databases and their transactions have this
 * parent, so nothing above db/ knows which one runs.
 */
export type Database = PgDatabase<PgQueryResultHKT>

/** A database that was opened, and how to let go of it. */
export interface OpenDatabase {
  db: Database
  /** `embedded` does not sync to disk and is one process's own. */
  kind: 'embedded' | 'postgres'
  ping(): Promise<void>
  close(): Promise<void>
  /** Where other processes can be connected to the same database. */
  listen?: Listener
}

/**
 * Calls back with every message that is sent to a channel from then on (LISTEN), over a connection
 * of its own that comes back by itself; what is sent while it is away is lost.
 */
export type Listener = (channel: string, onMessage: (message: string) => void) => Promise<unknown>

/**
 * Runs a hand-written statement and gives its rows. postgres.js answers with an array, PGlite
 * with an object around one; 64-bit integers may arrive as text from either.
 */
export async function rows<Row extends object>(db: Database, statement: SQL): Promise<Row[]> {
  return rowsOf(await db.execute(statement))
}

/** The rows in what a driver gives. */
export function rowsOf<Row extends object>(result: unknown): Row[] {
  return (Array.isArray(result) ? [...result] : (result as { rows: Row[] }).rows) as Row[]
}
