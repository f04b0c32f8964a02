import { Fault } from '../errors.ts'
import type { BodyEnd } from '../streams/gather.ts'

/** The same fault with the offset that a client can go on from; other errors as they are. */
export function withOffset(error: unknown, offset: number): unknown {
  if (!(error instanceof Fault)) return error
  const { reason, message, fields, members, retryAfterSeconds, cause } = error
  return new Fault(reason, { text: message, fields, members, offset, retryAfterSeconds, cause })
}

/** What a body that ended before its time is answered. */
export function endFault(end: BodyEnd | undefined, offset: number, stopping: AbortSignal): Fault {
  switch (end) {
    case 'idle':
      return new Fault('body-idle', { offset })
    case 'stopped':
      return stopping.aborted
        ? new Fault('shutting-down', { offset, retryAfterSeconds: 2 })
        : new Fault('locked', { offset, retryAfterSeconds: 1 })
    default:
      return new Fault('client-gone', { offset })
  }
}

/** Whether nothing of the unrecorded bytes may stay after it. */
export function undoes(trouble: unknown): boolean {
  if (trouble === undefined) return false
  if (!(trouble instanceof Fault)) return true
  return ['too-large', 'quota-exceeded', 'type-not-accepted', 'upload-ended'].includes(
    trouble.reason,
  )
}
