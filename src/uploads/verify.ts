import { Fault } from '../errors.ts'
import type { Digest } from '../streams/digest.ts'
import type { Core } from './core.ts'
import { localPath } from './finish.ts'
import type { Upload } from './upload.ts'
import type { AppendInput } from './uploads.ts'

type Expectation = NonNullable<AppendInput['verify']>

/** The digest that one request's body must have. */
export interface BodyCheck {
  /** Whether all of it was known before the body: then the last byte is enough to decide. */
  early: boolean
  /** Says that bytes up to here are in the file. */
  follow(upTo: number): void
  /** Rejects with `digest-mismatch` where the bytes up to here are not those that were meant. */
  require(upTo: number): Promise<void>
  close(): void
}

/** Follows the body while it is written; what is told only at its end is then read once more. */
export function openBodyCheck(
  core: Core<unknown>,
  upload: Upload,
  { algorithm, expected }: Expectation,
): BodyCheck {
  const open = (name: string) =>
    core.digester.open({
      path: localPath(core, upload.storageKey),
      algorithms: [name],
      start: upload.offset,
    })
  const early = typeof algorithm === 'string'
  let digest: Digest | undefined = early ? open(algorithm) : undefined
  return {
    early,
    follow: (upTo) => digest?.follow(upTo),
    async require(upTo) {
      const name = early ? algorithm : algorithm()
      digest ??= open(name)
      const found = (await digest.finish(upTo))[name]
      const wanted = expected()
      if (wanted === null || Buffer.from(wanted).toString('hex') !== found)
        throw new Fault('digest-mismatch', { offset: upload.offset })
    },
    close: () => digest?.close(),
  }
}
