import { Fault, type Reason } from '../errors.ts'
import { matchesDigests } from '../streams/digest.ts'
import { assertHeld, type Core } from './core.ts'
import type { HeldLock } from './lock.ts'
import { removeBytes } from './terminate.ts'
import { isEnded, type Upload } from './upload.ts'
import type { Progress } from './uploads.ts'

/** Inspections a file gets. One that kills the inspector, or us, twice is refused. */
const MAX_TRIES = 2

/** Faults that judge the file itself. All others are trouble of ours that passes. */
const REFUSALS: ReadonlySet<Reason> = new Set([
  'type-not-accepted',
  'too-many-pixels',
  'file-unreadable',
  'digest-mismatch',
])

type Facts = Partial<Pick<Upload, 'size' | 'offset' | 'filename' | 'description'>>

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
  const changes = {
    ...facts,
    state: 'complete' as const,
    inspectTries: 1,
    cutTo: null,
    expiresAt: null,
    updatedAt: core.now().toISOString(),
  }
  if (!(await core.repo.change(upload.id, ['receiving'], changes))) throw new Fault('upload-ended')
  core.at('complete')
  return publish(core, lock, { ...upload, ...changes }, { counted: 1 })
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
  let { counted } = tries
  const attempt = async () => {
    // The first try was counted in the statement that made the upload complete.
    const number = counted > 0 ? counted : await core.repo.countTry(upload.id)
    counted = 0
    if (number > MAX_TRIES) throw new Fault('file-unreadable')
  }
  try {
    await core.storage.finalise(upload.storageKey, upload.offset)
    await verifyDigest(core, upload)
    const published = await core.hooks.onFinished(upload, attempt)
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
  const from = ['receiving', 'complete'] as const
  await core.repo.end({ id: upload.id }, from, 'rejected', facts)
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

async function verifyDigest(core: Core<unknown>, upload: Upload): Promise<void> {
  if (upload.expectedDigest === null) return
  const stream = core.storage.read(upload.storageKey)
  if (!(await matchesDigests(stream, upload.expectedDigest))) throw new Fault('digest-mismatch')
}
