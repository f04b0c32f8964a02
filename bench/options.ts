import { availableParallelism, homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parseDuration } from '../src/wire/duration.ts'

/** What the command line says. */
export interface Options {
  quick: boolean
  runs: number
  soakMs: number | undefined
  /** Names of scenarios; undefined means all. */
  only: string[] | undefined
  /** Where the results are written as JSON. */
  json: string | undefined
  /** Results of earlier runs that are shown instead of measuring. */
  from: string[]
  /** Write the table into docs/performance.md. */
  doc: boolean
  /** The folder, and so the disk, that all servers store on. */
  dir: string
  server: string
  cache: string
  help: boolean
}

const RUNS = { full: 5, quick: 2 }

/** @throws Error with a message for the user. */
export function readOptions(
  args: readonly string[],
  env: Record<string, string | undefined>,
): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      soak: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string' },
      doc: { type: 'boolean', default: false },
      dir: { type: 'string', default: tmpdir() },
      server: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const { quick, doc, help, json } = values
  const runs = Number(values.runs ?? (quick ? RUNS.quick : RUNS.full))
  if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs wants a whole number from 1 on')
  const soakMs = values.soak === undefined ? undefined : parseDuration(values.soak)
  if (soakMs === null) throw new Error('--soak wants a duration such as 90s, 10m or 1h')
  const shipped = fileURLToPath(new URL('../dist/main.js', import.meta.url))
  return {
    quick,
    runs,
    soakMs,
    only: values.only?.split(','),
    json,
    from: values.from?.split(',') ?? [],
    doc,
    dir: path.resolve(values.dir),
    server: values.server === undefined ? shipped : path.resolve(values.server),
    cache: path.join(env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'landfall-bench'),
    help,
  }
}

export function helpText(scenarios: readonly { name: string; title: string }[]): string {
  const width = Math.max(...scenarios.map(({ name }) => name.length))
  return [
    'npm run bench -- [options]',
    '',
    '  --quick          smaller files and two runs: under 3 minutes',
    '  --only A,B       these scenarios alone',
    '  --runs N         measured runs of each, after one that warms up (5, quick 2)',
    '  --soak 1h        how long the scenario memory lasts (2m, quick 15s)',
    `  --dir FOLDER     where all servers store; its disk is what is measured (${tmpdir()})`,
    '  --server FILE    another build of Landfall than dist/main.js',
    '  --json FILE      write everything that was measured',
    '  --doc            write the table into docs/performance.md',
    '  --from A,B       show results of earlier runs (--json) instead of measuring; of a figure',
    '                   that is in several files the last one counts',
    '  --help',
    '',
    'BENCH_DATABASE_URL names a Postgres to use; without it one from npm is started.',
    '',
    `Scenarios (${availableParallelism()} cores here):`,
    ...scenarios.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`),
  ].join('\n')
}
