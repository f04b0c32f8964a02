import type { Context, MiddlewareHandler } from 'hono'
import { type Actor, anonymous } from '../../auth/actor.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import type { Env } from '../env.ts'
import { bodyLengthOf, clientGone } from '../node-request.ts'
import { type Dialect, dialectOf } from './interop.ts'
import type { HeaderReader } from './request.ts'

/** The target resource's own answer to a finished upload. */
export interface Result {
  /** Where the record is from now on. */
  location: string
  record: object
}

export interface ResumableHttpDeps<P> {
  uploads: Uploads<P>
  authenticate: MiddlewareHandler<Env>
  log: Pick<Log, 'warn' | 'error'>
  /** Where the door stands, without a slash at the end: `/files`. */
  path: string
  /** UPLOAD_MAX_SIZE. */
  maxSize: number | null
  /** RESUMABLE_HTTP_MAX_APPEND_SIZE: largest body of one request; null for no limit. */
  maxAppendSize: number | null
  /** UPLOAD_EXPIRES_AFTER. */
  expiresAfterMs: number
  /** RESUMABLE_HTTP_INTERIM: whether 104 answers are sent. */
  interim: boolean
  newId: () => string
  now: () => Date
  /** Scheme and host for absolute URLs. */
  originOf: (c: Context<Env>) => string
  linkOf: (published: P, origin: string) => { id: number; url: string }
  /** Undefined: somebody has removed the file since. */
  resultOf: (published: P, origin: string) => Promise<Result | undefined>
}

/** One request on its way, and what its answer has to know beside the outcome. */
export interface Exchange {
  env: Env['Bindings']
  actor: Actor
  method: string
  header: HeaderReader
  dialect: Dialect
  requestId: string
  origin: string
  /** Fires when the client is gone, so that nobody waits for a lock on its behalf. */
  clientGone: AbortSignal
  /** Bytes of the body where its framing tells, 0 for none. */
  bodyLength: number | null
  /** Upload-Offset as the client sent it, for the problem that names both. */
  providedOffset?: number
  /** The upload of this request, where the client may go on with it after a failure. */
  location?: string
  /** Another request has taken the upload over: this one is broken off. */
  superseded?: boolean
}

/** Nobody has been asked yet who the client is. */
export function beginExchange<P>(deps: ResumableHttpDeps<P>, c: Context<Env>): Exchange {
  const header: HeaderReader = (name) => c.req.header(name)
  return {
    env: c.env,
    actor: anonymous,
    method: c.req.method,
    header,
    dialect: dialectOf(header('upload-draft-interop-version')),
    requestId: c.var.requestId,
    origin: deps.originOf(c),
    clientGone: clientGone(c.env),
    bodyLength: bodyLengthOf(c.env.incoming),
  }
}
