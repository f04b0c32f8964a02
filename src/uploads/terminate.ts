import { Fault } from '../errors.ts'
import type { Core } from './core.ts'
import type { HeldLock } from './lock.ts'
import { isEnded, type Upload } from './upload.ts'

/**
 * Step 11: the state first, committed, then the bytes. After a crash in between the sweep finds an
 * ended upload whose bytes are still there.
 */
export async function terminate<P>(
  core: Core<P>,
  lock: HeldLock,
  { keepsPublished = false }: { keepsPublished?: boolean } = {},
): Promise<void> {
  const upload = await core.repo.get(lock.id)
  if (upload === undefined) throw new Fault('not-found')
  // The sweep may have ended it before its object was made, by a request that stood still so long.
  if (isEnded(upload.state)) await removeBytes(core, upload)
  if (isEnded(upload.state) || (keepsPublished && upload.state === 'promoted'))
    throw new Fault('upload-ended')
  if (upload.state === 'promoted') await core.hooks.unpublish(upload)
  else {
    const now = core.now().toISOString()
    const from = ['creating', 'receiving', 'complete', 'held'] as const
    const ended = await core.repo.end({ id: upload.id, lock }, from, 'terminated', { now })
    if (ended.length === 0) throw new Fault('upload-ended')
  }
  core.meter.ended(upload.door, 'terminated')
  core.at('state-ended')
  await removeBytes(core, upload)
}

/**
 * Removes the bytes of an ended upload and notes that they are gone. What fails here is no
 * failure of the request, whose work is committed: the sweep does it again.
 */
export async function removeBytes(
  core: Core<unknown>,
  upload: Pick<Upload, 'id' | 'storageKey' | 'finalKey'>,
): Promise<boolean> {
  try {
    const { storageKey, finalKey } = upload
    // The manifest before the bytes: half of a removal must not look like a file that lost them.
    const derived = core.hooks.derivedKeys(finalKey ?? storageKey)
    for (const key of [...derived, storageKey, ...(finalKey === null ? [] : [finalKey])])
      await core.storage.remove(key)
    core.at('bytes-removed')
    await core.repo.change(upload.id, ['rejected', 'expired', 'terminated'], { bytesGone: true })
    return true
  } catch (error) {
    core.log.warn(
      { err: error, upload: upload.id },
      'bytes of an ended upload could not be removed',
    )
    return false
  }
}
