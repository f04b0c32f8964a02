import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { createPostgresDatabase, type DatabaseKind } from './database.ts'
import { ADMIN_KEY } from './server.ts'

/** Where a server's state is, through any number of deaths. */
export interface Home {
  dataDir: string
  start(env?: Record<string, string>): Promise<ServerProcess>
  /** Every file below the folder of bytes, by its path. */
  files(): Promise<string[]>
  remove(): Promise<void>
}

export interface ServerProcess {
  url: string
  pid: number
  /** Resolves when the process has ended, by whatever way. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stderr(): string
  kill(signal: NodeJS.Signals): void
  /** Sweeps once, with the clock set forward. */
  sweep(clock: { aheadMs: number }): Promise<void>
}

const program = fileURLToPath(new URL('./server-process.ts', import.meta.url))

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
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    },
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
  const child: ChildProcess = fork(program, {
    env,
    // A Node that runs TypeScript by itself needs no loader, and less memory.
    execArgv: Reflect.get(process.features, 'typescript') ? [] : ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const ready = once(child, 'message') as Promise<[{ url: string }]>
  const first = await Promise.race([ready, ended])
  if (!Array.isArray(first)) throw new Error(`the server did not start: ${stderr}`)
  return {
    url: first[0].url,
    pid: child.pid ?? 0,
    ended,
    stderr: () => stderr,
    kill: (signal) => void child.kill(signal),
    async sweep({ aheadMs }) {
      const answer = once(child, 'message')
      child.send({ sweepAheadMs: aheadMs })
      await answer
    },
  }
}
