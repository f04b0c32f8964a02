import { Fault } from '../errors.ts'
import type { Appender } from '../storage/storage.ts'
import { freeMemory } from '../streams/free-memory.ts'
import { type BodyEnd, type Gather, gather } from '../streams/gather.ts'
import { openRunningDigest, type RunningDigest } from './append-digest.ts'
import { endFault, undoes, withOffset } from './append-fault.ts'
import { joinWholes, repeatLast } from './append-repeat.ts'
import { assertHeld, type Core, expiryFrom, largestOf } from './core.ts'
import { storable } from './create.ts'
import { complete, reject } from './finish.ts'
import { refuseWhole } from './join.ts'
import type { HeldLock } from './lock.ts'
import { lostFault } from './lock-fence.ts'
import { takeOpen } from './opened.ts'
import { limitFault } from './session-rules.ts'
import { stopSignal } from './stop-signal.ts'
import { isOpen, openStates, type Upload } from './upload.ts'
import type { AppendInput, BodyFacts, Progress } from './uploads.ts'
import { type BodyCheck, openBodyCheck } from './verify.ts'

/** Milliseconds after which a long body's offset is recorded on the way: expiry moves with it. */
const RECORD_EVERY_MS = 10_000
/** Bytes that tell most types; file-type asks for no more. */
export const PREFIX_BYTES = 4100

/** One append on its way. Offsets are absolute. */
interface Run<P> {
  core: Core<P>
  lock: HeldLock
  upload: Upload
  appender: Appender
  source: Gather
  mode: 'keep' | 'whole'
  /** The digests of the whole file, running along; and the one that this body must have. */
  digest: RunningDigest | undefined
  check: BodyCheck | undefined
  progress: AppendInput['progress']
  confirm: AppendInput['confirm']
  /** What the end of the body told. */
  facts: BodyFacts
  last: AppendInput['last']
  /** First offset that must not be written. */
  limit: number
  /** Written so far. */
  at: number
  /** Recorded in the database: what a client may have been told. */
  recorded: number
  syncedUpTo: number
  recordedAt: number
  /** A sync that runs beside the next writes. */
  syncing: Promise<void>
  /** A sync has failed: it is not tried again. */
  lost: boolean
  /** What was recorded last may be further than `recorded`: the answer of the database was lost. */
  uncertain: boolean
}

/**
 * Steps 5 to 8. Writes the body at the end of the upload, one batch ahead of the socket, syncs,
 * records the offset, and completes the upload when its last byte is there.
 *
 * Cut short, it keeps what arrived (`keep`) or nothing (`whole`), and rejects with a Fault that
 * holds the offset to go on from.
 */
export async function append<P>(
  core: Core<P>,
  lock: HeldLock,
  upload: Upload,
  input: AppendInput,
): Promise<Progress<P>> {
  assertHeld(lock, upload)
  refuseWhole(upload)
  const { mode = 'keep' } = input
  if (upload.state === 'promoted' || upload.state === 'held')
    return repeatLast(core, lock, upload, input)
  if (!isOpen(upload.state)) throw new Fault('pending', { retryAfterSeconds: 1 })
  if (input.offset !== upload.offset) throw new Fault('offset-mismatch', { offset: upload.offset })
  const limit = Math.min(
    upload.size ?? largestOf(core, upload),
    upload.offset + (input.maxBytes ?? Number.MAX_SAFE_INTEGER),
  )
  if (upload.offset + (input.length ?? 0) > limit)
    throw new Fault('too-large', { offset: upload.offset })
  if (mode === 'whole') {
    // Nothing more is recorded before its end, however long it takes.
    const begun = { state: 'receiving' as const, cutTo: upload.offset }
    await core.repo.change(upload.id, openStates, begun, lock)
    core.at('attempt-recorded')
  }

  const appender =
    takeOpen(lock) ?? (await core.storage.append(upload.storageKey, upload.offset, lock.isOurs))
  const stop = stopSignal(core, lock)
  const digest = openRunningDigest(core, upload)
  const check = input.verify && openBodyCheck(core, upload, input.verify)
  // The last of what is opened: from here on it holds bytes, until it is let go of.
  const source = gather(input.body, { signal: stop.signal, idleMs: core.limits.idleMs })
  const run: Run<P> = {
    core,
    lock,
    upload,
    appender,
    source,
    mode,
    digest,
    check,
    progress: input.progress,
    confirm: input.confirm,
    last: input.last,
    facts: {},
    limit,
    at: upload.offset,
    recorded: upload.offset,
    syncedUpTo: upload.offset,
    recordedAt: performance.now(),
    syncing: Promise.resolve(),
    lost: false,
    uncertain: false,
  }
  try {
    return await receive(run)
  } finally {
    source.detach()
    stop.detach()
    await run.syncing.catch(() => {})
    run.digest?.close()
    run.check?.close()
    await appender.close()
    core.meter.received(upload.door, run.at - upload.offset)
  }
}

