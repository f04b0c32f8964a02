import postgres from 'postgres'
import { migratePostgres } from '../src/db/migrate.ts'
import { insertManyMedia } from '../test/support/many-media.ts'
import type { Landfall, LandfallOptions } from './landfall.ts'
import type { Bench } from './scenario.ts'

/** Files that are made in one statement. */
export const PIECE = 100_000

/** A server on a database with so many media files, all of them added up and analysed. */
export async function withLibrary(
  bench: Pick<Bench, 'database' | 'landfall' | 'note'>,
  total: number,
  given: LandfallOptions = {},
): Promise<Landfall> {
  const { url: databaseUrl } = await bench.database()
  await migratePostgres(databaseUrl)
  const sql = postgres(databaseUrl, { max: 1, connection: { TimeZone: 'UTC' } })
  try {
    for (let first = 1; first <= total; first += PIECE) {
      bench.note(`making ${total} records, from ${first} on`)
      const last = Math.min(first + PIECE - 1, total)
      for (const statement of insertManyMedia({ total, first, last })) await sql.unsafe(statement)
    }
    await sql`vacuum analyze`
    const server = await bench.landfall({ ...given, databaseUrl })
    bench.note('waiting until the server has added them up')
    while (await isCounting(sql)) await new Promise((resolve) => setTimeout(resolve, 500))
    await sql`vacuum analyze`
    return server
  } finally {
    await sql.end()
  }
}

async function isCounting(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql<{ any: boolean }[]>`select exists (select from media_changes) as any`
  return row?.any ?? false
}
