import path from 'node:path'
import postgres from 'postgres'
import type { ExistingUser } from '../auth/import-users.ts'
import { CommandFailure } from './exit.ts'
import {
  type BadRow,
  type ImportSource,
  roleOf,
  type SourceFile,
  timeOf,
  uuidOf,
} from './import-source.ts'

export interface DjangoOptions {
  url: string
  /** Of the chunked uploads, with or without its schema. */
  table: string
  /** Of the users. */
  usersTable: string
}

/** `status` of a finished upload, in drf-chunked-upload and in its ancestor. */
const COMPLETE = 2
/** Rows fetched at a time. */
const PAGE = 500

type Sql = postgres.TransactionSql
type Names = ReadonlySet<string>

/**
 * Hands the uploads and users of a Django project on Postgres to `use`, as they stand at one
 * moment, in a transaction that can only read.
 */
export async function readDjango<T>(
  options: DjangoOptions,
  use: (source: ImportSource) => Promise<T>,
): Promise<T> {
  const client = postgres(options.url, { max: 1, connect_timeout: 10, onnotice: () => {} })
  try {
    return (await client.begin('isolation level repeatable read read only', async (sql) => {
      // Times come as text with their microseconds; a copy of a large file is not an idle client.
      await sql`set local time zone 'UTC'`
      await sql`set local datestyle = 'ISO'`
      await sql`set local statement_timeout = 0`
      await sql`set local idle_in_transaction_session_timeout = 0`
      return use(await sourceOf(sql, options))
    })) as T
  } finally {
    await client.end({ timeout: 5 })
  }
}

async function sourceOf(sql: Sql, { table, usersTable }: DjangoOptions): Promise<ImportSource> {
  const columns = await columnsOf(sql, table)
  const userColumns = await columnsOf(sql, usersTable)
  const ancestor = columns.has('created_on')
  const dates = ancestor ? ['created_on', 'completed_on'] : ['created_at', 'completed_at']
  await requireColumns(sql, table, columns, ['file', 'filename', 'offset', 'status', ...dates])
  await requireColumns(sql, usersTable, userColumns, ['id', 'username'])
  const [counts] = await sql<{ complete: number; unfinished: number }[]>`
    select count(*) filter (where status = ${COMPLETE})::int as complete,
      count(*) filter (where status <> ${COMPLETE})::int as unfinished
    from ${sql(table)}`
  return {
    total: counts?.complete ?? 0,
    unfinished: counts?.unfinished ?? 0,
    users: usersOf(sql, usersTable, userColumns),
    files: filesOf(sql, table, usersTable, columns),
  }
}

async function columnsOf(sql: Sql, table: string): Promise<Names> {
  const quoted = table.split('.').map((part) => `"${part.replaceAll('"', '""')}"`)
  const found = await sql<{ name: string }[]>`
    select attname as name from pg_attribute
    where attrelid = to_regclass(${quoted.join('.')}) and attnum > 0 and not attisdropped`
  return new Set(found.map(({ name }) => name))
}

async function requireColumns(
  sql: Sql,
  table: string,
  columns: Names,
  needed: readonly string[],
): Promise<void> {
  const missing = needed.filter((name) => !columns.has(name))
  if (missing.length === 0) return
  if (columns.size > 0)
    throw new CommandFailure(
      `The table ${table} has no column ${missing.join(', ')}: write CSV files instead.`,
    )
  const alike = await sql<{ name: string }[]>`
    select table_name as name from information_schema.columns
    where column_name = any(${[...needed]}) and table_schema not in ('pg_catalog')
    group by table_schema, table_name having count(*) = ${needed.length} order by 1 limit 5`
  const names = alike.map(({ name }) => name).join(', ')
  throw new CommandFailure(
    `There is no table ${table}.${names === '' ? '' : ` These have its columns: ${names}.`}`,
  )
}

interface UserRow {
  username: string
  first_name: string | null
  last_name: string | null
  is_staff: boolean | null
  is_superuser: boolean | null
  is_active: boolean | null
  last_login: string | null
  date_joined: string | null
}

async function* usersOf(sql: Sql, table: string, columns: Names): AsyncGenerator<ExistingUser> {
  // A project's own user model may lack some of them.
  const column = (name: string, type: string) =>
    columns.has(name)
      ? sql`${sql(name)}::${sql.unsafe(type)} as ${sql(name)}`
      : sql`null::${sql.unsafe(type)} as ${sql(name)}`
  const pages = sql<UserRow[]>`
    select username::text as username, ${column('first_name', 'text')},
      ${column('last_name', 'text')}, ${column('is_staff', 'boolean')},
      ${column('is_superuser', 'boolean')}, ${column('is_active', 'boolean')},
      ${column('last_login', 'text')}, ${column('date_joined', 'text')}
    from ${sql(table)} order by id`.cursor(PAGE)
  for await (const page of pages)
    for (const user of page)
      yield {
        username: user.username,
        firstName: user.first_name ?? '',
        lastName: user.last_name ?? '',
        role: roleOf({
          isSuperuser: user.is_superuser ?? false,
          isStaff: user.is_staff ?? false,
        }),
        isActive: user.is_active ?? true,
        lastLogin: user.last_login === null ? null : timeOf(user.last_login),
        createdAt: user.date_joined === null ? null : timeOf(user.date_joined),
      }
}

interface FileRow {
  id: string
  file: string | null
  filename: string
  offset: string
  created_at: string | null
  completed_at: string | null
  username: string | null
}

/** In the order of their making, so that the ids of the records have nearly the same. */
async function* filesOf(
  sql: Sql,
  table: string,
  usersTable: string,
  columns: Names,
): AsyncGenerator<SourceFile | BadRow> {
  // django-chunked-upload, the ancestor, has other names for the same.
  const id = columns.has('upload_id') ? sql`f.upload_id` : sql`f.id`
  const created = columns.has('created_on') ? sql`f.created_on` : sql`f.created_at`
  const completed = columns.has('completed_on') ? sql`f.completed_on` : sql`f.completed_at`
  const owner = columns.has('user_id')
    ? sql`left join ${sql(usersTable)} u on u.id = f.user_id`
    : sql`left join (select null::text as username) u on true`
  const pages = sql<FileRow[]>`
    select ${id}::text as id, f.file, f.filename, f."offset"::text, ${created}::text as created_at,
      ${completed}::text as completed_at, u.username::text as username
    from ${sql(table)} f ${owner}
    where f.status = ${COMPLETE} order by ${created}, ${id}`.cursor(PAGE)
  for await (const page of pages) for (const row of page) yield fileOf(row)
}

function fileOf(row: FileRow): SourceFile | BadRow {
  const at = `upload ${row.id}`
  const createdAt = timeOf(row.created_at ?? '')
  if (!row.file) return { at, path: '', problem: 'It has no file.' }
  if (createdAt === null) return { at, path: row.file, problem: 'It has no date of creation.' }
  return {
    at,
    id: uuidOf(row.id),
    path: row.file,
    name: row.filename || path.basename(row.file),
    description: '',
    username: row.username,
    createdAt,
    updatedAt: timeOf(row.completed_at ?? '') ?? createdAt,
    size: Number(row.offset),
    sha256: null,
  }
}
