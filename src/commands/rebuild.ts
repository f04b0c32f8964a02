import type { Command } from 'commander'
import type { RebuildOptions, Rebuilt } from '../media/rebuild.ts'
import { type RebuildProblem, rebuildProblems } from '../media/rebuild-problems.ts'
import type { CommandContext } from './context.ts'
import { CommandFailure } from './exit.ts'
import { printable } from './output.ts'

/** What compose.ts builds, as far as a rebuild needs it. */
export interface RebuildTarget {
  rebuild(options: RebuildOptions): Promise<Rebuilt>
  importer: { ensureAdmin(): Promise<string | null> }
  close(): Promise<void>
}

interface Options {
  dryRun?: boolean
  verify?: boolean
  json?: boolean
}

/** Problems that the JSON lists; all are counted, and all are written to standard error. */
const LISTED = 1000
/** Milliseconds between two lines of progress. */
const PROGRESS_MS = { terminal: 1_000, log: 10_000 }

/** `rebuild`: records again from the manifests beside the bytes. */
export function addRebuildCommand(
  program: Command,
  context: CommandContext,
  open: () => Promise<RebuildTarget>,
): void {
  program
    .command('rebuild')
    .description('Make the records again from the manifests beside the bytes (server stopped).')
    .option('--dry-run', 'check everything, change nothing')
    .option('--verify', 'also read the bytes of every file that has a digest')
    .option('--json', 'print the sum as JSON')
    .action(async (options: Options) => {
      const target = await open()
      const sum = await run(target, options, context).finally(() => target.close())
      if (sum.failed > 0)
        throw new CommandFailure(`${sum.failed} problems, all of them named above.`)
    })
}

async function run(target: RebuildTarget, options: Options, context: CommandContext) {
  const { output, terminal } = context
  const { dryRun = false, verify = false, json = false } = options
  const failures: { key: string; problem: RebuildProblem }[] = []
  let saidAt = performance.now()
  const sum = await target.rebuild({
    dryRun,
    verify,
    onStart: async () => {
      // First, so that the id of the admin is theirs again and nobody else is the first user.
      const key = await target.importer.ensureAdmin()
      if (key !== null) output.note(`Token of the user admin, shown this once:\n  ${key}`)
    },
    onProblem(key, problem) {
      if (failures.length < LISTED) failures.push({ key, problem })
      output.note(`${printable(key)}: ${rebuildProblems[problem]}`)
    },
    onProgress(done) {
      if (performance.now() - saidAt < PROGRESS_MS[terminal ? 'terminal' : 'log']) return
      saidAt = performance.now()
      output.note(`${done} looked at`)
    },
  })
  output.result(json ? asJson(sum, { dryRun, failures }) : asText(sum, dryRun))
  return sum
}

function asJson(
  sum: Rebuilt,
  { dryRun, failures }: { dryRun: boolean; failures: readonly object[] },
): string {
  return JSON.stringify({
    dry_run: dryRun,
    manifests: {
      found: sum.found,
      made: sum.made,
      already_there: sum.present,
      removed_here: sum.removed,
      not_submitted: sum.unsubmitted,
      written: sum.written,
      newer: sum.updated,
    },
    records: sum.checked,
    users: sum.users,
    failed: sum.failed,
    failures,
  })
}

function asText(sum: Rebuilt, dryRun: boolean): string {
  const [made, written] = dryRun ? ['would be made', 'would be written'] : ['made', 'written']
  const { removed, unsubmitted, updated } = sum
  return [
    `${sum.made} of ${sum.found} records ${made}, ${sum.present} were here already`,
    ...(removed > 0 ? [`${removed} belong to files that were removed here`] : []),
    ...(unsubmitted > 0 ? [`${unsubmitted} wait in sessions that were not submitted`] : []),
    ...(updated > 0 ? [`${updated} were changed last as their manifests say`] : []),
    `${sum.users} users ${made}${sum.users > 0 ? ', without tokens and not active' : ''}`,
    `${sum.checked} records checked, ${sum.written} manifests ${written}`,
    `${sum.failed} problems`,
  ].join('\n')
}
