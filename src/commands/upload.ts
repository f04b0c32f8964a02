import { type Command, InvalidArgumentError } from 'commander'
import type { Upload as TusUpload } from 'tus-js-client'
import { formatSize } from '../wire/size.ts'
import { addressOf } from './connect.ts'
import type { CommandContext } from './context.ts'
import { CommandFailure, exitCodes } from './exit.ts'
import { printable } from './output.ts'
import { collectFiles, type LocalFile } from './upload-files.ts'
import { type Uploaded, type UploadOneDeps, UploadRefused, uploadOne } from './upload-one.ts'
import { createProgress, formatDuration, type Progress } from './upload-progress.ts'
import { openUploadState, stateFolder } from './upload-state.ts'

interface Options {
  url?: string
  name?: string
  description?: string
  parallel: number
  json?: boolean
}

/** The part of Node's process that a command needs that can be interrupted. */
interface Signals {
  once(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
}

/** What became of a file. */
type Outcome =
  | { kind: 'uploaded'; file: LocalFile; uploaded: Uploaded }
  | { kind: 'failed'; file: LocalFile; error: string }
  | { kind: 'stopped'; file: LocalFile }

/** The reason of an abort: whoever started the command has stopped it. */
const STOPPED = new Error('stopped')

/** `upload`: files and folders to a running server, going on where an earlier run has stopped. */
export function addUploadCommand(program: Command, context: CommandContext): void {
  program
    .command('upload')
    .description('Upload files and folders; run again after an interruption, it goes on.')
    .argument('<path...>', 'files, and folders with everything in them')
    .option('--url <url>', 'the server, in the place of LANDFALL_URL')
    .option('--name <text>', 'name of the one file, in the place of its own')
    .option('--description <text>', 'description of every file')
    .option('--parallel <count>', 'files at the same time', parseParallel, 3)
    .option('--json', 'print what became of every file as JSON')
    .action(async (paths: string[], options: Options) => upload(paths, options, context))
}

function parseParallel(text: string): number {
  const count = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > 100) throw new InvalidArgumentError('Give a number from 1 to 100.')
  return count
}

async function upload(
  paths: readonly string[],
  options: Options,
  { env, output, terminal }: CommandContext,
): Promise<void> {
  const address = addressOf(env, options.url)
  const files = await collectFiles(paths, (shown, why) =>
    output.note(`${printable(shown)}: ${why}`),
  )
  if (files.length === 0) throw new CommandFailure('There are no files in it.')
  if (options.name !== undefined && files.length > 1)
    throw new CommandFailure('--name is for one file.', exitCodes.usage)
  const { Upload } = (await import('tus-js-client')) as { Upload: typeof TusUpload }
  const { name, description } = options
  const state = openUploadState(stateFolder(env), address.url, { name, description })
  const stopping = new AbortController()
  const release = onInterrupt(process, () => stopping.abort(STOPPED))
  const progress = createProgress({ output, terminal, files })
  const begun = performance.now()
  const deps = { Upload, address, state, signal: stopping.signal, name, description }
  const outcomes = await uploadAll(deps, files, options.parallel, progress, ({ uploaded }) => {
    if (!options.json) output.result(printable(uploaded.url ?? uploaded.uploadUrl))
  }).finally(() => {
    release()
    progress.stop()
  })
  if (options.json) output.result(JSON.stringify(outcomes.map((one) => asJson(one, address.url))))
  output.note(summaryOf(outcomes, (performance.now() - begun) / 1000))
  const stopped = outcomes.filter(({ kind }) => kind === 'stopped').length
  const failed = outcomes.filter(({ kind }) => kind === 'failed').length
  // Not before all are there: those that were done would be uploaded again with the rest.
  if (stopped + failed === 0) for (const file of files) state.forget(file)
  if (stopped > 0) throw new CommandFailure('Stopped. Run the same command again, and it goes on.')
  if (failed > 0)
    throw new CommandFailure(`${failed} failed. Run the same command again for the rest.`)
}

/** Until both are let go of; a second signal ends the process as it would without us. */
function onInterrupt(signals: Signals, stop: () => void): () => void {
  const names = ['SIGINT', 'SIGTERM'] as const
  const release = () => {
    for (const name of names) signals.off(name, onSignal)
  }
  const onSignal = () => {
    release()
    stop()
  }
  for (const name of names) signals.once(name, onSignal)
  return release
}

/** All of them, so many at a time. A token that is refused ends it: it is so for every file. */
async function uploadAll(
  deps: UploadOneDeps,
  files: readonly LocalFile[],
  parallel: number,
  progress: Progress,
  onUploaded: (outcome: Outcome & { kind: 'uploaded' }) => void,
): Promise<Outcome[]> {
  const outcomes = new Map<LocalFile, Outcome>()
  const waiting = [...files]
  let refused: string | undefined

  async function one(file: LocalFile): Promise<Outcome> {
    if (deps.signal.aborted) return { kind: 'stopped', file }
    if (refused !== undefined) return { kind: 'failed', file, error: refused }
    progress.begin(file)
    try {
      const uploaded = await uploadOne(deps, file, (bytes, from) =>
        progress.sent(file, bytes, from),
      )
      progress.end(file, `done, ${formatSize(file.size)}${resumedWords(uploaded)}`)
      return { kind: 'uploaded', file, uploaded }
    } catch (error) {
      if (error === STOPPED) return { kind: 'stopped', file }
      const words = error instanceof Error ? error.message : String(error)
      if (error instanceof UploadRefused && [401, 403].includes(error.status)) refused = words
      progress.end(file, `failed: ${words}`)
      return { kind: 'failed', file, error: words }
    }
  }

  async function work(): Promise<void> {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const outcome = await one(file)
      outcomes.set(file, outcome)
      if (outcome.kind === 'uploaded') onUploaded(outcome)
    }
  }

  await Promise.all(Array.from({ length: Math.min(parallel, files.length) }, work))
  return files.flatMap((file) => outcomes.get(file) ?? [])
}

function resumedWords({ resumedFrom }: Uploaded): string {
  return resumedFrom > 0 ? `, went on from ${formatSize(resumedFrom)}` : ''
}

function asJson(outcome: Outcome, server: string): object {
  const { file } = outcome
  const facts = { path: file.path, size: file.size, status: outcome.kind }
  if (outcome.kind === 'failed') return { ...facts, error: outcome.error }
  if (outcome.kind === 'stopped') return facts
  const { id, url, uploadUrl, resumedFrom } = outcome.uploaded
  return {
    ...facts,
    id,
    url,
    record: id === null ? null : `${server}/api/media/files/${id}`,
    upload: uploadUrl,
    resumed_from: resumedFrom,
  }
}

function summaryOf(outcomes: readonly Outcome[], seconds: number): string {
  const done = outcomes.filter((one) => one.kind === 'uploaded')
  const sent = done.reduce((sum, { file, uploaded }) => sum + file.size - uploaded.resumedFrom, 0)
  const resumed = done.filter(({ uploaded }) => uploaded.resumedFrom > 0).length
  const words = [
    `${done.length} of ${outcomes.length} files uploaded`,
    `${formatSize(sent)} sent in ${formatDuration(seconds)}`,
    ...(resumed > 0 ? [`${resumed} went on from before`] : []),
  ]
  return words.join(', ')
}
