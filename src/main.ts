import { processOutput } from './commands/output.ts'
import { run } from './commands/program.ts'

// `npm start`: the same as `landfall serve`.
process.exitCode = await run(['serve'], {
  env: process.env,
  output: processOutput,
  terminal: process.stderr.isTTY === true,
})
