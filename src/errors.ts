/**
 * Every way a request can fail on purpose. A door turns a reason into the shape its clients know;
 * `text` is written for the person who meets it and never holds a path, SQL, secret or stack.
 * An error that is not a Fault is unexpected: the client gets `internal`, the log gets the rest.
 */
export const reasons = {
  'bad-request': [400, 'The request could not be understood.'],
  'length-invalid': [400, 'The length of the upload is missing, malformed or was already set.'],
  'upload-complete': [400, 'The upload is complete: nothing can be added to it.'],
  'digest-invalid': [400, 'A digest field of the request is malformed.'],
  'digest-unsupported': [400, 'None of the digest algorithms of the request is supported.'],
  'session-invalid': [400, 'Invalid upload session token'],
  'session-closed': [400, 'This upload session has expired or was submitted: it takes no files.'],
  'file-refused': [400, 'This file is not accepted in the upload session.'],
  'malware-found': [400, 'Malware was detected in the file.'],
  'not-authenticated': [401, 'Authentication credentials were not provided.'],
  'token-invalid': [401, 'Invalid token.'],
  'not-allowed': [403, 'You do not have permission to perform this action.'],
  'not-found': [404, 'Not found.'],
  'method-not-allowed': [405, 'This method is not allowed here.'],
  'offset-mismatch': [409, 'The offset does not match the bytes stored so far.'],
  'upload-ended': [410, 'This upload has expired or was removed.'],
  'link-ended': [410, 'This link has ended: ask for a new one.'],
  'precondition-failed': [412, 'A precondition of the request does not hold.'],
  'too-large': [413, 'The upload is larger than allowed.'],
  'quota-exceeded': [413, 'Your storage quota is used up: remove files or ask for more room.'],
  'too-many-pixels': [413, 'The image has more pixels than this server accepts.'],
  unscannable: [413, 'The file is larger or deeper than the malware scanner can look into.'],
  'type-unsupported': [415, 'The media type of the request is not supported here.'],
  'type-not-accepted': [415, 'Files of this type are not accepted here.'],
  'file-unreadable': [415, 'The file could not be inspected and was refused.'],
  'range-unsatisfiable': [416, 'The requested range lies outside the file.'],
  locked: [423, 'Another request is using this upload: try again in a moment.'],
  pending: [423, 'All bytes are here, the upload is being finished: try again in a moment.'],
  'too-many-uploads': [429, 'Too many unfinished uploads: finish or remove some first.'],
  'too-many-creations': [
    429,
    'Too many uploads were begun in a short time: try again in a moment.',
  ],
  'too-many-headers': [431, 'The request has more header fields than this server reads.'],
  'digest-mismatch': [460, 'The bytes received do not match the digest that was given.'],
  'client-gone': [499, 'The client closed the connection before the body was complete.'],
  'body-idle': [408, 'The request body stopped arriving.'],
  internal: [500, 'There was an internal server error. Please try again.'],
  'scanner-unavailable': [500, 'Unable to scan file for malware due to scanner error'],
  unavailable: [503, 'The service is briefly unavailable: try again in a moment.'],
  'shutting-down': [503, 'The server is restarting: try again in a moment.'],
  'storage-full': [507, 'The server has no room left: try again later.'],
} as const satisfies Record<string, readonly [status: number, text: string]>

export type Reason = keyof typeof reasons

/** What a door may want to render beside the text. */
export interface FaultDetails {
  /** Overrides the reason's own text; must be as safe to show. */
  text?: string
  /** Messages by field name, for doors that answer as Django REST framework does. */
  fields?: Record<string, string[]> | undefined
  /** What stands beside the text in a JSON answer, such as the two offsets that do not match. */
  members?: Record<string, string | number | null> | undefined
  /** Bytes stored so far, where the client can go on from them. */
  offset?: number
  /** Seconds after which a retry makes sense. */
  retryAfterSeconds?: number
  cause?: unknown
}

export class Fault extends Error {
  readonly reason: Reason
  readonly status: number
  readonly fields: Record<string, string[]> | undefined
  readonly members: Record<string, string | number | null> | undefined
  readonly offset: number | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(reason: Reason, details: FaultDetails = {}) {
    const [status, text] = reasons[reason]
    super(details.text ?? text, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'Fault'
    this.reason = reason
    this.status = status
    this.fields = details.fields
    this.members = details.members
    this.offset = details.offset
    this.retryAfterSeconds = details.retryAfterSeconds
  }
}
