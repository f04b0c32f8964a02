import { Fault } from '../errors.ts'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** What trouble with a file of ours is to a client: no path, no code. */
export function fileFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === 'ENOENT') return new Fault('not-found', { cause: error })
  if (FULL.has(code)) return new Fault('storage-full', { cause: error, retryAfterSeconds: 30 })
  return new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
}
