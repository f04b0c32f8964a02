import { parseIntegerItem } from '../../wire/structured-field.ts'

/**
 * The interop version of the newest draft that is spoken here (draft-ietf-httpbis-resumable-upload
 * -13). To follow the draft, move this number and look at the branches below.
 */
export const CURRENT_INTEROP = 10

/** Those of the drafts that clients in the field speak; 4 and 7 lived for weeks. */
const SPOKEN: readonly number[] = [3, 5, 6, 8, 9, CURRENT_INTEROP]

/** What differs between the drafts. Everything else is one answer that serves them all. */
export interface Dialect {
  /** The version that the client named, if it is spoken here: it is echoed, and allows 104. */
  version: number | null
  /** Up to 3 the field says the opposite: `Upload-Incomplete`. */
  completeness: 'Upload-Complete' | 'Upload-Incomplete'
  /** From 6: "The request MUST have Content-Type application/partial-upload". */
  typedAppends: boolean
  /**
   * Up to 6, in practice: an upload is complete when its declared length is reached. tus-js-client
   * never sends `?1` for an empty file, and tusd does it like this. Later only `?1` completes.
   */
  finishesByLength: boolean
  /** "an incomplete append: 201 (Created)" up to 6, 2xx and in all examples 204 later. */
  appendedStatus: 201 | 204
  /** Up to 6: HEAD and DELETE "MUST NOT" have Upload-Offset and Upload-Complete: 400. */
  bareRetrieval: boolean
  /** The key of Upload-Limit for the seconds that are left; renamed with 7. */
  lifetimeKey: 'expires' | 'max-age'
  /** From 5: 104 answers on the way, with the offset. */
  progress: boolean
  /** Up to 8: the problem type `completed-upload`. */
  completedProblem: boolean
}

/**
 * The rules for a request with this Upload-Draft-Interop-Version. Without one, or with one that is
 * not spoken here, those of the current draft: all but the 104 works "with any or no" version.
 */
export function dialectOf(header: string | undefined): Dialect {
  const named = parseIntegerItem(header)
  const version = named !== null && SPOKEN.includes(named) ? named : null
  const rules = version ?? CURRENT_INTEROP
  return {
    version,
    completeness: rules <= 3 ? 'Upload-Incomplete' : 'Upload-Complete',
    typedAppends: rules >= 6,
    finishesByLength: rules <= 6,
    appendedStatus: rules <= 6 ? 201 : 204,
    bareRetrieval: rules <= 6,
    lifetimeKey: rules <= 6 ? 'expires' : 'max-age',
    progress: rules >= 5,
    completedProblem: rules <= 8,
  }
}
