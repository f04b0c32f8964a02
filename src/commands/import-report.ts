import type { ImportedUsers } from '../auth/import-users.ts'
import type { Imported, Problem } from '../uploads/import-source.ts'
import { formatSize } from '../wire/size.ts'
import type { ImportSource } from './import-source.ts'
import { type Output, printable } from './output.ts'

/** Why a file was not imported: what the server found, or what stands in the source. */
export type Trouble = Problem | 'bad-row' | 'outside' | 'unknown-user'

/** A file that was not imported. */
export interface Failure {
  at: string
  path: string
  problem: Trouble
  text: string
}

export interface Report {
  users(counts: ImportedUsers): void
  done(outcome: Exclude<Imported, { outcome: 'failed' }>): void
  failed(failure: Failure): void
  /** The sum of it all; answers how many files failed. */
  end(): number
}

/** Failures that the JSON lists; all are counted, and all are written to standard error. */
const LISTED = 1000
/** Milliseconds between two lines of progress. */
const PROGRESS_MS = { terminal: 1_000, log: 10_000 }

export function createReport(
  source: Pick<ImportSource, 'total' | 'unfinished'>,
  options: { output: Output; terminal: boolean; json: boolean; dryRun: boolean },
): Report {
  const { output, terminal, json, dryRun } = options
  const counts = { imported: 0, present: 0, removed: 0, failed: 0 }
  const problems: Partial<Record<Trouble, number>> = {}
  const failures: Failure[] = []
  let users: ImportedUsers = { created: 0, matched: 0 }
  let bytes = 0
  let saidAt = performance.now()

  function count(outcome: keyof typeof counts): void {
    counts[outcome] += 1
    if (performance.now() - saidAt < PROGRESS_MS[terminal ? 'terminal' : 'log']) return
    saidAt = performance.now()
    const files = Object.values(counts).reduce((sum, one) => sum + one)
    output.note(`${files} of ${source.total} files, ${formatSize(bytes)}`)
  }

  function asJson(): string {
    return JSON.stringify({
      dry_run: dryRun,
      files: {
        found: source.total,
        imported: counts.imported,
        bytes,
        already_there: counts.present,
        removed_here: counts.removed,
        failed: counts.failed,
        unfinished: source.unfinished,
      },
      users,
      problems,
      failures,
    })
  }

  function asText(): string {
    const would = dryRun ? 'would be imported' : 'imported'
    return [
      `${counts.imported} of ${source.total} files ${would} (${formatSize(bytes)})`,
      `${counts.present} were here already`,
      ...(counts.removed > 0 ? [`${counts.removed} were here and have been removed since`] : []),
      ...(source.unfinished > 0 ? [`${source.unfinished} unfinished uploads left out`] : []),
      `${counts.failed} failed`,
      `${users.created} users ${dryRun ? 'would be made' : 'made'}, ${users.matched} were here`,
    ].join('\n')
  }

  return {
    users(found) {
      users = found
    },
    done(imported) {
      if (imported.outcome === 'imported') bytes += imported.bytes
      count(imported.outcome)
    },
    failed(failure) {
      problems[failure.problem] = (problems[failure.problem] ?? 0) + 1
      if (failures.length < LISTED) failures.push(failure)
      output.note([failure.at, failure.path, failure.text].map(printable).join(': '))
      count('failed')
    },
    end() {
      output.result(json ? asJson() : asText())
      return counts.failed
    },
  }
}
