import { Fault } from '../errors.ts'
import type { Appender } from '../storage/storage.ts'
import type { Digest } from '../streams/digest.ts'
import type { SavedDigest } from '../streams/digest-messages.ts'
import { type BodyEnd, type Gather, gather } from '../streams/gather.ts'
import { assertHeld, type Core, expiryFrom } from './core.ts'
import { complete, localPath, reject } from './finish.ts'
import type { HeldLock } from './lock.ts'
import { digestAlgorithmsOf, type Upload } from './upload.ts'
import type { AppendInput, Progress } from './uploads.ts'

/** Bytes after which a sync is begun while the body goes on, so that the last one is short. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024
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
  digest: Digest | undefined
  verified: Digest | undefined
  verify: AppendInput['verify']
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
  const { mode = 'keep' } = input
  if (upload.state === 'promoted' || upload.state === 'held') return repeatLast(core, upload, input)
  if (upload.state !== 'receiving') throw new Fault('pending', { retryAfterSeconds: 1 })
  if (input.offset !== upload.offset) throw new Fault('offset-mismatch', { offset: upload.offset })
  const limit = upload.size ?? core.limits.maxSize ?? Number.MAX_SAFE_INTEGER
  if (upload.offset + (input.length ?? 0) > limit)
    throw new Fault('too-large', { offset: upload.offset })
  if (mode === 'whole') {
    await core.repo.change(upload.id, ['receiving'], { cutTo: upload.offset })
    core.at('attempt-recorded')
  }

  const appender = await core.storage.append(upload.storageKey, upload.offset)
  const stop = new AbortController()
  const onStop = () => stop.abort()
  for (const signal of [lock.asked, core.stopping]) {
    signal.addEventListener('abort', onStop)
    if (signal.aborted) stop.abort()
  }
  const source = gather(input.body, { signal: stop.signal, idleMs: core.limits.idleMs })
  const run: Run<P> = {
    core,
    lock,
    upload,
    appender,
    source,
    mode,
    digest: openDigest(core, upload),
    verified: openVerified(core, upload, input.verify),
    verify: input.verify,
    limit,
    at: upload.offset,
    recorded: upload.offset,
    syncedUpTo: upload.offset,
    recordedAt: performance.now(),
    syncing: Promise.resolve(),
  }
  try {
    return await receive(run)
  } finally {
    source.detach()
    for (const signal of [lock.asked, core.stopping]) signal.removeEventListener('abort', onStop)
    await run.syncing.catch(() => {})
    run.digest?.close()
    run.verified?.close()
    await appender.close()
    core.meter.received(upload.door, run.at - upload.offset)
  }
}

/** The answer to the last request was lost and it comes again, empty: the same answer. */
async function repeatLast<P>(
  core: Core<P>,
  upload: Upload,
  { offset, length, body }: AppendInput,
): Promise<Progress<P>> {
  if (offset !== upload.offset) throw new Fault('offset-mismatch', { offset: upload.offset })
  const source = gather(body, { idleMs: core.limits.idleMs })
  const more = (length ?? 0) > 0 || (await source.next()) !== null
  source.detach()
  if (more) throw new Fault('too-large', { offset })
  return { upload, published: await core.hooks.findPublished(upload.id) }
}

async function receive<P>(run: Run<P>): Promise<Progress<P>> {
  const { core, lock, upload, source } = run
  let trouble: unknown
  try {
    for (let batch = await source.next(); batch !== null; batch = await source.next()) {
      if (run.at + batch.bytes > run.limit) throw new Fault('too-large')
      await run.appender.write(batch.buffers)
      const before = run.at
      run.at += batch.bytes
      run.digest?.follow(run.at)
      run.verified?.follow(run.at)
      core.at('bytes-written')
      await screen(run, before)
      await syncOnTheWay(run)
    }
    if (source.end === 'complete') await verify(run)
  } catch (error) {
    trouble = error
  }
  const end = trouble === undefined ? source.end : undefined
  const all = run.at === upload.size
  // Whole or nothing: a body that is not complete is as if it had not come.
  const whole = end === 'complete' || (all && trouble === undefined)
  const keeps = run.mode === 'keep' ? !undoes(trouble) : whole && trouble === undefined
  if (!keeps) {
    await cutBack(run)
    if (trouble instanceof Fault && trouble.reason === 'type-not-accepted')
      throw await reject(core, lock, upload, trouble)
    throw stopFault(run, end, trouble)
  }
  await settle(run)
  if (all && trouble === undefined && upload.autoFinish) {
    const digestState = await saveDigest(run)
    return complete(core, lock, upload, { offset: run.at, digestState })
  }
  const recorded = await record(run)
  if (whole) return { upload: recorded, published: null }
  throw stopFault(run, end, trouble)
}

/** Faults after which nothing of the unrecorded bytes may stay. */
function undoes(trouble: unknown): boolean {
  if (trouble === undefined) return false
  if (!(trouble instanceof Fault)) return true
  return ['too-large', 'quota-exceeded', 'type-not-accepted', 'upload-ended'].includes(
    trouble.reason,
  )
}

