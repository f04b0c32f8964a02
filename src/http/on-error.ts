import type { Context, ErrorHandler, NotFoundHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { asFault } from '../db/retry.ts'
import { Fault, reasons } from '../errors.ts'
import type { Env } from '../protocols/env.ts'
import type { Log } from '../telemetry/log.ts'

/**
 * The one door for errors of the doors that answer as Django REST framework does. A Fault becomes
 * `{"detail": …}` or, where it is about fields, `{"field": ["…"]}`. Anything else is unexpected: the
 * client gets a generic text and the id under which the log has the rest.
 */
export function createOnError(log: Pick<Log, 'warn' | 'error'>): ErrorHandler<Env> {
  return function onError(error, c) {
    const known = asFault(error)
    const { requestId } = c.var
    if (known instanceof Fault && known.reason !== 'internal') {
      if (known.status >= 500) log.warn({ requestId, err: known }, 'a request could not be served')
      return faultAnswer(c, known)
    }
    log.error({ requestId, err: error }, 'unexpected error')
    const body = { detail: reasons.internal[1], request_id: requestId }
    return c.json(body, 500, { 'Cache-Control': 'no-store' })
  }
}

/** A Fault in the shape of Django REST framework's errors. */
export function faultAnswer(c: Context<Env>, fault: Fault): Response {
  const headers: Record<string, string> = { 'Cache-Control': 'no-store' }
  // RFC 9110 §11.6.1: a 401 MUST name a challenge; this is the one of DRF's TokenAuthentication.
  if (fault.status === 401) headers['WWW-Authenticate'] = 'Token'
  if (fault.retryAfterSeconds !== undefined) headers['Retry-After'] = `${fault.retryAfterSeconds}`
  const body = fault.fields ?? { detail: fault.message }
  return c.json(body, fault.status as ContentfulStatusCode, headers)
}

/** A path that nobody serves. */
export const onNotFound: NotFoundHandler<Env> = (c) => faultAnswer(c, new Fault('not-found'))
