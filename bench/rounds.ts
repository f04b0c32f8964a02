import { Absent, orAbsent } from './absent.ts'
import { medians } from './statistics.ts'

/** What one run measured, by name; every run of a scenario has the same names. */
export type Sample = Record<string, number>

/** One of those that are compared. */
export interface Contestant {
  name: string
  /** Made ready once. @throws Absent where it cannot be had: its rows then say why. */
  prepare(): Promise<Runner>
}

export interface Runner {
  /** One run; what it leaves on the disk is removed by `clean`, which is not measured. */
  run(): Promise<Sample>
  clean?(): Promise<unknown>
}

export interface Results {
  /** The median of one measure of a contestant, or why there is none: ready for a row. */
  of(contestant: string, measure: string): number | { absent: string }
  /** Everything, for the JSON. */
  samples: Record<string, Sample[] | { absent: string }>
}

export interface Times {
  /** Measured runs of each. */
  runs: number
  /** Whether there is a round before them that is thrown away. Default true. */
  warmUp?: boolean
}

export interface RoundsOptions extends Times {
  /** Told after every run; `done` of `all` counts the warm-up too. */
  onRun(run: { contestant: string; sample: Sample; done: number; all: number }): void
  /** Between two runs: what one left in the page cache must not be written during the next. */
  settle(): Promise<void>
}

/** A B C, A B C, …: whatever else the machine does meets all of them alike. The first is thrown away. */
export async function alternate(
  contestants: readonly Contestant[],
  { runs, warmUp = true, onRun, settle }: RoundsOptions,
): Promise<Results> {
  const samples: Results['samples'] = {}
  const ready: { name: string; runner: Runner; taken: Sample[] }[] = []
  for (const { name, prepare } of contestants) {
    const runner = await orAbsent(prepare())
    if (runner instanceof Absent) {
      samples[name] = { absent: runner.message }
      continue
    }
    const taken: Sample[] = []
    samples[name] = taken
    ready.push({ name, runner, taken })
  }
  const rounds = runs + (warmUp ? 1 : 0)
  const all = ready.length * rounds
  let done = 0
  for (let round = 0; round < rounds; round++) {
    for (const { name, runner, taken } of ready) {
      await settle()
      const sample = await runner.run()
      await runner.clean?.()
      if (round > 0 || !warmUp) taken.push(sample)
      onRun({ contestant: name, sample, done: ++done, all })
    }
  }
  return { samples, of: (contestant, measure) => figure(samples[contestant], measure) }
}

function figure(
  taken: Sample[] | { absent: string } | undefined,
  measure: string,
): number | { absent: string } {
  if (taken === undefined) return { absent: 'not run' }
  if (!Array.isArray(taken)) return taken
  const value = medians(taken)[measure]
  if (value === undefined) throw new Error(`no measure ${measure}`)
  return value
}
