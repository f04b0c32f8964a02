import { Fault, type Reason } from '../errors.ts'
import { assertHeld, type Core, expiryFrom } from './core.ts'
import type { HeldLock } from './lock.ts'
import { digestsOf } from './object-digest.ts'
import { emptyFile } from './session-rules.ts'
import { removeBytes } from './terminate.ts'
import { isEnded, openStates, type Upload } from './upload.ts'
import type { Progress } from './uploads.ts'

/** Inspections a file gets. One that kills the inspector, or us, twice is refused. */
const MAX_TRIES = 2

/** Faults that judge the file itself. All others are trouble of ours that passes. */
const REFUSALS: ReadonlySet<Reason> = new Set([
  'type-not-accepted',
  'too-many-pixels',
  'file-unreadable',
  'digest-mismatch',
  'malware-found',
  'unscannable',
])

type Facts = Partial<Pick<Upload, 'size' | 'offset' | 'title' | 'description' | 'digestState'>>

/**
 * Steps 7 to 10. One UPDATE records the last offset, makes the upload `complete` and counts the
 * first inspection; from there on the file is published or refused, by us or by the sweep.
 */
export async function complete<P>(
  core: Core<P>,
  lock: HeldLock,
  upload: Upload,
  facts: Facts,
): Promise<Progress<P>> {
  assertHeld(lock, upload)
  if (upload.purpose === 'session' && (facts.offset ?? upload.offset) === 0)
    throw await reject(core, lock, upload, emptyFile(upload.filename))
  const held = upload.purpose === 'part'
  const counted = held || core.hooks.countsTryWhenComplete === false ? 0 : 1
  const now = core.now()
  const changes = {
    ...facts,
    // A part is not a file: nobody looks into it, and it waits for its whole as long as it may.
    state: held ? ('held' as const) : ('complete' as const),
    inspectTries: counted,
    cutTo: null,
    expiresAt: held ? expiryFrom(core, upload, now) : null,
    updatedAt: now.toISOString(),
  }
  if (upload.sessionToken !== null)
    await core.repo.touchSession(upload.sessionToken, changes.updatedAt)
  if (!(await core.repo.change(upload.id, openStates, changes, lock)))
    throw new Fault('upload-ended')
  core.at('complete')
  const after = { ...upload, ...changes }
  if (!held) return publish(core, lock, after, { counted })
  await core.storage.finalise(upload.storageKey, after.offset)
  return { upload: after, published: null }
}

/**
 * Publishes a complete upload or records its refusal. Whatever else goes wrong leaves it complete
 * and rejects with `pending`: nothing is lost, and the next look at it goes on here.
 */
export async function publish<P>(
  core: Core<P>,
  lock: HeldLock,
  upload: Upload,
  tries: { counted: number },
): Promise<Progress<P>> {
  assertHeld(lock, upload)
  const began = performance.now()
  let { inspectTries } = upload
  // The first try may be counted in the statement that made the upload complete.
  let prepaid = tries.counted > 0
  // Whether a try was counted for this run, to be given back where it was none.
  let taken = prepaid
  const attempt = async () => {
    taken = true
    if (!prepaid) await setTries(++inspectTries)
    prepaid = false
    if (inspectTries > MAX_TRIES) throw new Fault('file-unreadable')
  }
  const setTries = (inspectTries: number) =>
    core.repo.change(upload.id, ['complete'], { inspectTries })
  try {
    const { storageKey, finalKey, offset } = upload
    await core.storage.finalise(storageKey, offset, finalKey ?? undefined)
    const digests = await digestsOf(core, upload)
    requireExpected(upload, digests)
    const ours = { ...upload, lockEpoch: lock.epoch ?? upload.lockEpoch }
    const published = await core.hooks.onFinished(ours, attempt, digests)
    if (published === null) return { upload: { ...upload, state: 'held' }, published }
    // The statement that published it has given the lock back.
    lock.givenBack()
    core.at('published')
    core.meter.ended(upload.door, 'published')
    core.meter.publishedIn((performance.now() - began) / 1000)
    return { upload: { ...upload, state: 'promoted' }, published }
  } catch (error) {
    if (error instanceof Fault && REFUSALS.has(error.reason))
      throw await reject(core, lock, upload, error)
    core.log.error(
      { err: error, upload: upload.id },
      'a complete upload could not be published yet',
    )
    // It was not the file's fault, so the try was none. Should this fail too, it stays counted.
    if (taken) await setTries(inspectTries - 1).catch(() => {})
    throw new Fault('pending', { cause: error, retryAfterSeconds: 1 })
  }
}

/** Refuses an upload for good: the reason is kept, the bytes are not. Gives back the Fault. */
export async function reject<P>(
  core: Core<P>,
  lock: HeldLock,
  upload: Upload,
  fault: Fault,
): Promise<Fault> {
  assertHeld(lock, upload)
  const facts = { now: core.now().toISOString(), reason: fault.reason }
  const from = [...openStates, 'complete'] as const
  const ended = await core.repo.end({ id: upload.id, lock }, from, 'rejected', facts)
  if (ended.length === 0) return fault
  core.meter.ended(upload.door, 'rejected')
  core.at('state-ended')
  await removeBytes(core, upload)
  return fault
}

/** What became of an upload that has ended, for whoever asks for it later. */
export function endedFault(upload: Upload): Fault | null {
  if (!isEnded(upload.state)) return null
  if (upload.state === 'rejected' && upload.rejectReason !== null)
    return new Fault(upload.rejectReason as Reason)
  return new Fault('upload-ended')
}

function requireExpected(upload: Upload, digests: Record<string, string>): void {
  for (const pair of upload.expectedDigest?.split(' ') ?? []) {
    const [algorithm = '', hex] = pair.split(':')
    if (digests[algorithm] !== hex) throw new Fault('digest-mismatch')
  }
}
