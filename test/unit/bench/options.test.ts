import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { helpText, readOptions } from '../../../bench/options.ts'
import { scenarios } from '../../../bench/scenarios/registry.ts'

const options = (...args: string[]) => readOptions(args, { XDG_CACHE_HOME: '/cache' })

describe('the command line', () => {
  it('means five runs of everything, two with --quick', () => {
    expect(options()).toMatchObject({ runs: 5, quick: false, only: undefined, doc: false })
    expect(options('--quick')).toMatchObject({ runs: 2, quick: true })
    expect(options('--quick', '--runs', '7')).toMatchObject({ runs: 7 })
  })

  it('takes lists, durations and files', () => {
    expect(options('--only', 'tus,download').only).toEqual(['tus', 'download'])
    expect(options('--soak', '1h').soakMs).toBe(3_600_000)
    expect(options('--from', 'a.json,b.json').from).toEqual(['a.json', 'b.json'])
    expect(options('--server', 'dist/main.js').server).toBe(path.resolve('dist/main.js'))
  })

  it.each([[['--runs', '0']], [['--runs', 'x']], [['--soak', '60']], [['--fast']], [['tus']]])(
    'refuses %j',
    (args) => {
      expect(() => options(...args)).toThrow()
    },
  )

  it('keeps what is installed outside of the checkout', () => {
    expect(options().cache).toBe('/cache/landfall-bench')
  })

  it('is explained by --help, with every scenario', () => {
    const help = helpText(scenarios)
    for (const { name } of scenarios) expect(help).toMatch(new RegExp(`  ${name} +\\S`))
    expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length)
  })
})
