import { Fault } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { Hooks } from '../uploads/core.ts'
import { finalKeyOf, type Upload } from '../uploads/upload.ts'
import { cleanFilename } from '../wire/content-disposition.ts'
import { type ClamdOptions, type Outcome, scanStream, type Verdict } from './clamd.ts'
import { createTurns } from './turns.ts'

export interface ScanDeps {
  clamav: ClamdOptions
  storage: Pick<Storage, 'read'>
  /** Fires when the process is about to stop. */
  stopping: AbortSignal
  log: { warn(fields: object, message: string): void }
}

/**
 * Rejects with `malware-found` or `unscannable`, which judge the file, or with
 * `scanner-unavailable` where there is no verdict.
 */
export type Scan = (upload: Upload) => Promise<void>

/** Files that clamd has before it at a time: its own default is ten threads. */
const MAX_AT_ONCE = 8
/** Milliseconds for which a scanner that could not be reached is not asked again. */
const REST_MS = 2000
/** Milliseconds after each 256 KiB where a scan was cut: a clamd that is well has read them by then. */
const PAUSE_MS = 10
/** Clean files that are remembered while their record waits for the database. */
const MAX_REMEMBERED = 10_000

/** Scans finished uploads through clamd. Each file is read once more for it, as fast as clamd is. */
export function createScan({ clamav, storage, stopping, log }: ScanDeps): Scan {
  const inTurn = createTurns(MAX_AT_ONCE)
  let awayUntil = 0

  function attempt(upload: Upload, pauseMs: number): Promise<Outcome> {
    const source = storage.read(finalKeyOf(upload))
    return scanStream(source, upload.offset, { ...clamav, pauseMs }, stopping)
  }

  async function verdictOn(upload: Upload): Promise<Verdict> {
    if (performance.now() < awayUntil) throw new Error('clamd could not be reached just now')
    let outcome = await attempt(upload, 0)
    // The file may have been too large for it, with the word lost that says so.
    if (outcome.kind === 'cut') outcome = await attempt(upload, PAUSE_MS)
    if (outcome.kind === 'away') awayUntil = performance.now() + REST_MS
    if (outcome.kind === 'away' || outcome.kind === 'cut')
      throw new Error(`clamd is ${outcome.kind}`, { cause: outcome.cause })
    return outcome
  }

  return async (upload) => {
    if (upload.offset === 0) return
    const verdict = await inTurn(() => verdictOn(upload)).catch((error: unknown) => {
      if (stopping.aborted) throw new Fault('shutting-down', { cause: error })
      // The storage's own trouble.
      if (error instanceof Fault) throw error
      throw new Fault('scanner-unavailable', { cause: error, retryAfterSeconds: 5 })
    })
    if (verdict.kind === 'clean') return
    if (verdict.kind === 'too-large') throw new Fault('unscannable')
    const { signature } = verdict
    log.warn({ upload: upload.id, signature: signature.slice(0, 200) }, 'malware was found')
    const name = cleanFilename(upload.filename)
    throw new Fault('malware-found', { text: `Malware was detected in the file "${name}"` })
  }
}

/**
 * Has every complete upload scanned before anything else looks into it. A file that was found
 * clean is not scanned again while its record waits for something else, such as the database.
 */
export function scanFirst<P>(hooks: Hooks<P>, scan: Scan): Hooks<P> {
  const clean = new Set<string>()
  return {
    ...hooks,
    countsTryWhenComplete: false,
    async onFinished(upload, attempt, digests) {
      if (!clean.has(upload.id)) await scan(upload)
      remember(clean, upload.id)
      const published = await hooks.onFinished(upload, attempt, digests)
      clean.delete(upload.id)
      return published
    },
  }
}

/** Those that are refused or removed later stay until newer ones push them out. */
function remember(ids: Set<string>, id: string): void {
  ids.add(id)
  const [oldest] = ids
  if (ids.size > MAX_REMEMBERED && oldest !== undefined) ids.delete(oldest)
}