/** Looks at the first bytes once they are there, so that nobody sends the rest for nothing. */
async function screen<P>({ core, upload, at }: Run<P>, before: number): Promise<void> {
  const { screenPrefix } = core.hooks
  if (screenPrefix === undefined || before >= PREFIX_BYTES || at < PREFIX_BYTES) return
  const prefix = await core.storage.readAt(upload.storageKey, 0, PREFIX_BYTES)
  await screenPrefix(prefix, upload)
}

async function syncOnTheWay<P>(run: Run<P>): Promise<void> {
  const late = performance.now() - run.recordedAt > RECORD_EVERY_MS
  if (run.mode === 'keep' && late && run.at !== run.upload.size) {
    await settle(run)
    await record(run)
  } else if (run.at - run.syncedUpTo >= SYNC_EVERY_BYTES) {
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
    await run.appender.sync()
    run.syncedUpTo = run.at
  } catch (error) {
    // Noted first: after a failed sync not even the length of the file is to be believed.
    const cutTo = run.recorded
    await run.core.repo.change(run.upload.id, ['receiving'], { cutTo }).catch(() => {})
    await cutBack(run)
    throw withOffset(error, run.recorded)
  }
  run.core.at('bytes-synced')
}

async function cutBack<P>(run: Run<P>): Promise<void> {
  run.at = run.recorded
  await run.appender.truncate(run.recorded).catch((error: unknown) => {
    // The next append drops the same bytes before it writes.
    run.core.log.warn(
      { err: error, upload: run.upload.id },
      'unrecorded bytes could not be dropped',
    )
  })
}

/** Step 7: the offset, and with it the expiry, moves in one statement. */
async function record<P>(run: Run<P>): Promise<Upload> {
  const { core, upload } = run
  const now = core.now()
  const changes = {
    offset: run.at,
    cutTo: run.mode === 'whole' || run.at !== run.recorded ? null : upload.cutTo,
    updatedAt: now.toISOString(),
    expiresAt: expiryFrom(core, upload, now),
    digestState: await saveDigest(run),
  }
  const reserved = upload.size === null ? Math.max(run.at, upload.reserved) : upload.reserved
  const outcome =
    reserved === upload.reserved
      ? (await core.repo.change(upload.id, ['receiving'], changes))
        ? 'changed'
        : 'ended'
      : await core.repo.grow(upload, reserved, changes)
  if (outcome !== 'changed') {
    await cutBack(run)
    throw outcome === 'ended'
      ? new Fault('upload-ended')
      : new Fault(outcome, { offset: run.recorded })
  }
  core.at('offset-recorded')
  run.recorded = run.at
  run.recordedAt = performance.now()
  run.upload = { ...upload, ...changes, reserved }
  return run.upload
}

function openDigest(core: Core<unknown>, upload: Upload): Digest | undefined {
  const algorithms = digestAlgorithmsOf(upload)
  if (algorithms.length === 0) return undefined
  const digest = core.digester.open({
    path: localPath(core, upload.storageKey),
    algorithms,
    state: upload.digestState ?? undefined,
    saves: true,
  })
  // After a restart: what was stored and not yet digested when the last state was saved.
  digest.follow(upload.offset)
  return digest
}

function openVerified(
  core: Core<unknown>,
  upload: Upload,
  verify: AppendInput['verify'],
): Digest | undefined {
  if (verify === undefined) return undefined
  const path = localPath(core, upload.storageKey)
  return core.digester.open({ path, algorithms: [verify.algorithm], start: upload.offset })
}

/** Waits for the digest to catch up: it is a batch behind at the most, or as slow as its algorithm. */
async function saveDigest<P>(run: Run<P>): Promise<SavedDigest | null> {
  return run.digest === undefined ? null : run.digest.save(run.at)
}

async function verify<P>(run: Run<P>): Promise<void> {
  if (run.verify === undefined || run.verified === undefined) return
  const { algorithm, expected } = run.verify
  const found = (await run.verified.finish(run.at))[algorithm]
  const wanted = expected()
  if (wanted === null || Buffer.from(wanted).toString('hex') !== found)
    throw new Fault('digest-mismatch', { offset: run.recorded })
}

function withOffset(error: unknown, offset: number): unknown {
  if (!(error instanceof Fault)) return error
  const { reason, message, retryAfterSeconds, cause } = error
  return new Fault(reason, { text: message, offset, retryAfterSeconds, cause })
}

function stopFault<P>(run: Run<P>, end: BodyEnd | undefined, trouble: unknown): unknown {
  const offset = run.recorded
  if (trouble !== undefined) return withOffset(trouble, offset)
  switch (end) {
    case 'idle':
      return new Fault('body-idle', { offset })
    case 'stopped':
      return run.core.stopping.aborted
        ? new Fault('shutting-down', { offset, retryAfterSeconds: 2 })
        : new Fault('locked', { offset, retryAfterSeconds: 1 })
    default:
      return new Fault('client-gone', { offset })
  }
}
