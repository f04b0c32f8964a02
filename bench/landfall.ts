import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { removeFiles } from './peers/files.ts'
import { freePort, type Program, startProgram } from './program.ts'
import type { UploadServer } from './upload-server.ts'

export interface LandfallOptions {
  /** Environment beside the usual one. */
  env?: Record<string, string>
  /** Where its data is. Default: a new folder. */
  dataDir?: string
  /** Default: a new database. */
  databaseUrl?: string
}

/** Landfall as its users run it: the built program, settings as they are by default. */
export interface Landfall extends UploadServer {
  /** `http://host:port` of all doors. */
  origin: string
  dataDir: string
  databaseUrl: string
}

const ADMIN_TOKEN = 'bench-admin-token-0123456789'

export interface LandfallDeps {
  /** The built program, dist/main.js. */
  program: string
  folder: string
  name: string
  databaseUrl: string
}

export async function startLandfall(
  deps: LandfallDeps,
  options: LandfallOptions,
): Promise<Landfall> {
  const folder = path.join(deps.folder, deps.name)
  const dataDir = options.dataDir ?? path.join(folder, 'data')
  await mkdir(dataDir, { recursive: true })
  await mkdir(folder, { recursive: true })
  const databaseUrl = options.databaseUrl ?? deps.databaseUrl
  const port = await freePort()
  const process_: Program = await startProgram({
    name: 'landfall',
    command: process.execPath,
    args: [deps.program],
    folder,
    port,
    env: {
      PORT: String(port),
      DATA_DIR: dataDir,
      DATABASE_URL: databaseUrl,
      ADMIN_TOKEN,
      // The bench is one user, who leaves more behind than others do.
      USER_MAX_OPEN_UPLOADS: '1000000',
      ...options.env,
    },
  })
  const origin = `http://127.0.0.1:${port}`
  await isReady(origin, folder)
  return {
    origin,
    dataDir,
    databaseUrl,
    pid: process_.pid,
    uploads: `${origin}/files/`,
    chunks: `${origin}/api/chunked-uploads/`,
    headers: { Authorization: `Token ${ADMIN_TOKEN}` },
    // Records without bytes trouble nobody: nothing reads these files again.
    clean: () => removeFiles(path.join(dataDir, 'files')),
    stop: process_.stop,
  }
}

async function isReady(origin: string, folder: string): Promise<void> {
  for (let left = 600; left > 0; left--) {
    const answer = await fetch(`${origin}/readyz`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const log = await readFile(path.join(folder, 'landfall.log'), 'utf8')
  throw new Error(`Landfall is not ready: ${log.slice(-2000)}`)
}
