import { readFile } from 'node:fs/promises'
import path from 'node:path'
import postgres from 'postgres'
import { afterEach, describe, expect, it } from 'vitest'
import { migrationsFolder } from '../../src/db/migrate.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { createHome } from '../support/process.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

interface Column {
  name: string
  type: string
  notNull: boolean
  default?: unknown
  identity?: unknown
}

interface Table {
  name: string
  columns: Record<string, Column>
  foreignKeys: Record<string, { tableTo: string; columnsFrom: string[]; columnsTo: string[] }>
}

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

const readJson = async (file: string) =>
  JSON.parse(await readFile(path.join(migrationsFolder, 'meta', file), 'utf8'))

const { entries }: { entries: { idx: number; tag: string }[] } = await readJson('_journal.json')

/** The tables as a version knows them, those that others refer to first. */
async function tablesOf(idx: number): Promise<Table[]> {
  const { tables } = await readJson(`${String(idx).padStart(4, '0')}_snapshot.json`)
  const left = new Map(Object.values(tables as Record<string, Table>).map((t) => [t.name, t]))
  const sorted: Table[] = []
  while (left.size > 0) {
    const next = [...left.values()].find((table) =>
      Object.values(table.foreignKeys).every(({ tableTo }) => !left.has(tableTo)),
    )
    if (next === undefined) throw new Error('tables refer to each other in a circle')
    sorted.push(next)
    left.delete(next.name)
  }
  return sorted
}

const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ')

/** A value of this type; another one for each row. */
function literal({ type }: Column, row: number): string {
  if (type === 'uuid') return `'00000000-0000-4000-8000-00000000000${row}'`
  if (type === 'jsonb') return `'{"row": ${row}}'`
  if (type.startsWith('timestamp')) return `'2026-01-0${row} 00:00:00+00'`
  if (type === 'text') return `'row ${row}'`
  if (type === 'boolean') return 'false'
  return String(row)
}

/** What a server of that version says to a table: every column by its name, and no other. */
function statementsOf({ name, columns, foreignKeys }: Table) {
  const names = Object.keys(columns)
  const given = Object.values(columns).filter(({ identity }) => identity === undefined)
  const referring = new Map(
    Object.values(foreignKeys).flatMap(({ tableTo, columnsFrom, columnsTo }) =>
      columnsFrom.map((from, at) => [from, `(select "${columnsTo[at]}" from "${tableTo}")`]),
    ),
  )
  const valueFor = (column: Column, row: number) =>
    referring.get(column.name) ?? ('default' in column ? 'default' : literal(column, row))
  const own = quoted(given.map((column) => column.name))
  return {
    read: `select ${quoted(names)} from "${name}"`,
    insert: (row: number) =>
      `insert into "${name}" (${own}) values (${given.map((c) => valueFor(c, row)).join(', ')})`,
    change: `update "${name}" set ${given.map((c) => `"${c.name}" = "${c.name}"`).join(', ')}`,
    remove: `delete from "${name}"`,
  }
}

describe('a server of the version before', () => {
  it.each(entries.slice(1))('goes on with its statements after $tag', async ({ idx }) => {
    const { url, drop } = await createPostgresDatabase({ template: 'template0' })
    undo.push(drop)
    // One connection: what was prepared on it before the change is used after it.
    const client = postgres(url, { max: 1, onnotice: () => {} })
    undo.push(() => client.end())
    const migrate = async (tag: string) => {
      const text = await readFile(path.join(migrationsFolder, `${tag}.sql`), 'utf8')
      for (const part of text.split('--> statement-breakpoint')) await client.unsafe(part)
    }
    const run = (statement: string) => client.unsafe(statement, [], { prepare: true })
    for (const { tag } of entries.slice(0, idx)) await migrate(tag)
    const tables = (await tablesOf(idx - 1)).map(statementsOf)
    for (const { insert } of tables) await run(insert(1))
    const before = []
    for (const { read } of tables) before.push([...(await run(read))])
    expect(before.map(({ length }) => length)).toEqual(tables.map(() => 1))

    await migrate(entries[idx]?.tag ?? '')
    for (const [at, { read, change }] of tables.entries()) {
      expect([...(await run(read))]).toEqual(before[at])
      expect((await run(change)).count).toBe(1)
    }
    for (const { remove } of [...tables].reverse()) expect((await run(remove)).count).toBe(1)
    for (const { insert } of tables) expect((await run(insert(2))).count).toBe(1)
  })

  it('serves on while the next version migrates its database, and starts again on it', async () => {
    const home = await createHome('postgres')
    undo.push(() => home.remove())
    const server = await home.start()
    const authorization = `Token ${ADMIN_KEY}`
    const tus = tusClient(server.url, authorization)
    const url = await tus.begin(10, { filename: 'a.txt' })
    expect((await tus.patch(url, 0, 'first')).status).toBe(204)

    const { db, close } = await home.openDatabase()
    for (const { name } of await tablesOf(entries.length - 1))
      await db.execute(`alter table "${name}" add column next_version text default '' not null`)
    await db.execute('create table next_version (id integer)')
    await db.execute(
      `insert into drizzle.__drizzle_migrations (hash, created_at)
      select 'next', max(created_at) + 1 from drizzle.__drizzle_migrations`,
    )
    await close()

    expect((await tus.head(url)).headers.get('upload-offset')).toBe('5')
    expect((await tus.patch(url, 5, 'other')).status).toBe(204)
    server.kill('SIGTERM')
    await server.ended
    const again = await home.start()
    const answer = await fetch(`${again.url}/api/media/files`, {
      headers: { Authorization: authorization },
    })
    expect(await answer.json()).toMatchObject({ count: 1, results: [{ name: 'a.txt', size: 10 }] })
    const next = tusClient(again.url, authorization)
    expect((await next.remove(again.url + new URL(url).pathname)).status).toBe(204)
    expect(again.stderr()).not.toMatch(/"level":"?(?:error|50)/)
  })
})
