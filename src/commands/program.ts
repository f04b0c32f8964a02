import cluster from 'node:cluster'
import { Command, CommanderError } from 'commander'
import { LandfallError } from '../client/client.ts'
import { ConfigError, readConfig } from '../config.ts'
import { createLog } from '../telemetry/log.ts'
import { readVersion } from '../version.ts'
import { addAccountCommands } from './accounts.ts'
import { boundHeap } from './bound-heap.ts'
import { complaintOf } from './connect.ts'
import type { CommandContext } from './context.ts'
import { addDoctorCommand } from './doctor.ts'
import { wordsOf } from './error-words.ts'
import { CommandFailure, exitCodes } from './exit.ts'
import { addFilesCommand } from './files.ts'
import { addImportCommand } from './import.ts'
import { printableLines } from './output.ts'
import { addRebuildCommand } from './rebuild.ts'
import { serve } from './serve.ts'
import { addUploadCommand } from './upload.ts'
import { addWebhookCommands } from './webhooks.ts'
import { serveAsWorker } from './worker.ts'
import { serveWithWorkers } from './workers.ts'

/**
 * Runs `landfall` with these arguments and answers the exit code; undefined while a server runs.
 * Without arguments it serves.
 */
export async function run(
  args: readonly string[],
  context: CommandContext,
): Promise<number | undefined> {
  const code = await runCommand(args, context)
  // A worker's channel to the process that started it would keep it running.
  if (cluster.isWorker && code !== undefined) process.exit(code)
  return code
}

async function runCommand(
  args: readonly string[],
  context: CommandContext,
): Promise<number | undefined> {
  let exitCode: number | undefined = exitCodes.ok
  const program = createProgram(context, () => {
    exitCode = undefined
  })
  try {
    await program.parseAsync(args.length === 0 ? ['serve'] : [...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has printed what it has to say: help and the version end it as errors do.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
    const message = error instanceof LandfallError ? complaintOf(error) : wordsOf(error)
    // Names of files and words of a server are in it.
    context.output.note(`landfall: ${printableLines(message)}`)
    if (error instanceof ConfigError) return exitCodes.configuration
    return error instanceof CommandFailure ? error.exitCode : exitCodes.failed
  }
}

/** Every command, with its options. */
export function createProgram(context: CommandContext, onServing: () => void): Command {
  const program = new Command('landfall')
    .description('An upload server: resumable uploads, each finished one a listed media file.')
    .version(readVersion())
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
  program
    .command('serve')
    .description('Serve until stopped (what landfall does without arguments).')
    .action(async () => {
      await serveByConfig(context)
      onServing()
    })
  program
    .command('migrate')
    .description('Bring the database up to date.')
    .action(async () => {
      const { server } = await build(context)
      await server.close()
      context.output.note('The database is up to date.')
    })
  program
    .command('sweep')
    .description('Expire and recover uploads once.')
    .option('--json', 'print the counts as JSON')
    .action(async (options) => {
      const { server } = await build(context)
      const counts = await server.sweep().finally(() => server.close())
      const lines = Object.entries(counts).map(([name, count]) => `${name} ${count}`)
      context.output.result(options.json ? JSON.stringify(counts) : lines.join('\n'))
    })
  addAccountCommands(program, context)
  addDoctorCommand(program, context)
  addUploadCommand(program, context)
  addFilesCommand(program, context)
  addWebhookCommands(program, context)
  addImportCommand(program, context, async () => (await build(context)).server)
  addRebuildCommand(program, context, async () => (await build(context)).server)
  return program
}

async function serveByConfig(context: CommandContext): Promise<void> {
  boundHeap()
  const { env, terminal, output } = context
  const config = readConfig(env, { terminal })
  if (config.workers === 1) return serve((await build(context)).server, config, output)
  if (cluster.isPrimary) {
    const log = createLog({ level: config.logLevel, format: config.logFormat, pid: true })
    return serveWithWorkers(config, output, { fork: (added) => cluster.fork(added), log })
  }
  const { compose } = await import('../compose.ts')
  await serveAsWorker((renderMetrics) => compose(config, { renderMetrics }), config, output)
}

async function build({ env, terminal }: CommandContext) {
  const config = readConfig(env, { terminal })
  // Loaded now, since the commands that only talk to a server need none of its libraries.
  const { compose } = await import('../compose.ts')
  return { config, server: await compose(config) }
}
