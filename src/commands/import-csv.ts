import path from 'node:path'
import type { ExistingUser } from '../auth/import-users.ts'
import { parseNonNegativeInteger } from '../wire/integer.ts'
import { type Columns, type CsvRow, csvRows } from './csv.ts'
import { CommandFailure } from './exit.ts'
import {
  type BadRow,
  type ImportSource,
  roleOf,
  type SourceFile,
  timeOf,
  uuidOf,
} from './import-source.ts'

export const fileColumns: Columns = {
  required: ['path', 'name', 'created_at'],
  optional: ['username', 'user_id', 'description', 'updated_at', 'size', 'sha256', 'id'],
}

export const userColumns: Columns = {
  required: ['username'],
  optional: [
    'id',
    'first_name',
    'last_name',
    'is_staff',
    'is_superuser',
    'is_active',
    'last_login',
    'date_joined',
  ],
}

/**
 * Files and, where they are given, users of two CSV files. Both are read through once before
 * anything is imported, so that what is no CSV is found first.
 */
export async function readCsv(files: string, users: string | undefined): Promise<ImportSource> {
  const usernames = new Map<string, string>()
  if (users !== undefined)
    for await (const row of csvRows(users, userColumns)) {
      const { username } = userOf(row)
      if (row.get('id') !== '') usernames.set(row.get('id'), username)
    }
  let total = 0
  for await (const row of csvRows(files, fileColumns)) {
    total += 1
    if (row.get('user_id') !== '' && usernames.size === 0)
      throw new CommandFailure(`${row.at}: user_id needs --users with a column id.`)
  }
  return {
    total,
    unfinished: 0,
    users: users === undefined ? nobody() : usersOf(users),
    files: filesOf(files, usernames),
  }
}

async function* nobody(): AsyncGenerator<never> {}

async function* usersOf(file: string): AsyncGenerator<ExistingUser> {
  for await (const row of csvRows(file, userColumns)) yield userOf(row)
}

async function* filesOf(
  file: string,
  usernames: ReadonlyMap<string, string>,
): AsyncGenerator<SourceFile | BadRow> {
  for await (const row of csvRows(file, fileColumns)) yield fileOf(row, usernames)
}

/** A user that cannot be read ends the import: their files would be somebody else's or nobody's. */
function userOf(row: CsvRow): ExistingUser {
  const username = row.get('username')
  const wrong = (what: string) => new CommandFailure(`${row.at}: ${what}`)
  if (!row.whole) throw wrong('it has more or fewer fields than the header.')
  if (username === '') throw wrong('username is empty.')

  function yes(column: string, otherwise: boolean): boolean {
    const text = row.get(column)
    if (text === '') return otherwise
    if (/^(?:t|true|1|yes)$/i.test(text)) return true
    if (/^(?:f|false|0|no)$/i.test(text)) return false
    throw wrong(`${column} is neither true nor false.`)
  }

  function time(column: string): string | null {
    const text = row.get(column)
    const value = text === '' ? null : timeOf(text)
    if (text !== '' && value === null) throw wrong(`${column} is not a time.`)
    return value
  }

  return {
    username,
    firstName: row.get('first_name'),
    lastName: row.get('last_name'),
    role: roleOf({ isSuperuser: yes('is_superuser', false), isStaff: yes('is_staff', false) }),
    isActive: yes('is_active', true),
    lastLogin: time('last_login'),
    createdAt: time('date_joined'),
  }
}

function fileOf(row: CsvRow, usernames: ReadonlyMap<string, string>): SourceFile | BadRow {
  const { at } = row
  const file = row.get('path')
  const bad = (problem: string) => ({ at, path: file, problem })
  const [createdAt, updatedAt] = [timeOf(row.get('created_at')), timeOf(row.get('updated_at'))]
  const id = uuidOf(row.get('id'))
  const size = parseNonNegativeInteger(row.get('size'))
  const sha256 = row.get('sha256').trim().toLowerCase()
  const userId = row.get('user_id')
  if (!row.whole) return bad('It has more or fewer fields than the header.')
  if (file === '') return bad('path is empty.')
  if (createdAt === null)
    return bad('created_at is not a time such as 2026-03-04T05:06:07.123456Z.')
  if (row.get('updated_at') !== '' && updatedAt === null) return bad('updated_at is not a time.')
  if (row.get('id') !== '' && id === null) return bad('id is not a UUID.')
  if (row.get('size') !== '' && size === null) return bad('size is not a number of bytes.')
  if (!/^(?:[\da-f]{64})?$/.test(sha256)) return bad('sha256 is not a digest in hex.')
  if (userId !== '' && !usernames.has(userId)) return bad(`There is no user ${userId} in --users.`)
  return {
    at,
    id,
    path: file,
    name: row.get('name') || path.basename(file),
    description: row.get('description'),
    username: usernames.get(userId) ?? (row.get('username') || null),
    createdAt,
    updatedAt: updatedAt ?? createdAt,
    size,
    sha256: sha256 || null,
  }
}
