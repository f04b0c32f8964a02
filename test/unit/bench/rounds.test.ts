import { describe, expect, it } from 'vitest'
import { Absent } from '../../../bench/absent.ts'
import { alternate, type Contestant } from '../../../bench/rounds.ts'

/** Runs that take one second more each time; `log` tells in which order things happen. */
function contestant(name: string, log: string[], first = 1): Contestant {
  let seconds = first
  return {
    name,
    prepare: async () => ({
      async run() {
        log.push(`run ${name}`)
        return { seconds: seconds++ }
      },
      async clean() {
        log.push(`clean ${name}`)
      },
    }),
  }
}

const settings = { onRun: () => {}, settle: async () => {} }

describe('contestants', () => {
  it('run in turn, each cleared up after before the next one runs', async () => {
    const log: string[] = []
    const settle = async () => void log.push('settle')
    await alternate([contestant('a', log), contestant('b', log)], { ...settings, settle, runs: 1 })
    const round = ['settle', 'run a', 'clean a', 'settle', 'run b', 'clean b']
    expect(log).toEqual([...round, ...round])
  })

  it('are judged by the median of their runs, without the one that warms up', async () => {
    const slowAtFirst = contestant('a', [], 100)
    const results = await alternate([slowAtFirst], { ...settings, runs: 3 })
    expect(results.samples.a).toEqual([{ seconds: 101 }, { seconds: 102 }, { seconds: 103 }])
    expect(results.of('a', 'seconds')).toBe(102)
  })

  it('have every run counted where there is nothing to warm up', async () => {
    const results = await alternate([contestant('a', [])], {
      ...settings,
      runs: 2,
      warmUp: false,
    })
    expect(results.samples.a).toEqual([{ seconds: 1 }, { seconds: 2 }])
  })

  it('that cannot be had leave the others to be measured, and say why', async () => {
    const missing: Contestant = {
      name: 'b',
      prepare: async () => {
        throw new Absent('no cargo')
      },
    }
    const results = await alternate([missing, contestant('a', [])], { ...settings, runs: 1 })
    expect(results.of('b', 'seconds')).toEqual({ absent: 'no cargo' })
    expect(results.of('a', 'seconds')).toBe(2)
  })

  it('that break are no absence: the scenario breaks', async () => {
    const broken: Contestant = {
      name: 'a',
      prepare: async () => {
        throw new Error('a bug')
      },
    }
    await expect(alternate([broken], { ...settings, runs: 1 })).rejects.toThrow('a bug')
  })

  it('are counted for whoever waits, the warm-up included', async () => {
    const seen: string[] = []
    const onRun = (run: { contestant: string; done: number; all: number }) =>
      void seen.push(`${run.contestant} ${run.done}/${run.all}`)
    const both = [contestant('a', []), contestant('b', [])]
    await alternate(both, { ...settings, onRun, runs: 1 })
    expect(seen).toEqual(['a 1/4', 'b 2/4', 'a 3/4', 'b 4/4'])
  })

  it('have only the measures that were taken', async () => {
    const results = await alternate([contestant('a', [])], { ...settings, runs: 1 })
    expect(() => results.of('a', 'secnods')).toThrow()
  })
})
