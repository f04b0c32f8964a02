/**
 * `landfall import` as a process of its own that kills itself at the step CRASH_AT, given as `step`
 * or `step:n` for the n-th time. Configured by its environment, like the program.
 */
import { Command } from 'commander'
import { addImportCommand } from '../../src/commands/import.ts'
import { processOutput } from '../../src/commands/output.ts'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'

const { CRASH_AT = '', ...env } = process.env
const [crashAt, times = '1'] = CRASH_AT.split(':')
let left = Number(times)

const program = new Command()
addImportCommand(program, { env, output: processOutput, terminal: false }, () =>
  compose(readConfig(env), {
    at(step) {
      if (step === crashAt && --left === 0) process.kill(process.pid, 'SIGKILL')
    },
  }),
)
await program.parseAsync(process.argv.slice(2), { from: 'user' })
