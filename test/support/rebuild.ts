import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { CommandFailure } from '../../src/commands/exit.ts'
import { addRebuildCommand } from '../../src/commands/rebuild.ts'
import { compose, type Landfall, type Replacements } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { type DatabaseKind, openTestDatabase } from './database.ts'
import { ADMIN_KEY } from './server.ts'

export interface Sum {
  manifests: Record<string, number>
  records: number
  users: number
  failed: number
  failures: { key: string; problem: string }[]
}

/** A data directory whose database can be lost. */
export interface Shelf {
  dataDir: string
  database(): OpenDatabase
  /** The folder of bytes, and the files in it by their paths below. */
  folder: string
  files(): Promise<string[]>
  serve(env?: Record<string, string>, replaced?: Replacements): Promise<Served>
  /** An empty database in the place of the one that there was. */
  loseDatabase(): Promise<void>
  /** `landfall rebuild … --json` */
  rebuild(...args: string[]): Promise<{ code: number; sum: Sum; stderr: string }>
  remove(): Promise<void>
}

export interface Served {
  url: string
  landfall: Landfall
  json<T = Record<string, unknown>>(path: string, init?: RequestInit): Promise<T>
}

export async function createShelf(kind: DatabaseKind): Promise<Shelf> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-shelf-'))
  const folder = path.join(dataDir, 'files')
  let database = await openTestDatabase(kind)
  const running: Landfall[] = []

  function open(env: Record<string, string> = {}, replaced: Replacements = {}): Promise<Landfall> {
    const config = readConfig({
      ...{ DATA_DIR: dataDir, PORT: '0', ADMIN_TOKEN: ADMIN_KEY, MEDIA_MANIFESTS: 'true' },
      ...env,
    })
    const log = createLog({ level: 'error' })
    // One after the other uses the same database.
    const kept = { ...database, close: async () => {} }
    return compose(config, { log, database: kept, ...replaced })
  }

  return {
    dataDir,
    folder,
    database: () => database,
    async files() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
        .sort()
    },
    async serve(env, replaced) {
      const landfall = await open(env, replaced)
      running.push(landfall)
      const { url } = await landfall.listen()
      const headers = { Authorization: `Token ${ADMIN_KEY}` }
      return {
        url,
        landfall,
        async json<T>(at: string, init: RequestInit = {}) {
          const sent = { ...init, headers: { ...headers, ...init.headers } }
          const answer = await fetch(url + at, sent)
          if (!answer.ok) throw new Error(`${at}: ${answer.status} ${await answer.text()}`)
          return (await answer.json()) as T
        },
      }
    },
    async loseDatabase() {
      await database.close()
      database = await openTestDatabase(kind)
    },
    async rebuild(...args) {
      const written = { stdout: [] as string[], stderr: [] as string[] }
      const output = {
        result: (line: string) => void written.stdout.push(line),
        note: (line: string) => void written.stderr.push(line),
      }
      const program = new Command().exitOverride()
      addRebuildCommand(program, { env: {}, output, terminal: false }, () => open())
      const code = await program
        .parseAsync(['rebuild', '--json', ...args], { from: 'user' })
        .then(() => 0)
        .catch((error: unknown) => {
          if (!(error instanceof CommandFailure)) throw error
          return error.exitCode
        })
      const sum = JSON.parse(written.stdout.join('')) as Sum
      return { code, sum, stderr: written.stderr.join('\n') }
    },
    async remove() {
      for (const landfall of running) await landfall.close().catch(() => {})
      await database.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