async function receive<P>(run: Run<P>): Promise<Progress<P>> {
  const { core, lock, upload, source } = run
  let trouble: unknown
  try {
    for (let batch = await source.next(); batch !== null; batch = await source.next()) {
      if (run.at + batch.bytes > run.limit) throw new Fault('too-large')
      // Paused for longer than our lease: another server may be writing by now.
      if (!lock.isOurs()) throw lostFault()
      await run.appender.write(batch.buffers)
      const before = run.at
      run.at += batch.bytes
      await run.digest?.written(run.at, batch.buffers)
      await run.check?.written(run.at, batch.buffers)
      core.at('bytes-written')
      await screen(run, before)
      await syncOnTheWay(run)
      freeMemory(batch.buffers)
    }
    if (hasWholeBody(run)) {
      await run.check?.require(run.at)
      run.facts = (await run.confirm?.(run.at - upload.offset)) ?? {}
    }
  } catch (error) {
    trouble = error
  }
  const end = trouble === undefined ? source.end : undefined
  const all = run.at === upload.size
  // Whole or nothing: a body that is not complete is as if it had not come.
  const whole = trouble === undefined && hasWholeBody(run)
  const keeps = run.lost
    ? false
    : run.mode === 'keep'
      ? !undoes(trouble)
      : whole && trouble === undefined
  if (!keeps) {
    await cutBack(run)
    if (trouble instanceof Fault && trouble.reason === 'type-not-accepted')
      throw await reject(core, lock, upload, trouble)
    throw stopFault(run, end, trouble)
  }
  await settle(run)
  if (all && trouble === undefined && upload.autoFinish) {
    const digestState = await digestStateOf(run)
    const done = await complete(core, lock, upload, { offset: run.at, digestState })
    await joinWholes(core, done.upload)
    return done
  }
  const recorded = await record(run)
  if (whole) return { upload: recorded, published: null }
  throw stopFault(run, end, trouble)
}

/**
 * All of the body is there: it has ended, or nothing can come after the upload's last byte but the
 * trailer that a check waits for.
 */
function hasWholeBody<P>({ source, upload, at, check }: Run<P>): boolean {
  return source.end === 'complete' || (at === upload.size && check?.early !== false)
}

/** Nothing is written after this. */
function isLast<P>({ at, upload, last, source, facts }: Run<P>): boolean {
  return at === (upload.size ?? facts.size) || (last === true && source.end === 'complete')
}

/** Looks at the first bytes once they are there, so that nobody sends the rest for nothing. */
async function screen<P>({ core, upload, at, appender }: Run<P>, before: number): Promise<void> {
  const { screenPrefix } = core.hooks
  // A part begins anywhere in its file.
  if (screenPrefix === undefined || upload.purpose === 'part') return
  if (before >= PREFIX_BYTES || at < PREFIX_BYTES) return
  await screenPrefix(await appender.readHead(PREFIX_BYTES), upload)
}

