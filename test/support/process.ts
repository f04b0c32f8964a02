import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inject } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { openEmbedded } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { createPostgresDatabase, type DatabaseKind } from './database.ts'
import { withoutManifests } from './manifests.ts'
import { watchedText } from './secrets.ts'
import { ADMIN_KEY } from './server.ts'

/** Where a server's state is, through any number of deaths. */
export interface Home {
  dataDir: string
  start(env?: Record<string, string>): Promise<ServerProcess>
  /** Every file below the folder of bytes, by its path; a manifest only where its bytes are not. */
  files(): Promise<string[]>
  /** What the servers have written, to look at while none of them runs. */
  openDatabase(): Promise<OpenDatabase>
  remove(): Promise<void>
}

export interface ServerProcess {
  url: string
  /** Processor time that it took until it listened, loading and translating its code included. */
  startCpuMs: number
  pid: number
  /** Resolves when the process has ended, by whatever way. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stderr(): string
  kill(signal: NodeJS.Signals): void
  /** Sweeps once, with the clock set forward. */
  sweep(clock: { aheadMs: number }): Promise<void>
  /** Has it stop itself at a place (test/support/freeze.ts); it was started with LEASE_MS. */
  freezeAt(where: string): Promise<void>
}

export async function createHome(kind: DatabaseKind): Promise<Home> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-home-'))
  const postgres = kind === 'postgres' ? await createPostgresDatabase() : undefined
  const running = new Set<ServerProcess>()
  return {
    dataDir,
    async start(env = {}) {
      const server = await startProcess({
        PATH: process.env.PATH ?? '',
        PORT: '0',
        DATA_DIR: dataDir,
        ADMIN_TOKEN: ADMIN_KEY,
        ...(postgres ? { DATABASE_URL: postgres.url } : {}),
        ...env,
      })
      running.add(server)
      server.ended.then(() => running.delete(server))
      return server
    },
    async files() {
      const entries = await readdir(path.join(dataDir, 'files'), {
        recursive: true,
        withFileTypes: true,
      })
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
      return withoutManifests(files)
    },
    openDatabase: () =>
      postgres ? openPostgres({ url: postgres.url, migrate: false }) : openEmbedded(dataDir),
    async remove() {
      for (const server of running) {
        server.kill('SIGKILL')
        await server.ended
      }
      await postgres?.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function startProcess(env: Record<string, string>): Promise<ServerProcess> {
  const program = path.join(inject('compiled'), 'test/support/server-process.js')
  const child: ChildProcess = fork(program, {
    env,
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  const check = watchedText()
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    check(text)
  })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const ready = once(child, 'message') as Promise<[{ url: string; cpuMs: number }]>
  const first = await Promise.race([ready, ended])
  if (!Array.isArray(first)) throw new Error(`the server did not start: ${stderr}`)
  return {
    url: first[0].url,
    startCpuMs: first[0].cpuMs,
    pid: child.pid ?? 0,
    ended,
    stderr: () => stderr,
    kill: (signal) => void child.kill(signal),
    async sweep({ aheadMs }) {
      const answer = once(child, 'message')
      child.send({ sweepAheadMs: aheadMs })
      await answer
    },
    async freezeAt(where) {
      const answer = once(child, 'message')
      child.send({ freezeAt: where })
      await answer
    },
  }
}
