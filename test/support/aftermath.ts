import { createHash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { type Database, rows } from '../../src/db/database.ts'
import { type Attempt, digestOf, type Ledger } from './ledger.ts'

export interface Found {
  records: number
  /** Attempts that nobody was told the end of, and that became a record all the same. */
  unasked: number
  /** Attempts that were refused since the server died in two inspections of them. */
  refused: number
  bytes: number
}

/**
 * Holds what the server has against what its clients were told: one record for every file that was
 * promised, none for what was removed, at most one for what nobody heard of again; and in each of
 * them the bytes that were sent under its name.
 */
export async function requireKept(
  url: string,
  authorization: string,
  ledger: Pick<Ledger, 'attempts'>,
): Promise<Found> {
  const byName = new Map<string, { size: number; f: string }[]>()
  for (const record of await listAll(url, authorization))
    byName.set(record.name, [...(byName.get(record.name) ?? []), record])
  const found: Found = { records: 0, unasked: 0, refused: 0, bytes: 0 }
  for (const attempt of ledger.attempts) {
    const records = byName.get(attempt.name) ?? []
    byName.delete(attempt.name)
    requireCount(attempt, records.length)
    if (attempt.state === 'refused') found.refused++
    for (const { f, size } of records) {
      if (size !== attempt.size) throw new Error(`${attempt.name}: ${size} bytes are listed`)
      if ((await sha256At(f)) !== digestOf(attempt))
        throw new Error(`${attempt.name}: its bytes are not those that were sent`)
      found.records++
      found.bytes += size
      if (attempt.state !== 'promised') found.unasked++
    }
  }
  if (byName.size > 0) throw new Error(`nobody has sent ${[...byName.keys()]}`)
  return found
}

function requireCount({ name, state }: Attempt, count: number): void {
  const most = state === 'removed' || state === 'refused' ? 0 : 1
  const least = state === 'promised' ? 1 : 0
  if (state === 'running') throw new Error(`${name} has not come to an end`)
  if (count < least || count > most) throw new Error(`${name} (${state}) has ${count} records`)
}

interface Listed {
  name: string
  size: number
  f: string
}

async function listAll(url: string, authorization: string): Promise<Listed[]> {
  const all: Listed[] = []
  for (;;) {
    const answer = await fetch(
      `${url}/api/media/files?limit=500&offset=${all.length}&ordering=id`,
      { headers: { Authorization: authorization } },
    )
    const { count, results } = (await answer.json()) as { count: number; results: Listed[] }
    all.push(...results)
    if (all.length >= count || results.length === 0) return all
  }
}

async function sha256At(url: string): Promise<string> {
  const hash = createHash('sha256')
  const { body } = await fetch(url)
  for await (const chunk of body ?? []) hash.update(chunk)
  return hash.digest('hex')
}

/**
 * What stands in the database and in the folder of bytes when everything has come to an end and a
 * sweep has been there: every row has its file, every file its row, and the counters are right.
 *
 * @param files paths below the folder of bytes.
 */
export async function requireTidy(db: Database, files: readonly string[]): Promise<void> {
  const wrong = await rows<{ what: string }>(
    db,
    sql`select 'upload ' || id || ' of ' || door || ' is ' || state as what from uploads
        where state not in ('promoted', 'rejected', 'expired', 'terminated')
          or (state <> 'promoted' and not bytes_gone)
      union all select 'upload ' || id || ' was refused: ' || reject_reason from uploads
        where state = 'rejected' and (reject_reason <> 'file-unreadable' or inspect_tries < 2)
      union all select 'upload ' || u.id || ' has ' || count(m.id) || ' records' from uploads u
        left join media_files m on m.upload_id = u.id where u.state = 'promoted'
        group by u.id having count(m.id) <> 1
      union all select 'record ' || m.id || ' is of an upload that is ' || u.state
        from media_files m join uploads u on u.id = m.upload_id where u.state <> 'promoted'
      union all select 'record ' || m.id || ' was announced ' || count(o.id) || ' times'
        from media_files m left join outbox o
          on o.subject = 'media:' || m.id and o.event = 'media.created'
        group by m.id having count(o.id) <> 1
      union all select 'user ' || id || ' has ' || open_uploads || ' open uploads' from users
        where open_uploads <> 0
      union all select 'user ' || users.id || ' uses ' || used_bytes || ' bytes' from users
        where used_bytes <> (select coalesce(sum(size), 0) from media_files where user_id = users.id)
      union all select 'session ' || token || ' counts ' || file_count || ' files' from upload_sessions
        where file_count <> (select count(*) from uploads
          where session_token = token and state = 'promoted')`,
  )
  if (wrong.length > 0) throw new Error(wrong.map(({ what }) => what).join('\n'))
  const keys = await rows<{ key: string }>(db, sql`select storage_key as key from media_files`)
  // What was made of a file (thumbnails, manifest) has its name and an ending.
  const owned = (file: string, key: string) => file === key || file.startsWith(`${key}.`)
  const known = new Set(keys.map(({ key }) => key))
  const stray = files.filter((file) => {
    if (known.has(file)) return false
    return !keys.some(({ key }) => owned(file, key))
  })
  if (stray.length > 0) throw new Error(`files without a record: ${stray}`)
  const missing = [...known].filter((key) => !files.includes(key))
  if (missing.length > 0) throw new Error(`records without their file: ${missing}`)
}

/** Lines of a server's log that should never be written, or that no server writes. */
export function troubleIn(stderr: string, dead: boolean): string[] {
  const lines = stderr.split('\n')
  // A process that was killed may have died in the middle of one.
  if (dead) lines.pop()
  return lines.filter((line) => {
    if (line.trim() === '') return false
    try {
      const { level } = JSON.parse(line) as { level?: string }
      return level === 'error' || level === 'fatal'
    } catch {
      return true
    }
  })
}