async function syncOnTheWay<P>(run: Run<P>): Promise<void> {
  const every = run.progress?.everyMs ?? RECORD_EVERY_MS
  const late = performance.now() - run.recordedAt > every
  if (run.mode === 'keep' && late && run.at !== run.upload.size) {
    await settle(run)
    await record(run)
    run.progress?.onRecorded(run.recorded)
  } else if (run.at - run.syncedUpTo >= (run.appender.syncEveryBytes ?? Infinity)) {
    await run.syncing
    run.syncedUpTo = run.at
    run.syncing = run.appender.sync()
    // Its failure is met where it is awaited next, not as an unhandled rejection.
    run.syncing.catch(() => {})
  }
}

/** Makes all that was written durable. A failed sync is not retried: what it covered is dropped. */
async function settle<P>(run: Run<P>): Promise<void> {
  try {
    await run.syncing
    await run.appender.sync(isLast(run))
    run.syncedUpTo = run.at
  } catch (error) {
    run.lost = true
    // Noted first: after a failed sync not even the length of the file is to be believed.
    const cutTo = run.recorded
    await run.core.repo.change(run.upload.id, openStates, { cutTo }, run.lock).catch(() => {})
    await cutBack(run)
    throw withOffset(error, run.recorded)
  }
  run.core.at('bytes-synced')
}

async function cutBack<P>(run: Run<P>): Promise<void> {
  run.at = run.recorded
  // In other hands the bytes past our offset are not ours to drop; nor are bytes that the database
  // may count. The next append drops what is too much.
  if (run.uncertain || !run.lock.isOurs()) return
  await run.appender.truncate(run.recorded).catch((error: unknown) => {
    // The next append drops the same bytes before it writes.
    run.core.log.warn(
      { err: error, upload: run.upload.id },
      'unrecorded bytes could not be dropped',
    )
  })
}

/** Where no digest runs along, its state waits for the rest to be read. */
async function digestStateOf<P>({ digest, upload, at }: Run<P>): Promise<Upload['digestState']> {
  return digest === undefined ? upload.digestState : digest.save(at)
}

/** Step 7: the offset, and with it the expiry, moves in one statement. */
async function record<P>(run: Run<P>): Promise<Upload> {
  const { core, upload } = run
  const { filename, size } = run.facts
  const now = core.now()
  const changes = {
    state: 'receiving' as const,
    offset: run.at,
    cutTo: run.mode === 'whole' || run.at !== run.recorded ? null : upload.cutTo,
    updatedAt: now.toISOString(),
    expiresAt: expiryFrom(core, upload, now),
    digestState: await digestStateOf(run),
    ...(filename === undefined ? {} : { filename: storable(filename) }),
    ...(size === undefined ? {} : { size }),
  }
  const reserved =
    upload.size === null ? Math.max(run.at, upload.reserved, size ?? 0) : upload.reserved
  run.uncertain = true
  const outcome = await core.repo.grow(upload, reserved, changes, run.lock)
  run.uncertain = false
  if (outcome !== 'changed') {
    await cutBack(run)
    throw outcome === 'ended'
      ? new Fault('upload-ended')
      : limitFault(outcome, core.limits.sessions, { ...upload, offset: run.recorded })
  }
  if (upload.sessionToken !== null)
    await core.repo.touchSession(upload.sessionToken, changes.updatedAt)
  core.at('offset-recorded')
  run.recorded = run.at
  run.recordedAt = performance.now()
  run.upload = { ...upload, ...changes, reserved }
  return run.upload
}

function stopFault<P>(run: Run<P>, end: BodyEnd | undefined, trouble: unknown): unknown {
  if (trouble !== undefined) return withOffset(trouble, run.recorded)
  return endFault(end, run.recorded, run.core.stopping)
}
