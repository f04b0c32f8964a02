import { Fault } from '../errors.ts'
import type { Core } from './core.ts'
import { openDigest, type WrittenDigest } from './object-digest.ts'
import type { Upload } from './upload.ts'
import type { AppendInput } from './uploads.ts'

type Expectation = NonNullable<AppendInput['verify']>

/** The digest that one request's body must have. */
export interface BodyCheck extends Pick<WrittenDigest, 'written'> {
  /** Whether all of it was known before the body: then the last byte is enough to decide. */
  early: boolean
  /** Rejects with `digest-mismatch` where the bytes up to here are not those that were meant. */
  require(upTo: number): Promise<void>
  close(): void
}

/**
 * Digests the body while it is written. An algorithm that is told only at its end is computed then,
 * from the file; where there is none, all that it may be are computed on the way.
 */
export function openBodyCheck(
  core: Core<unknown>,
  upload: Upload,
  { algorithm, expected }: Expectation,
): BodyCheck {
  const open = (algorithms: readonly string[]) =>
    openDigest(core, upload.storageKey, { algorithms, start: upload.offset })
  const early = typeof algorithm === 'string'
  let digest: WrittenDigest | undefined
  if (early) digest = open([algorithm])
  else if (core.storage.localPath === undefined) digest = open(algorithm.among)
  return {
    early,
    written: async (upTo, buffers) => digest?.written(upTo, buffers),
    async require(upTo) {
      const name = early ? algorithm : algorithm.told()
      digest ??= open([name])
      const found = await digest.finish(upTo).catch((error: unknown) => {
        throw new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
      })
      const wanted = expected()
      if (wanted === null || Buffer.from(wanted).toString('hex') !== found[name])
        throw new Fault('digest-mismatch', { offset: upload.offset })
    },
    close: () => digest?.close(),
  }
}
