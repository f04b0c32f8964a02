import type { Machine } from './machine.ts'
import type { Results } from './rounds.ts'
import { type Goal, judge, type Row, type Unit } from './row.ts'

/** Everything that a run found out: what `--json` writes. */
export interface Report {
  machine: Machine
  postgres: string | null
  /** Whether it was the short form, whose figures are not those of the targets. */
  quick: boolean
  runs: number
  rows: Row[]
  /** Each measured run, by scenario and contestant. */
  samples: Record<string, Results['samples'][]>
  /** Seconds that each scenario took, all in all. */
  took: Record<string, number>
  /** Scenarios that broke, with what they said. */
  failures: Record<string, string>
  /** Of what was put together from several runs: which scenarios are of which. */
  parts?: Part[]
}

/** Scenarios that were measured in one run. */
interface Part {
  scenarios: string[]
  commit: string
  date: string
  runs: number
  loadBefore: Machine['loadBefore']
}

const HEADINGS = ['figure', 'to reach', 'measured', 'beside', 'ratio', 'verdict', 'note']

/** Cells of the table, in the order of HEADINGS. */
function cells(row: Row): string[] {
  const { ratio, verdict } = judge(row)
  const { peer, unit } = row
  return [
    row.figure,
    row.goal === undefined ? '' : goalText(row.goal, unit, peer?.name),
    amount(row.ours, unit),
    peer === undefined ? '' : `${peer.name}: ${amount(peer.value, unit)}`,
    ratio === null ? '' : ratio.toFixed(2),
    verdict,
    row.note ?? '',
  ]
}

function goalText({ bound, of, value }: Goal, unit: Unit, peer = ''): string {
  return of === 'times' ? `${bound} ${value} × ${peer}` : `${bound} ${value} ${unit}`.trimEnd()
}

function amount(value: number | { absent: string }, unit: Unit): string {
  if (typeof value !== 'number') return `absent (${value.absent})`
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(digits)}${unit === '/s' ? '' : ' '}${unit}`.trimEnd()
}

/** For a terminal: columns of one width each. */
export function plainTable(rows: readonly Row[]): string {
  const lines = [HEADINGS, ...rows.map(cells)]
  const widths = HEADINGS.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}

export function markdownTable(rows: readonly Row[]): string {
  const line = (columns: readonly string[]) =>
    `| ${columns.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [
    line(HEADINGS),
    line(HEADINGS.map(() => '---')),
    ...rows.map((row) => line(cells(row))),
  ].join('\n')
}

/** What stands above the table: how many figures are reached, and on what it was measured. */
export function summary(report: Report): string[] {
  const { machine, postgres, quick, rows, failures } = report
  const count = (verdict: string) => rows.filter((row) => judge(row).verdict === verdict).length
  const parts = partsOf(report)
  const name = ({ scenarios }: Part) => (parts.length > 1 ? `${scenarios.join(', ')}: ` : '')
  return [
    `${count('met')} met, ${count('lost')} lost, ${count('absent')} absent, ${count('for information')} for information.`,
    `${machine.system}; ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.fileSystem}; Node ${machine.node}; ${postgres === null ? 'no Postgres' : `Postgres ${postgres}`}.`,
    `Medians of alternating runs after a warm-up${quick ? '; short form (--quick): the figures are smaller than those of the targets' : ''}.`,
    ...parts.map(
      (part) =>
        `${name(part)}${part.runs} ${part.runs === 1 ? 'run' : 'runs'}, ${part.date}, commit ${part.commit}, load average before it ${part.loadBefore}.`,
    ),
    ...Object.entries(failures).map(([scenario, why]) => `The scenario ${scenario} broke: ${why}`),
  ]
}

function partsOf({ parts, took, machine, runs }: Report): Part[] {
  const { commit, date, loadBefore } = machine
  return parts ?? [{ scenarios: Object.keys(took), commit, date, runs, loadBefore }]
}

/** Several runs as one: of a figure, and of a scenario, that is in more than one the last counts. */
export function merge(reports: readonly Report[]): Report {
  const last = reports.at(-1)
  if (last === undefined) throw new Error('nothing to show')
  const rows = new Map<string, Row>()
  for (const row of reports.flatMap((report) => report.rows)) rows.set(keyOf(row), row)
  const seen = new Set<string>()
  const parts: Part[] = []
  for (const part of reports.flatMap(partsOf).reverse()) {
    const scenarios = part.scenarios.filter((name) => !seen.has(name))
    for (const name of scenarios) seen.add(name)
    if (scenarios.length > 0) parts.unshift({ ...part, scenarios })
  }
  return {
    ...last,
    parts,
    quick: reports.some((report) => report.quick),
    postgres: reports.map((report) => report.postgres).findLast((found) => found !== null) ?? null,
    rows: [...rows.values()],
    took: Object.assign({}, ...reports.map((report) => report.took)),
    samples: Object.assign({}, ...reports.map((report) => report.samples)),
    failures: Object.assign({}, ...reports.map((report) => report.failures)),
  }
}

const keyOf = ({ figure, peer }: Row) => `${figure}\n${peer?.name ?? ''}`
