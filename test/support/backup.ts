import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import postgres from 'postgres'

/** What a database held at one moment. */
export interface Backup {
  /** Into a database that has the schema and nothing else. */
  restore(url: string): Promise<void>
}

/**
 * Reads a Postgres as pg_dump does: every table and sequence in one snapshot, while others write;
 * but for `servers`, as docs/operations.md says: those at work now are not at work on a copy.
 * The programs themselves are not here: those of the system are older than the tests' Postgres,
 * and refuse it.
 */
export async function backUp(url: string): Promise<Backup> {
  const client = postgres(url, { max: 1, onnotice: () => {} })
  const tables = new Map<string, string>()
  let sequences: { name: string; last: string | null }[] = []
  await client.begin('isolation level repeatable read read only', async (tx) => {
    const names = await tx<{ name: string }[]>`
      select tablename as name from pg_tables
      where schemaname = 'public' and tablename <> 'servers' order by 1`
    for (const { name } of names) {
      const copied = await tx`copy ${tx(name)} to stdout`.readable()
      tables.set(name, await text(copied))
    }
    sequences = await tx`
      select sequencename as name, last_value::text as last from pg_sequences
      where schemaname = 'public'`
  })
  await client.end()
  return {
    async restore(target) {
      const into = postgres(target, { max: 1, onnotice: () => {} })
      await into`set session_replication_role = replica`
      for (const [name, rows] of tables) {
        const stream = await into`copy ${into(name)} from stdin`.writable()
        stream.end(rows)
        await once(stream, 'finish')
      }
      for (const { name, last } of sequences)
        if (last !== null) await into`select setval(${name}::regclass, ${last}::bigint)`
      await into.end()
    },
  }
}
