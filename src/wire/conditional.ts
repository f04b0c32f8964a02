import { parseHttpDate } from './http-date.ts'

/** The precondition headers of a request, as they came. */
export interface Preconditions {
  method: string
  ifMatch?: string | undefined
  ifNoneMatch?: string | undefined
  ifModifiedSince?: string | undefined
  ifUnmodifiedSince?: string | undefined
}

/** What identifies the present state of a representation. */
export interface Validators {
  /** An entity-tag with its quotes; `W/` before it where it is weak. */
  etag: string
  lastModified: Date
}

export type PreconditionVerdict = 'proceed' | 'not-modified' | 'precondition-failed'

/**
 * Evaluates the preconditions in the order of RFC 9110 §13.2.2 for a representation that exists.
 * A malformed If-Match fails, because a client that guards itself is not to be overrun; a malformed
 * If-None-Match and dates that are none are as if they were absent.
 */
export function evaluatePreconditions(
  request: Preconditions,
  validators: Validators,
): PreconditionVerdict {
  const safe = request.method === 'GET' || request.method === 'HEAD'
  const changed = (since: string) => {
    const time = parseHttpDate(since)
    return time === null ? null : seconds(validators.lastModified.getTime()) > seconds(time)
  }
  if (request.ifMatch !== undefined) {
    if (!listHolds(request.ifMatch, validators.etag, equalStrongly)) return 'precondition-failed'
  } else if (request.ifUnmodifiedSince !== undefined) {
    if (changed(request.ifUnmodifiedSince) === true) return 'precondition-failed'
  }
  if (request.ifNoneMatch !== undefined) {
    if (listHolds(request.ifNoneMatch, validators.etag, equalWeakly)) {
      return safe ? 'not-modified' : 'precondition-failed'
    }
  } else if (safe && request.ifModifiedSince !== undefined) {
    if (changed(request.ifModifiedSince) === false) return 'not-modified'
  }
  return 'proceed'
}

/**
 * Whether an If-Range lets the Range beside it count (RFC 9110 §13.1.5): its entity-tag matches by
 * strong comparison, or its date is exactly the one we send as Last-Modified.
 */
export function ifRangeHolds(ifRange: string, validators: Validators): boolean {
  if (/^(?:W\/)?"/.test(ifRange)) return equalStrongly(ifRange, validators.etag)
  const time = parseHttpDate(ifRange)
  return time !== null && seconds(time) === seconds(validators.lastModified.getTime())
}

type Comparison = (left: string, right: string) => boolean

/** RFC 9110 §8.8.3.2: two entity-tags are equal and neither is weak. */
function equalStrongly(left: string, right: string): boolean {
  return left === right && !left.startsWith('W/')
}

/** RFC 9110 §8.8.3.2: the opaque parts are equal, weak or not. */
function equalWeakly(left: string, right: string): boolean {
  return left.replace(/^W\//, '') === right.replace(/^W\//, '')
}

/** `"*" / #entity-tag`: `*` holds because the representation exists; a malformed list does not. */
function listHolds(list: string, etag: string, equal: Comparison): boolean {
  if (list.trim() === '*') return true
  const element = /[\t ,]*((?:W\/)?"[!#-~\x80-\xff]*")[\t ]*(?=,|$)/y
  let found = false
  let end = 0
  for (let match = element.exec(list); match !== null; match = element.exec(list)) {
    found ||= equal(match[1] ?? '', etag)
    end = element.lastIndex
  }
  return found && /^[\t ,]*$/.test(list.slice(end))
}

/** HTTP dates count whole seconds. */
function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}
