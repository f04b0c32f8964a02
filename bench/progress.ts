import type { Sample } from './rounds.ts'

/** Lines on standard error while it runs: which run of how many, and about how long it still takes. */
export interface Progress {
  begin(scenario: string): void
  onRun(run: { contestant: string; sample: Sample; done: number; all: number }): void
  note(text: string): void
}

export interface ProgressOptions {
  /** Names of the scenarios with the seconds that each is thought to take, in their order. */
  plan: readonly { name: string; seconds: number }[]
  write(line: string): void
  /** Milliseconds of a clock that only goes forward. */
  now(): number
}

export function createProgress({ plan, write, now }: ProgressOptions): Progress {
  let at = -1
  let began = 0
  const name = () => plan[at]?.name ?? ''
  const later = () => plan.slice(at + 1).reduce((sum, { seconds }) => sum + seconds, 0)
  return {
    begin(scenario) {
      at = plan.findIndex((one) => one.name === scenario)
      began = now()
      const here = plan[at]?.seconds ?? 0
      write(`${scenario} (${at + 1} of ${plan.length}), ${about(here + later())} left`)
    },
    onRun({ contestant, sample, done, all }) {
      const passed = (now() - began) / 1000
      const left = (passed / done) * (all - done) + later()
      const [first] = Object.entries(sample)
      const value = first === undefined ? '' : `${first[0]} ${first[1].toPrecision(4)}`
      write(`${name()}  run ${done} of ${all}  ${contestant}  ${value}  ${about(left)} left`)
    },
    note: (text) => write(`${name()}  ${text}`),
  }
}

function about(seconds: number): string {
  if (seconds < 90) return `about ${Math.ceil(seconds)} s`
  return `about ${Math.ceil(seconds / 60)} min`
}
