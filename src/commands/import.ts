import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import type { ExistingFile, Failed, Imported } from '../uploads/import-source.ts'
import type { Importer } from '../uploads/importer.ts'
import type { CommandContext } from './context.ts'
import { CommandFailure } from './exit.ts'
import { createReport, type Report, type Trouble } from './import-report.ts'
import { type BadRow, type ImportSource, idOfPath, type SourceFile } from './import-source.ts'

interface Options {
  mediaRoot: string
  users?: string
  from?: string
  table?: string
  usersTable?: string
  link?: boolean
  dryRun?: boolean
  json?: boolean
}

/** What compose.ts builds, as far as an import needs it. */
export interface ImportTarget {
  importer: Importer
  close(): Promise<void>
}

/** Files that are copied and inspected at the same time. */
const AT_ONCE = 4

/** `import`: files and users that were there before this server. */
export function addImportCommand(
  program: Command,
  context: CommandContext,
  open: () => Promise<ImportTarget>,
): void {
  program
    .command('import')
    .description('Take over files and users from a Django project, or from CSV files.')
    .argument('[files.csv]', 'path, name, created_at, username or user_id, … of each file')
    .requiredOption('--media-root <folder>', 'where the files lie')
    .option('--users <file>', 'CSV: username, first_name, last_name, is_staff, …')
    .option('--from <url>', 'Postgres database of the Django project')
    .option('--table <name>', 'its table of uploads (drf_chunked_upload_chunkedupload)')
    .option('--users-table <name>', 'its table of users (auth_user)')
    .option('--link', 'link the files instead of copying them')
    .option('--dry-run', 'check everything, change nothing')
    .option('--json', 'print the sum as JSON')
    .action(async (files: string | undefined, options: Options, command: Command) => {
      const wrong = misuse(files, options)
      if (wrong !== null) command.error(`error: ${wrong}`)
      const root = await folderOf(options.mediaRoot)
      const failed = await withSource(files, options, async (source) => {
        const target = await open()
        const run = importAll(source, target.importer, root, options, context)
        return run.finally(() => target.close())
      })
      if (failed > 0) throw new CommandFailure(`${failed} files were not imported.`)
    })
}

/** What is wrong with the arguments, for exit code 2. */
function misuse(files: string | undefined, options: Options): string | null {
  const { from, users, table, usersTable } = options
  if (files === undefined && from === undefined)
    return 'give a CSV file, or --from with the URL of a database'
  if (files !== undefined && from !== undefined) return 'give a CSV file or --from, not both'
  if (from === undefined)
    return table === undefined && usersTable === undefined
      ? null
      : '--table and --users-table go with --from'
  if (users !== undefined) return '--users goes with a CSV file'
  if (!/^postgres(?:ql)?:\/\/./.test(from) || !URL.canParse(from))
    return '--from takes postgres://…; of SQLite and other databases write CSV files'
  return null
}

async function folderOf(mediaRoot: string): Promise<string> {
  const found = await stat(mediaRoot).catch(() => null)
  if (!found?.isDirectory()) throw new CommandFailure(`--media-root: ${mediaRoot} is no folder.`)
  return path.resolve(mediaRoot)
}

async function withSource<T>(
  files: string | undefined,
  options: Options,
  use: (source: ImportSource) => Promise<T>,
): Promise<T> {
  // Loaded now: no other command needs their libraries.
  if (options.from === undefined) {
    const { readCsv } = await import('./import-csv.ts')
    return use(await readCsv(files ?? '', options.users))
  }
  const { readDjango } = await import('./import-django.ts')
  const { table = 'drf_chunked_upload_chunkedupload', usersTable = 'auth_user' } = options
  return readDjango({ url: options.from, table, usersTable }, use)
}

async function importAll(
  source: ImportSource,
  importer: Importer,
  root: string,
  options: Options,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context
  const { link = false, dryRun = false, json = false } = options
  if (link && !importer.canLink) throw new CommandFailure('--link: this storage can only copy.')
  const report = createReport(source, { output, terminal, json, dryRun })
  const key = dryRun ? null : await importer.ensureAdmin()
  if (key !== null) output.note(`Token of the user admin, shown this once:\n  ${key}`)
  report.users(await importer.users.add(source.users, dryRun))
  let failed = 0
  try {
    await eachOf(source.files, AT_ONCE, (row) => importRow(importer, root, row, report, options))
  } finally {
    failed = report.end()
  }
  return failed
}

async function importRow(
  importer: Importer,
  root: string,
  row: SourceFile | BadRow,
  report: Report,
  { link = false, dryRun = false }: Options,
): Promise<void> {
  const outcome = await outcomeOf(importer, root, row, { link, dryRun })
  if (outcome.outcome !== 'failed') return report.done(outcome)
  const { problem, text } = outcome
  report.failed({ at: row.at, path: row.path, problem, text })
}

type Outcome = Exclude<Imported, Failed> | { outcome: 'failed'; problem: Trouble; text: string }

async function outcomeOf(
  importer: Importer,
  root: string,
  row: SourceFile | BadRow,
  how: { link: boolean; dryRun: boolean },
): Promise<Outcome> {
  if ('problem' in row) return { outcome: 'failed', problem: 'bad-row', text: row.problem }
  const file = path.resolve(root, row.path)
  const below = path.relative(root, file).split(path.sep).join('/')
  if (below === '' || below === '..' || below.startsWith('../') || path.isAbsolute(below)) {
    const text = 'It lies outside of --media-root.'
    return { outcome: 'failed', problem: 'outside', text }
  }
  const ownerId = row.username === null ? null : await importer.users.idOf(row.username)
  if (ownerId === undefined) {
    const text = `There is no user ${row.username}, neither here nor in the source.`
    return { outcome: 'failed', problem: 'unknown-user', text }
  }
  const { name: filename, description, createdAt, updatedAt, size, sha256 } = row
  const existing: ExistingFile = {
    id: row.id ?? idOfPath(below),
    path: file,
    filename,
    description,
    ownerId,
    createdAt,
    updatedAt,
    size,
    sha256,
  }
  return importer.file(existing, how)
}

/** Works on a few items at a time. The first failure ends it, once what runs has ended. */
async function eachOf<T>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]()
  let stopped = false
  async function worker(): Promise<void> {
    try {
      while (!stopped) {
        const next = await iterator.next()
        if (next.done) return
        await work(next.value)
      }
    } catch (error) {
      stopped = true
      throw error
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, worker))
  const failure = ended.find((one) => one.status === 'rejected')
  if (failure === undefined) return
  await iterator.return?.()
  throw failure.reason
}
