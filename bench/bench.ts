import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { buildClient, type Client } from './client.ts'
import { randomFile } from './content.ts'
import { startLandfall } from './landfall.ts'
import type { Options } from './options.ts'
import { openPostgresServer, type PostgresServer } from './postgres.ts'
import { runToEnd } from './program.ts'
import type { Progress } from './progress.ts'
import { alternate, type Results } from './rounds.ts'
import type { Row } from './row.ts'
import type { Bench, Scenario } from './scenario.ts'

/** What a whole run shares: one Postgres, one client, one folder. */
export interface Stage {
  /** Runs a scenario and clears up after it, whatever becomes of it. */
  run(scenario: Scenario): Promise<{ rows: Row[]; samples: Results['samples'][] }>
  postgresVersion(): Promise<string | null>
  /** Also in the middle of a scenario. */
  close(): Promise<void>
}

export async function openStage(options: Options, progress: Progress): Promise<Stage> {
  const home = await mkdtemp(path.join(options.dir, 'landfall-bench-'))
  let client: Promise<Client> | undefined
  let postgres: Promise<PostgresServer> | undefined
  /** What the scenario that runs has to have ended. */
  let ends: (() => Promise<unknown>)[] = []
  const database = async () => {
    postgres ??= openPostgresServer(options.dir)
    return (await postgres).createDatabase()
  }

  function benchFor(folder: string): Bench & { all: Results[] } {
    const all: Results[] = []
    let count = 0
    const after = (end: () => Promise<unknown>) => void ends.unshift(end)
    const ownDatabase = async () => {
      const made = await database()
      after(() => made.drop())
      return made
    }
    return {
      ...options,
      folder,
      all,
      after,
      content: (bytes) => randomFile(path.join(options.cache, 'content'), bytes),
      client: () => (client ??= buildClient(options.cache)),
      database: ownDatabase,
      async landfall(given = {}) {
        const databaseUrl = given.databaseUrl ?? (await ownDatabase()).url
        const name = `landfall-${count++}`
        const deps = { program: options.server, folder, name, databaseUrl }
        const server = await startLandfall(deps, given)
        after(() => server.stop())
        return server
      },
      async alternate(contestants, times = {}) {
        const { runs } = options
        const settle = () => runToEnd('sync', ['-f', home]).then(() => {})
        const { onRun } = progress
        const results = await alternate(contestants, { runs, settle, onRun, ...times })
        all.push(results)
        return results
      },
      note: progress.note,
    }
  }

  let ending: Promise<void> = Promise.resolve()
  /** One after the other, also where a signal asks for it in the middle; one that fails stops none. */
  function endAll(): Promise<void> {
    const all = ends
    ends = []
    ending = ending.then(async () => {
      for (const end of all) await end().catch((error: Error) => progress.note(error.message))
    })
    return ending
  }

  async function closeAll(): Promise<void> {
    await endAll()
    await (await postgres?.catch(() => undefined))?.stop()
    await rm(home, { recursive: true, force: true })
  }
  let closing: Promise<void> | undefined

  return {
    async run(scenario) {
      const folder = path.join(home, scenario.name)
      await mkdir(folder)
      const bench = benchFor(folder)
      try {
        const rows = await scenario.run(bench)
        return { rows, samples: bench.all.map(({ samples }) => samples) }
      } finally {
        await endAll()
        await rm(folder, { recursive: true, force: true })
      }
    },
    async postgresVersion() {
      return postgres === undefined ? null : (await postgres).version()
    },
    close: () => (closing ??= closeAll()),
  }
}
