import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import type { Config } from '../config.ts'
import { type Database, type OpenDatabase, rows } from '../db/database.ts'
import { migrationsFolder } from '../db/migrate.ts'
import { openEmbedded } from '../db/pglite.ts'
import { openPostgres } from '../db/postgres.ts'
import { clockFinding, type Finding, fail, ok, warn } from './doctor-finding.ts'
import { wordsOf } from './error-words.ts'

/** What is asked of it is in Postgres from here on (pg_current_xact_id, gen_random_uuid). */
const OLDEST_POSTGRES = 13

/**
 * Opens the database without bringing its tables up to date, and looks at it. The embedded one is
 * started for it: after a crash that recovers it, as any start does.
 */
export async function checkDatabase(config: Config, inUse: boolean): Promise<Finding[]> {
  const check = 'database'
  const { databaseUrl, dataDir } = config
  if (databaseUrl === undefined) {
    if (inUse) return [ok(check, 'embedded, in use by the running server: ask it (LANDFALL_URL)')]
    const made = await stat(path.join(dataDir, 'db', 'PG_VERSION')).catch(() => null)
    if (made === null) return [ok(check, 'embedded, not made yet; the first start makes it')]
  }
  let database: OpenDatabase
  try {
    database =
      databaseUrl === undefined
        ? await openEmbedded(dataDir, { migrate: false })
        : await openPostgres({ url: databaseUrl, maxConnections: 1, migrate: false })
  } catch (error) {
    return [away(error)]
  }
  try {
    return await look(database, config)
  } catch (error) {
    return [away(error)]
  } finally {
    await database.close()
  }
}

function away(error: unknown): Finding {
  const mend = 'see that it runs, that DATABASE_URL is right, and that this machine may connect'
  return fail('database', wordsOf(error), mend)
}

async function look({ db, kind }: OpenDatabase, config: Config): Promise<Finding[]> {
  const before = Date.now()
  const [facts] = await rows<{ version: string; number: string; now: string | number }>(
    db,
    sql`select current_setting('server_version') as version,
      current_setting('server_version_num') as number,
      extract(epoch from clock_timestamp()) * 1000 as now`,
  )
  const took = Date.now() - before
  const major = Math.floor(Number(facts?.number) / 10_000)
  const name = kind === 'embedded' ? 'embedded Postgres' : 'Postgres'
  const version =
    major < OLDEST_POSTGRES
      ? fail('database', `${name} ${facts?.version} is too old`, `use ${OLDEST_POSTGRES} or newer`)
      : ok('database', `${name} ${facts?.version} answers in ${took} ms`)
  const schema = await checkMigrations(db)
  if (kind === 'embedded') return [version, schema]
  const ahead = Number(facts?.now) - (before + took / 2)
  return [
    version,
    schema,
    clockFinding('database clock', 'the database', ahead, took / 2),
    ...(await checkSettings(db, config)),
  ]
}

/** Whether the tables are those of this version. */
async function checkMigrations(db: Database): Promise<Finding> {
  const check = 'tables'
  const file = path.join(migrationsFolder, 'meta', '_journal.json')
  const { entries } = JSON.parse(await readFile(file, 'utf8')) as { entries: { when: number }[] }
  const [table] = await rows<{ there: boolean }>(
    db,
    sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
  )
  if (!table?.there) return ok(check, 'not made yet; the first start makes them')
  const done = await rows<{ created_at: string | number }>(
    db,
    sql`select created_at from drizzle.__drizzle_migrations order by created_at`,
  )
  const last = Number(done.at(-1)?.created_at ?? 0)
  const newest = entries.at(-1)?.when ?? 0
  if (last > newest)
    return fail(
      check,
      'the database was brought up to date by a newer Landfall than this one',
      'install that version again: an older one must not write here',
    )
  const missing = entries.filter(({ when }) => when > last).length
  return missing === 0
    ? ok(check, `up to date (${entries.length} migrations)`)
    : warn(
        check,
        `${missing} migrations are missing`,
        'run `landfall migrate`, or start the server',
      )
}

/** What of a real Postgres breaks promises of ours, or slows it down. */
async function checkSettings(db: Database, { durability, workers }: Config): Promise<Finding[]> {
  const [found] = await rows<{
    fsync: string
    commit: string
    connections: string
    used: string | number
    trigrams: boolean
  }>(
    db,
    sql`select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
      current_setting('max_connections') as connections,
      (select count(*) from pg_stat_activity where backend_type = 'client backend') as used,
      exists (select from pg_available_extensions
        where name = 'pg_trgm' and installed_version is not null) as trigrams`,
  )
  const findings: Finding[] = []
  if (durability === 'power' && (found?.fsync === 'off' || found?.commit === 'off'))
    findings.push(
      warn(
        'database durability',
        `fsync is ${found.fsync} and synchronous_commit ${found.commit}: what was acknowledged can ` +
          'be lost with the power',
        'switch both on in postgresql.conf, or set DURABILITY=process',
      ),
    )
  const room = Number(found?.connections) - Number(found?.used)
  const wanted = workers * 11
  findings.push(
    room < wanted
      ? warn(
          'database connections',
          `${room} of ${found?.connections} are free, a start takes up to ${wanted}`,
          'raise max_connections, or lower WORKERS',
        )
      : ok('database connections', `${room} of ${found?.connections} are free`),
  )
  if (!found?.trigrams)
    findings.push(
      warn(
        'database search',
        'there is no pg_trgm: a search reads every name',
        'as a superuser of the database: CREATE EXTENSION pg_trgm',
      ),
    )
  return findings
}
