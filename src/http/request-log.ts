import { randomBytes } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import type { Env } from '../protocols/env.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** What a client or a proxy in front may choose as an id: nothing that could forge a log line. */
const ACCEPTED_ID = /^[A-Za-z0-9._-]{1,64}$/
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const LONGEST_LOGGED_PATH = 500

export interface RequestLogOptions {
  log: Pick<Log, 'info'>
  metrics: Pick<Metrics, 'requestDone'>
}

/**
 * Gives every request an id, answered as `X-Request-Id`, and writes one line and one count when its
 * answer is sent or its connection is gone: no query string, no header, no token, no file name.
 */
export function requestLog({ log, metrics }: RequestLogOptions): MiddlewareHandler<Env> {
  return async function requestLog(c, next) {
    const sent = c.req.header('x-request-id') ?? ''
    const requestId = ACCEPTED_ID.test(sent) ? sent : randomBytes(12).toString('base64url')
    c.set('requestId', requestId)
    const began = performance.now()
    // There is no Node response under `app.request()`.
    const outgoing = c.env?.outgoing
    // One HTTP/2 connection carries many answers at a time: its count says nothing about one.
    const shared = c.env?.incoming?.httpVersionMajor === 2
    const socket = shared ? undefined : c.env?.incoming?.socket
    const sentBefore = socket?.bytesWritten ?? 0

    const done = (status: number, aborted: boolean) => {
      const { method } = c.req
      const path = pathOf(c.req.url)
      metrics.requestDone({
        method: METHODS.has(method) ? method : 'OTHER',
        status,
        door: c.var.door ?? doorOf(method, path),
      })
      log.info(
        {
          requestId,
          method,
          path: loggedPath(path),
          status,
          ms: Math.round((performance.now() - began) * 10) / 10,
          ...(shared ? {} : { bytes: (socket?.bytesWritten ?? 0) - sentBefore }),
          userId: userIdOf(c),
          ...(aborted ? { aborted } : {}),
        },
        'request',
      )
    }

    if (outgoing === undefined) {
      await next()
      c.header('X-Request-Id', requestId)
      done(c.res.status, false)
      return
    }
    // Answers that are written straight to the Node response have the header from here too.
    outgoing.setHeader('X-Request-Id', requestId)
    outgoing.once('close', () => {
      // 499: the client was gone before there was an answer (nginx's number for it).
      done(outgoing.headersSent ? outgoing.statusCode : 499, !outgoing.writableFinished)
    })
    await next()
  }
}

function userIdOf(c: Context<Env>): number | null {
  const actor = c.var.actor as Env['Variables']['actor'] | undefined
  return actor?.kind === 'user' ? actor.id : null
}

/** As it was sent, percent-encoding and all, without scheme, host and query. */
function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const end = url.search(/[?#]/)
  return start === -1 ? '/' : url.slice(start, end === -1 ? undefined : end)
}

/** A media URL is a key to the file and ends in its name: the log keeps enough to recognise it. */
function loggedPath(path: string): string {
  return path
    .replace(/^(\/(?:media|upload-session)\/[^/]{1,8}).*$/s, '$1…')
    .slice(0, LONGEST_LOGGED_PATH)
}

const doors: readonly (readonly [prefix: string, door: string])[] = [
  ['/files', 'tus'],
  ['/api/media/files', 'media-api'],
  ['/upload-session', 'session'],
  ['/api/users', 'accounts'],
  ['/api/tokens', 'accounts'],
  ['/api/me', 'accounts'],
  ['/api/webhooks', 'webhooks'],
  ['/api/events', 'events'],
  ['/media', 'media'],
  ['/healthz', 'operations'],
  ['/readyz', 'operations'],
  ['/metrics', 'operations'],
]

/** The label of a request, from a short list: a path of a client must not make a new time series. */
function doorOf(method: string, path: string): string {
  const found = doors.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))
  if (found?.[1] === 'media-api' && method === 'POST') return 'multipart'
  return found?.[1] ?? 'other'
}
