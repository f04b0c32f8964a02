import type { Digest } from '../streams/digest.ts'
import { isResumable } from '../streams/digest-algorithms.ts'
import type { SavedDigest } from '../streams/digest-messages.ts'
import type { Core } from './core.ts'
import { localPath } from './finish.ts'
import { digestAlgorithmsOf, type Upload } from './upload.ts'

/** The digests of the whole file while one body is written to its end. */
export interface RunningDigest extends Pick<Digest, 'follow' | 'close'> {
  /**
   * The state to go on from with the next body; null where there is none. Waits for the digest to
   * catch up: it is a batch behind at the most, or as slow as its algorithm.
   */
  save(upTo: number): Promise<SavedDigest | null>
}

/** Goes on where the last body ended; undefined where no digest runs along with this upload. */
export function openRunningDigest(core: Core<unknown>, upload: Upload): RunningDigest | undefined {
  const algorithms = digestAlgorithmsOf(upload)
  if (algorithms.length === 0) return undefined
  // Where no state can be kept, the bytes are read once at the end instead of before every body.
  if (upload.offset > 0 && !algorithms.every(isResumable)) return undefined
  const digest = core.digester.open({
    path: localPath(core, upload.storageKey),
    algorithms,
    state: upload.digestState ?? undefined,
    saves: true,
  })
  // After a restart: what was stored and not yet digested when the last state was saved.
  digest.follow(upload.offset)
  return {
    follow: digest.follow,
    close: digest.close,
    // A digest that failed costs no acknowledged byte: it is computed again from the file.
    save: (upTo) =>
      digest.save(upTo).catch((error: unknown) => {
        core.log.warn({ err: error, upload: upload.id }, 'a digest fell behind and begins again')
        return null
      }),
  }
}
