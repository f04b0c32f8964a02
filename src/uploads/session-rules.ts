import { Fault } from '../errors.ts'
import { formatSize } from '../wire/size.ts'
import { type Refusal, refuseName, shown } from './session-names.ts'

/** The SESSION_* settings. */
export interface SessionLimits {
  /** Sessions of one user that may be open at the same time. */
  maxOpen: number
  /** Bytes of one file, and of all files of a session. */
  maxFileBytes: number
  maxTotalBytes: number
  maxFiles: number
  /** Milliseconds without activity after which a session ends. */
  expiresAfterMs: number
  /** Nothing is added or removed any more. */
  readonly: boolean
}

/** What the counters of a session can have against one more file, or a larger one. */
export type SessionRefusal =
  | 'session-invalid'
  | 'session-closed'
  | 'name-taken'
  | 'too-many-files'
  | 'total-exceeded'

/** Bytes of the largest file that a session takes, whatever else is in it. */
export function largestSessionFile({ maxFileBytes, maxTotalBytes }: SessionLimits): number {
  return Math.min(maxFileBytes, maxTotalBytes)
}

/**
 * What can be said of a file before its bytes: throws `file-refused`, or `too-large` for one over
 * the limit.
 *
 * @param size null while it is not known.
 */
export function requireSessionFile(
  limits: SessionLimits,
  { filename, size }: { filename: string; size: number | null },
): void {
  if (limits.readonly) throw new Fault('not-allowed', { text: 'Upload sessions are read-only.' })
  if (size === 0) throw emptyFile(filename)
  const max = largestSessionFile(limits)
  if (size !== null && size > max) throw fileTooBig(filename, max, size)
  const refused = refuseName(filename)
  if (refused) throw fileRefused(refused)
}

export function emptyFile(filename: string): Fault {
  const verbose = `The file "${shown(filename)}" is empty`
  return fileRefused({ error: 'File is empty.', verbose })
}

/** @param size null where it was not sent to the end. */
export function fileTooBig(filename: string, max: number, size: number | null = null): Fault {
  const facts = `is too big${size === null ? '' : ` (${megabytes(size)})`}`
  const limit = `Max filesize: ${megabytes(max)}`
  const verbose = `The file "${shown(filename)}" ${facts}. ${limit}`
  return new Fault('too-large', {
    text: `File ${facts}. ${limit}`,
    members: { verboseError: verbose },
  })
}

/** The Fault for what a statement has refused: the owner's quota or the counters of a session. */
export function limitFault(
  why: SessionRefusal | 'quota-exceeded' | 'too-many-uploads',
  limits: SessionLimits,
  { filename, offset }: { filename: string; offset?: number },
): Fault {
  const name = `"${shown(filename)}"`
  const total = megabytes(limits.maxTotalBytes)
  switch (why) {
    case 'session-invalid':
    case 'session-closed':
    case 'quota-exceeded':
      return new Fault(why, offset === undefined ? {} : { offset })
    case 'too-many-uploads':
      return new Fault(why, { retryAfterSeconds: 60 })
    case 'name-taken':
      return fileRefused({
        error: 'A file with the same name has already been uploaded.',
        verbose: `A file with the name ${name} has already been uploaded`,
      })
    case 'too-many-files':
      return fileRefused({
        error: 'You can not upload anymore files.',
        verbose:
          `The file ${name} would push the total file count past the maximum number of files ` +
          `(${limits.maxFiles})`,
      })
    case 'total-exceeded':
      return fileRefused({
        error: `Maximum total upload size (${total.replace('MB', ' MB')}) exceeded`,
        verbose: `The file ${name} would push the total transfer size past the ${total} max`,
      })
  }
}

function fileRefused({ error, verbose }: Refusal): Fault {
  return new Fault('file-refused', { text: error, members: { verboseError: verbose } })
}

/** As the settings are written: powers of 1000. Small ones, which only tests have, in bytes. */
function megabytes(bytes: number): string {
  return bytes < 10_000 ? formatSize(bytes) : `${Math.round(bytes / 10_000) / 100}MB`
}
