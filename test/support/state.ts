import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import { rows } from '../../src/db/database.ts'
import type { TestServer } from './server.ts'

/**
 * All that a request could have changed: a line for every row of every table, with a digest of what
 * is in it, and one for every file. Left out are `last_login`, which any use of a token moves, and
 * who holds a lock: it is let go beside the answer.
 */
export async function stateOf({ database, dataDir }: TestServer): Promise<string[]> {
  const found = await rows<{ line: string }>(
    database.db,
    sql`with everything as (
      select 'upload ' || id as name, to_jsonb(u) - 'lock_owner' - 'lock_epoch' as row from uploads u
      union all select 'media ' || id, to_jsonb(m) from media_files m
      union all select 'session ' || token, to_jsonb(s) from upload_sessions s
      union all select 'user ' || id, to_jsonb(u) - 'last_login' from users u
      union all select 'token ' || id, to_jsonb(t) from tokens t
      union all select 'event ' || id, to_jsonb(o) from outbox o
    ) select name || ' ' || md5(row::text) as line from everything order by 1`,
  )
  const folder = path.join(dataDir, 'files')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  return [...found.map(({ line }) => line), ...files.sort()]
}
