#!/usr/bin/env node
import { processOutput } from './commands/output.ts'
import { run } from './commands/program.ts'

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  output: processOutput,
  terminal: process.stderr.isTTY === true,
})
