import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { type Config, ConfigError, readConfig } from '../config.ts'
import { addressOf } from './connect.ts'
import type { CommandContext } from './context.ts'
import { checkDatabase } from './doctor-database.ts'
import { type Finding, fail, ok } from './doctor-finding.ts'
import { checkBoot, checkDataDir, checkLock, checkNode, isForeign } from './doctor-machine.ts'
import { checkServer } from './doctor-server.ts'
import { checkStorage } from './doctor-storage.ts'
import { CommandFailure, exitCodes } from './exit.ts'
import { printable } from './output.ts'

/** What is done to have a look; the rest is only read. */
const TOUCHED = `
It writes a small object to the storage, begins uploads at the running server, and removes both.
Where the database is the embedded one and no server runs, it starts that database as a server
would, but for migrations: files in DATA_DIR/db change, DATA_DIR/lock is held meanwhile, and a
server that is started in these seconds is refused. DATA_DIR/files is made where it is missing.`

/** `doctor`: looks at everything that a server needs, and says what to mend. */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('Check configuration, database, storage and a running server (LANDFALL_URL).')
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', TOUCHED)
    .action(async (options: { json?: boolean }) => {
      const { output } = context
      const findings: Finding[] = []
      for await (const finding of examine(context)) {
        findings.push(finding)
        if (!options.json) output.result(lineOf(finding))
      }
      if (options.json) output.result(JSON.stringify(findings))
      const count = (state: string) => findings.filter((one) => one.state === state).length
      const [warned, failed] = [count('warn'), count('fail')]
      if (failed > 0) throw new CommandFailure(`${failed} failed, ${warned} warned.`)
      output.note(`Nothing failed, ${warned} warned.`)
    })
}

async function* examine({ env, terminal }: CommandContext): AsyncGenerator<Finding> {
  yield checkNode(process.versions.node)
  let config: Config | undefined
  try {
    config = readConfig(env, { terminal })
    yield ok('configuration', 'every variable is understood')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems)
      yield fail('configuration', problem, 'see docs/configuration.md')
  }
  if (config !== undefined) yield* examineMachine(config)
  if (!env.LANDFALL_URL) {
    yield ok('server', 'none was asked: set LANDFALL_URL to look at one through its proxy')
    return
  }
  try {
    yield* await checkServer(addressOf(env))
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== exitCodes.configuration)
      throw error
    yield fail('server', error.message, 'mend it')
  }
}

async function* examineMachine(config: Config): AsyncGenerator<Finding> {
  const { dataDir, databaseUrl, s3 } = config
  const folder = await checkDataDir(dataDir)
  yield folder
  // What the server of another user has to write must not be made by this one.
  const isOurs = folder.state !== 'fail' && !(await isForeign(dataDir))
  const isThere = existsSync(dataDir)
  const lock = isOurs && isThere && databaseUrl === undefined ? await checkLock(dataDir) : null
  if (lock !== null) yield lock.finding
  if (isThere) yield await checkBoot(dataDir)
  if (isOurs || databaseUrl !== undefined) yield* await checkDatabase(config, lock?.inUse ?? false)
  if (isOurs || s3 !== null) yield* await checkStorage(config)
}

function lineOf({ check, state, text, mend }: Finding): string {
  const line = `${state.padEnd(4)}  ${check}: ${printable(text)}`
  return mend === undefined ? line : `${line}\n      → ${printable(mend)}`
}
