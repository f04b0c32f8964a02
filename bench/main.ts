import { access, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Absent } from './absent.ts'
import { openStage } from './bench.ts'
import { withTable } from './document.ts'
import { describeMachine } from './machine.ts'
import { helpText, type Options, readOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { merge, plainTable, type Report, summary } from './report.ts'
import type { Row } from './row.ts'
import type { Scenario } from './scenario.ts'
import { scenarios } from './scenarios/registry.ts'

/** Exit code of a program that Ctrl-C ended. */
const INTERRUPTED = 130

const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url))

function secondsOf(seconds: Scenario['seconds'], { quick, soakMs }: Options): number {
  if (soakMs !== undefined && seconds.soak !== undefined) return seconds.soak + soakMs / 1000
  return quick ? seconds.quick : seconds.full
}

async function measure(options: Options, chosen: readonly Scenario[]): Promise<Report> {
  await access(options.server).catch(() => {
    throw new Error(`${options.server} is not there: npm run build`)
  })
  const progress = createProgress({
    plan: chosen.map(({ name, seconds }) => ({
      name,
      seconds: secondsOf(seconds, options),
    })),
    write: (line) => process.stderr.write(`${line}\n`),
    now: () => performance.now(),
  })
  const machine = await describeMachine(options.dir)
  const stage = await openStage(options, progress)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stage.close().finally(() => process.exit(INTERRUPTED)))
  const { quick, runs } = options
  const report: Report = {
    machine,
    quick,
    runs,
    postgres: null,
    rows: [],
    samples: {},
    took: {},
    failures: {},
  }
  try {
    for (const scenario of chosen) {
      progress.begin(scenario.name)
      const began = performance.now()
      try {
        const { rows, samples } = await stage.run(scenario)
        report.rows.push(...rows)
        report.samples[scenario.name] = samples
      } catch (error) {
        if (error instanceof Absent) report.rows.push(absentRow(scenario, error))
        else report.failures[scenario.name] = (error as Error).message.slice(0, 1000)
        // The others are measured all the same; the exit code tells.
        progress.note(`broke: ${(error as Error).stack}`)
      }
      report.took[scenario.name] = Math.round((performance.now() - began) / 1000)
    }
    report.postgres = await stage.postgresVersion()
  } finally {
    await stage.close()
  }
  return report
}

/** Where even the client or Postgres is missing there is one row for the whole scenario. */
function absentRow({ title }: Scenario, { message }: Absent): Row {
  return { figure: title, ours: { absent: message }, unit: '' }
}

function choose(only: readonly string[] | undefined): readonly Scenario[] {
  if (only === undefined) return scenarios
  return only.map((name) => {
    const scenario = scenarios.find((one) => one.name === name)
    if (scenario === undefined) throw new Error(`no scenario ${name}: see --help`)
    return scenario
  })
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args, process.env)
  if (options.help) {
    console.log(helpText(scenarios))
    return 0
  }
  const earlier = options.from.map(
    async (file) => JSON.parse(await readFile(file, 'utf8')) as Report,
  )
  const report =
    earlier.length > 0
      ? merge(await Promise.all(earlier))
      : await measure(options, choose(options.only))
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`)
  if (options.doc) await writeFile(page, withTable(await readFile(page, 'utf8'), report))
  console.log([...summary(report), '', plainTable(report.rows)].join('\n'))
  return Object.keys(report.failures).length === 0 ? 0 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
