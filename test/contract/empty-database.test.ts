import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { type OpenDatabase, rows } from '../../src/db/database.ts'
import { unpackEmptyDatabase } from '../../src/db/empty-database.ts'
import { openEmbedded } from '../../src/db/pglite.ts'
import { emptyDatabase } from '../support/database.ts'
import { createHome } from '../support/process.ts'

/** Where it is written out first. */
const UNPACKING = '.landfall-unpacking'

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

async function createFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-empty-'))
  undo.push(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function open(folder: string): Promise<OpenDatabase> {
  const opened = await openEmbedded(folder)
  undo.push(opened.close)
  return opened
}

/** Tells one that was written out from one that was made: each made one has a number of its own. */
async function numberOf({ db }: OpenDatabase): Promise<unknown> {
  const [row] = await rows(db, sql`select system_identifier::text from pg_control_system()`)
  return row
}

/** Everything that migrations make, in words. */
async function schemaOf({ db }: OpenDatabase): Promise<unknown> {
  const columns = await rows(
    db,
    sql`select table_name, column_name, data_type, is_nullable, column_default
      from information_schema.columns where table_schema = 'public' order by 1, 2`,
  )
  const indexes = await rows(
    db,
    sql`select indexdef from pg_indexes
    where schemaname = 'public' order by 1`,
  )
  const constraints = await rows(
    db,
    sql`select conrelid::regclass::text as on,
    pg_get_constraintdef(oid) from pg_constraint order by 1, 2`,
  )
  const functions = await rows(
    db,
    sql`select pg_get_functiondef(oid) from pg_proc
    where pronamespace = 'public'::regnamespace order by 1`,
  )
  const triggers = await rows(
    db,
    sql`select pg_get_triggerdef(oid) from pg_trigger
    where not tgisinternal order by 1`,
  )
  return { columns, indexes, constraints, functions, triggers }
}

describe('the empty database that is shipped', () => {
  it('has the schema that the migrations make, and nothing else', async () => {
    const folder = await createFolder()
    expect(await unpackEmptyDatabase(path.join(folder, 'db'), emptyDatabase())).toBe(true)
    const shipped = await openEmbedded(folder, { migrate: false })
    undo.push(shipped.close)
    const made = await open(await createFolder())
    expect(await numberOf(shipped)).not.toEqual(await numberOf(made))
    expect(await schemaOf(shipped)).toEqual(await schemaOf(made))

    const tables = await rows<{ name: string }>(
      shipped.db,
      sql`select table_name as name from information_schema.tables where table_schema = 'public'`,
    )
    expect(tables.length).toBeGreaterThan(10)
    for (const { name } of tables) {
      const found = await rows(shipped.db, sql`select 1 from ${sql.identifier(name)}`)
      expect(found, name).toEqual([])
    }
    const applied = (database: OpenDatabase) =>
      rows(database.db, sql`select hash, created_at from drizzle.__drizzle_migrations order by id`)
    expect(await applied(shipped)).toEqual(await applied(made))
  })

  it('is what a server begins with', async () => {
    const numbers = []
    for (let n = 0; n < 2; n++) {
      const home = await createHome('embedded')
      undo.push(home.remove)
      const server = await home.start()
      server.kill('SIGTERM')
      await server.ended
      numbers.push(await numberOf(await open(home.dataDir)))
      expect(await readdir(home.dataDir)).not.toContain(UNPACKING)
    }
    expect(numbers[0]).toEqual(numbers[1])
  })

  it('is written anew where a process died over it', async () => {
    const home = await createFolder()
    await mkdir(path.join(home, UNPACKING, 'base'), { recursive: true })
    await writeFile(path.join(home, UNPACKING, 'PG_VERSION'), 'half')
    await mkdir(path.join(home, 'db'))
    expect(await unpackEmptyDatabase(path.join(home, 'db'), emptyDatabase())).toBe(true)
    await open(home)
    expect(await readdir(home)).not.toContain(UNPACKING)
  })

  it('leaves a folder alone that cannot be replaced, such as a mount point or a link', async () => {
    const [home, elsewhere] = [await createFolder(), await createFolder()]
    await symlink(elsewhere, path.join(home, 'db'))
    expect(await unpackEmptyDatabase(path.join(home, 'db'), emptyDatabase())).toBe(false)
    expect(await readdir(home)).toEqual(['db'])
    expect(await readdir(elsewhere)).toEqual([])
  })

  it('is all there or not there: nothing is left where it could not be written', async () => {
    const home = await createFolder()
    const cut = path.join(home, 'cut.br')
    await writeFile(cut, (await readFile(emptyDatabase())).subarray(0, 100_000))
    await expect(unpackEmptyDatabase(path.join(home, 'db'), cut)).rejects.toThrow(
      `${cut} is damaged: install Landfall again`,
    )
    expect(await readdir(home)).toEqual(['cut.br'])
  })

  it('takes no place where a database is, or where there is none to take', async () => {
    const folder = await createFolder()
    const made = await numberOf(await open(folder))
    await undo.pop()?.()
    expect(await unpackEmptyDatabase(path.join(folder, 'db'), emptyDatabase())).toBe(false)
    expect(await numberOf(await open(folder))).toEqual(made)

    const other = path.join(await createFolder(), 'db')
    expect(await unpackEmptyDatabase(other, path.join(folder, 'nothing.br'))).toBe(false)
    expect(await readdir(path.dirname(other))).toEqual([])
  })
})

describe('the folder of the embedded database', () => {
  const modeOf = async (folder: string) => (await stat(path.join(folder, 'db'))).mode & 0o777

  it('is closed to other users, also where a version before left it open', async () => {
    const folder = await createFolder()
    await (await openEmbedded(folder)).close()
    expect(await modeOf(folder)).toBe(0o700)
    await chmod(path.join(folder, 'db'), 0o755)
    await open(folder)
    expect(await modeOf(folder)).toBe(0o700)

    // Its operator may let a group in.
    await undo.pop()?.()
    await chmod(path.join(folder, 'db'), 0o750)
    await open(folder)
    expect(await modeOf(folder)).toBe(0o750)

    const unpacked = await createFolder()
    await unpackEmptyDatabase(path.join(unpacked, 'db'), emptyDatabase())
    await open(unpacked)
    expect(await modeOf(unpacked)).toBe(0o700)
  })
})
