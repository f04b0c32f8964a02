import { Fault } from '../errors.ts'
import { createHasher } from '../streams/digest-algorithms.ts'
import { gather } from '../streams/gather.ts'
import { endFault, withOffset } from './append-fault.ts'
import type { Core } from './core.ts'
import { joinWholesOf } from './join.ts'
import type { HeldLock } from './lock.ts'
import { stopSignal } from './stop-signal.ts'
import type { Upload } from './upload.ts'
import type { AppendInput, Progress } from './uploads.ts'

/** The answer to the last request was lost and it comes again, empty: the same answer. */
export async function repeatLast<P>(
  core: Core<P>,
  lock: HeldLock,
  upload: Upload,
  { offset, length, body, verify }: AppendInput,
): Promise<Progress<P>> {
  if (offset !== upload.offset) throw new Fault('offset-mismatch', { offset: upload.offset })
  if (length !== 0) await requireEmpty(core, lock, body, offset)
  if (verify) requireDigestOfNothing(verify, offset)
  await joinWholes(core, upload)
  return { upload, published: await core.hooks.findPublished(upload.id) }
}

function requireDigestOfNothing(verify: NonNullable<AppendInput['verify']>, offset: number) {
  const { algorithm, expected } = verify
  const found = createHasher(typeof algorithm === 'string' ? algorithm : algorithm.told()).digest()
  const wanted = expected()
  if (wanted === null || Buffer.from(wanted).toString('hex') !== found)
    throw new Fault('digest-mismatch', { offset })
}

async function requireEmpty(
  core: Core<unknown>,
  lock: HeldLock,
  body: AppendInput['body'],
  offset: number,
): Promise<void> {
  const stop = stopSignal(core, lock)
  const source = gather(body, { signal: stop.signal, idleMs: core.limits.idleMs })
  const more = (await source.next()) !== null
  source.detach()
  stop.detach()
  if (more) throw new Fault('too-large', { offset })
  if (source.end !== 'complete') throw endFault(source.end, offset, core.stopping)
}

/** The part itself is stored, whatever becomes of its wholes: the answer tells its offset. */
export async function joinWholes<P>(core: Core<P>, part: Upload): Promise<void> {
  await joinWholesOf(core, part).catch((error: unknown) => {
    throw withOffset(error, part.offset)
  })
}
