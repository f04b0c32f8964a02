import { STATUS_CODES } from 'node:http'
import type { Fault, Reason } from '../../errors.ts'
import type { Dialect } from './interop.ts'

const REGISTERED = 'https://iana.org/assignments/http-problem-types#'

interface Kind {
  /** Of the registry; undefined: `about:blank`, "the same as the status code" (RFC 9457 §4.2.1). */
  type?: string
  title?: string
  /** Where this protocol answers with another status than the reason has. */
  status?: number
  /**
   * The target resource speaks, not the upload protocol: there is nothing to resume, whatever the
   * status.
   */
  final?: true
}

/** Every reason as a problem of RFC 9457. */
const KINDS: Record<Reason, Kind> = {
  'bad-request': {},
  'length-invalid': { type: 'inconsistent-upload-length', title: 'Inconsistent upload length' },
  'upload-complete': { type: 'completed-upload', title: 'The upload is complete' },
  'digest-invalid': { type: 'digest-invalid-values', title: 'Invalid digest values' },
  'digest-unsupported': {
    type: 'digest-unsupported-algorithms',
    title: 'Unsupported hashing algorithms',
  },
  'not-authenticated': {},
  'token-invalid': {},
  'not-allowed': {},
  'not-found': {},
  'method-not-allowed': {},
  'offset-mismatch': { type: 'mismatching-upload-offset', title: 'Mismatching upload offset' },
  'upload-ended': {},
  'link-ended': {},
  'precondition-failed': {},
  'too-large': {},
  'quota-exceeded': {},
  'too-many-pixels': { final: true },
  'malware-found': { final: true },
  unscannable: { final: true },
  'scanner-unavailable': {},
  'type-unsupported': {},
  'type-not-accepted': { final: true },
  'file-unreadable': { final: true },
  'range-unsatisfiable': {},
  locked: {},
  pending: {},
  'too-many-uploads': {},
  'too-many-creations': {},
  'too-many-headers': {},
  'digest-mismatch': {
    type: 'digest-mismatched-values',
    title: 'Mismatched digest values',
    status: 400,
  },
  // Reasons of other doors.
  'file-refused': { final: true },
  'session-closed': {},
  'session-invalid': {},
  // Nobody reads these two: the connection is gone or cut.
  'client-gone': {},
  'body-idle': {},
  internal: {},
  unavailable: {},
  'shutting-down': {},
  'storage-full': {},
}

export interface Problem {
  status: number
  /** Value of Upload-Complete: whether the answer is the target resource's own. */
  final: boolean
  body: Record<string, string | number>
}

/** A Fault as problem details. `completed-upload` went out of the draft with interop 9. */
export function problemOf(fault: Fault, dialect: Dialect): Problem {
  const kind = KINDS[fault.reason]
  const status = kind.status ?? fault.status
  const typed =
    kind.type !== undefined && (fault.reason !== 'upload-complete' || dialect.completedProblem)
  return {
    status,
    // A mismatch that names an offset was of one request's bytes: the upload goes on from there.
    // Without one it was of the whole file, which is refused.
    final: kind.final ?? (fault.reason === 'digest-mismatch' && fault.offset === undefined),
    body: {
      type: typed ? `${REGISTERED}${kind.type}` : 'about:blank',
      title: (typed ? kind.title : STATUS_CODES[status]) ?? 'Error',
      status,
      detail: fault.message,
    },
  }
}
