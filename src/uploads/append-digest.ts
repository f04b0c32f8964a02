import { isResumable } from '../streams/digest-algorithms.ts'
import type { SavedDigest } from '../streams/digest-messages.ts'
import type { Core } from './core.ts'
import { openDigest, type WrittenDigest } from './object-digest.ts'
import { digestAlgorithmsOf, type Upload } from './upload.ts'

/** The digests of the whole file while one body is written to its end. */
export interface RunningDigest extends Pick<WrittenDigest, 'written' | 'close'> {
  /**
   * The state to go on from with the next body; null where there is none. Waits for the digest to
   * catch up: it is a batch behind at the most, or as slow as its algorithm.
   */
  save(upTo: number): Promise<SavedDigest | null>
}

/**
 * Goes on where the last body ended; undefined where no digest runs along with this upload, and then
 * what its state does not hold is read when all bytes are there.
 */
export function openRunningDigest(core: Core<unknown>, upload: Upload): RunningDigest | undefined {
  const algorithms = digestAlgorithmsOf(upload)
  // Where no state can be kept, the bytes are read once at the end instead of before every body.
  if (algorithms.length === 0 || !algorithms.every(isResumable)) return undefined
  const { offset, digestState } = upload
  const from = digestState?.at ?? 0
  // Bytes that are no file on this machine cannot be read before the last one is there.
  if (from !== offset && core.storage.localPath === undefined) return undefined
  const digest = openDigest(core, upload.storageKey, {
    algorithms,
    state: digestState ?? undefined,
    saves: true,
  })
  // After a restart: what was stored and not yet digested when the last state was saved.
  if (from !== offset) void digest.written(offset, [])
  let last = digestState
  return {
    written: digest.written,
    close: digest.close,
    // A digest that failed costs no acknowledged byte: it goes on from the state before.
    async save(upTo) {
      last = await digest.save(upTo).catch((error: unknown) => {
        core.log.warn({ err: error, upload: upload.id }, 'a digest fell behind')
        return last
      })
      return last
    },
  }
}
