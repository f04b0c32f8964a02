import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import { expect } from 'vitest'
import { rows } from '../../src/db/database.ts'
import { openRaw, type RawAnswer } from './raw.ts'
import type { TestServer } from './server.ts'

/** What an answer must never hold, by what it would give away. */
const LEAKS: readonly (readonly [what: string, pattern: RegExp])[] = [
  [
    'a path of this machine',
    /\/(?:tmp|home|usr|root|work|proc|app)\/|node_modules|[\w-]+\.[cm]?[jt]s:\d+/,
  ],
  ['a stack', /^\s+at .+[:)]/m],
  [
    'a statement',
    /\bselect\b.+\bfrom\b|insert\s+into\b.+\(|\bupdate\b.+\bset\b|delete\s+from\b|\$\d+/is,
  ],
  [
    'a database',
    /drizzle|pglite|postgres|relation "|column "|syntax error at|invalid input syntax/i,
  ],
  [
    'a system error',
    /\bE(?:NOENT|ACCES|ISDIR|NOTDIR|NAMETOOLONG|CONN\w+|INVAL|IO|MFILE|NOSPC|EXIST)\b/,
  ],
  [
    'an error of the language',
    /\b(?:Type|Range|Syntax|Reference)Error\b|undefined|\[object |is not a function/,
  ],
]

/** What the body of an answer gives away of the inside of the server; null where it is nothing. */
export function leakIn(body: string): string | null {
  for (const [what, pattern] of LEAKS) {
    const found = pattern.exec(body)
    if (found) return `${what}: ${found[0]}`
  }
  return null
}

/** The server is there, and nothing has happened that nobody expected. */
export async function expectSound(server: TestServer): Promise<void> {
  const answer = await fetch(`${server.url}/readyz`)
  expect(answer.status).toBe(200)
  await answer.arrayBuffer()
  expect(server.logged.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([])
}

/** Every file of the server but those of its database, by its path below DATA_DIR. */
export async function filesOf(server: TestServer): Promise<string[]> {
  const entries = await readdir(server.dataDir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(server.dataDir, path.join(entry.parentPath, entry.name)))
    .sort()
}

/** Rows and files: what a refused request leaves exactly as it was. */
export async function stateOf(server: TestServer): Promise<unknown> {
  const counted = await rows(
    server.database.db,
    sql`select (select count(*)::int from uploads where state not in ('terminated', 'rejected')) as uploads,
      (select coalesce(sum("offset"), 0)::text from uploads
        where state not in ('terminated', 'rejected')) as bytes,
      (select coalesce(sum(size), 0)::text from uploads
        where state not in ('terminated', 'rejected')) as sizes,
      (select string_agg(id || name || description, ',' order by id) from media_files) as media,
      (select count(*)::int from upload_sessions) as sessions,
      (select string_agg(id || username || role || first_name || last_name || is_active
        || used_bytes || ':' || open_uploads, ',' order by id) from users) as users,
      (select string_agg(id || name || coalesce(expires_at::text, '') ||
        coalesce(revoked_at::text, ''), ',' order by id) from tokens) as tokens`,
  )
  return { rows: counted[0], files: await filesOf(server) }
}

/**
 * One request, byte for byte as it is written here, and its answer. A body in the answer to HEAD
 * would be taken for one of the next answer, so HEAD has to be asked for with `fetch`.
 */
export async function sendRaw(
  url: string,
  head: readonly string[],
  body: string | Uint8Array = '',
): Promise<RawAnswer> {
  const connection = await openRaw(url)
  connection.send(
    Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), bytes(body)]),
  )
  try {
    const answer = await connection.answer()
    return { ...answer, body: Buffer.from(answer.body, 'latin1').toString() }
  } finally {
    connection.reset()
  }
}

const bytes = (body: string | Uint8Array) => (typeof body === 'string' ? Buffer.from(body) : body)

/** A request with the usual headers, its target and everything else as given. */
export function request(
  method: string,
  target: string,
  authorization: string | null,
  headers: readonly string[] = [],
): string[] {
  return [
    `${method} ${target} HTTP/1.1`,
    'Host: test',
    ...(authorization === null ? [] : [`Authorization: ${authorization}`]),
    ...headers,
  ]
}

/** Text that no HTTP library would put into a header: its UTF-8 bytes, one character each. */
export const latin1 = (text: string) => Buffer.from(text).toString('latin1')

/** What is no number of bytes, wherever one has to stand. */
export const NO_NUMBERS = '-1 +5 1e3 0x10 5.0 5,5 5;5 ٥ NaN'.split(' ').concat('5 5', '')

/** Numbers that JavaScript cannot count exactly, or Postgres not at all. */
export const TOO_LARGE = ['9007199254740992', '9223372036854775808', '18446744073709551616']
