import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { CommandFailure } from '../../src/commands/exit.ts'
import { addImportCommand } from '../../src/commands/import.ts'
import { compose, type Landfall, type Replacements } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { type DatabaseKind, openTestDatabase } from './database.ts'
import { withoutManifests } from './manifests.ts'
import { watched } from './secrets.ts'
import { ADMIN_KEY } from './server.ts'

/** A Landfall that stands still, a folder of files to import, and the command that does it. */
export interface ImportHome {
  /** What `--media-root` names. */
  media: string
  database: OpenDatabase
  /** Makes a file below the media folder. */
  put(file: string, bytes: string | Uint8Array): Promise<void>
  /** Writes a CSV file, the columns being those of the first row, and answers its path. */
  csv(name: string, rows: Record<string, string>[]): Promise<string>
  /** `landfall import … --media-root … --json`. */
  run(args: string[], how?: { env?: Record<string, string>; replaced?: Replacements }): Promise<Run>
  /** The same Landfall, not listening. */
  open(env?: Record<string, string>, replaced?: Replacements): Promise<Landfall>
  /** Files below the folder of bytes. */
  stored(): Promise<string[]>
  remove(): Promise<void>
}

export interface Run {
  code: number
  sum: Sum
  stderr: string
}

export interface Sum {
  files: Record<string, number>
  users: { created: number; matched: number }
  problems: Record<string, number>
  failures: { at: string; path: string; problem: string; text: string }[]
}

export async function createImportHome(kind: DatabaseKind): Promise<ImportHome> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-import-'))
  const media = path.join(folder, 'media')
  const dataDir = path.join(folder, 'data')
  await mkdir(media)
  const database = await openTestDatabase(kind)
  const log = createLog({ destination: watched(() => true) })

  async function open(env: Record<string, string> = {}, replaced: Replacements = {}) {
    const config = readConfig({ DATA_DIR: dataDir, PORT: '0', ADMIN_TOKEN: ADMIN_KEY, ...env })
    // One after the other uses the same database.
    return compose(config, { log, database: { ...database, close: async () => {} }, ...replaced })
  }

  return {
    media,
    database,
    open,
    async put(file, bytes) {
      await mkdir(path.dirname(path.join(media, file)), { recursive: true })
      await writeFile(path.join(media, file), bytes)
    },
    async csv(name, rows) {
      const columns = Object.keys(rows[0] ?? {})
      const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))]
      const text = lines.map((fields) => `${fields.map(quoted).join(',')}\n`).join('')
      await writeFile(path.join(folder, name), text)
      return path.join(folder, name)
    },
    async run(args, { env, replaced } = {}) {
      const written = { stdout: [] as string[], stderr: [] as string[] }
      const output = {
        result: (line: string) => void written.stdout.push(line),
        note: (line: string) => void written.stderr.push(line),
      }
      const program = new Command().exitOverride()
      addImportCommand(program, { env: {}, output, terminal: false }, () => open(env, replaced))
      const code = await program
        .parseAsync(['import', ...args, '--media-root', media, '--json'], { from: 'user' })
        .then(() => 0)
        .catch((error: unknown) => {
          if (!(error instanceof CommandFailure)) throw error
          written.stderr.push(error.message)
          return error.exitCode
        })
      const sum = JSON.parse(written.stdout.join('') || 'null') as Sum
      return { code, sum, stderr: written.stderr.join('\n') }
    },
    async stored() {
      const entries = await readdir(path.join(dataDir, 'files'), {
        recursive: true,
        withFileTypes: true,
      })
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name))
      return withoutManifests(files)
    },
    async remove() {
      await database.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field
}
