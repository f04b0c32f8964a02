import cluster from 'node:cluster'
import { createServer, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Env } from '../protocols/env.ts'
import type { Log } from '../telemetry/log.ts'
import { MAX_HEADERS } from './header-count.ts'
import { refuseUnreadable } from './unreadable.ts'

export interface Listening {
  /** `http://host:port`, or `https://…`, with the port that was really taken. */
  url: string
  /**
   * Takes no new connection, lets running requests end, and cuts what is left at the deadline.
   * Resolves when no connection is open.
   */
  close(deadlineMs: number): Promise<void>
}

export interface ListenOptions {
  host: string
  port: number
  /** Certificate and key in PEM: HTTPS with HTTP/2 and HTTP/1.1. Default: HTTP/1.1 without TLS. */
  tls?: { cert: string; key: string } | null
  /** Connections at the same time; one more is closed unanswered. Default: no limit. */
  maxConnections?: number
  /** Told of what is refused before it is a request. */
  log?: Pick<Log, 'info' | 'warn'>
  /** For tests that do not wait for a minute. */
  times?: Partial<typeof TIMES>
}

/** Upload-Metadata alone may have 16 KiB, and Node counts all headers together. */
const MAX_HEADER_BYTES = 64 * 1024

/**
 * Requests that one HTTP/2 connection may have open (RFC 9113 §6.5.2: "no smaller than 100"). By
 * default there is no limit, and MAX_CONNECTIONS would not bound anything.
 */
const MAX_STREAMS = 128

const TIMES = {
  // Counts the body too: an upload may take days. Each read has its own bound instead.
  requestTimeout: 0,
  /** Until all headers are there, from the first byte or the opening of the connection on. */
  headersTimeout: 60_000,
  keepAliveTimeout: 65_000,
  /** How late the one above may come. */
  connectionsCheckingInterval: 5_000,
}

/** Milliseconds between two lines about connections that were closed for being too many. */
const DROPPED_EVERY_MS = 60_000

/** One batch of Node's parser more than are let through, so that those are seen to be too many. */
const HEADERS_READ = MAX_HEADERS + 32

/** A server of Node and how to be rid of its connections. */
interface Opened {
  server: Server | Http2SecureServer
  closeIdle(): void
  closeAll(): void
}

export async function listen(app: Hono<Env>, options: ListenOptions): Promise<Listening> {
  const { tls = null, host, port, log, maxConnections } = options
  const times = { ...TIMES, ...options.times }
  const opened = tls === null ? openPlain(app, times) : openSecure(app, tls, times)
  const { server } = opened
  refuseUnreadable(server, log)
  if (maxConnections !== undefined) boundConnections(server, maxConnections, log)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const scheme = tls === null ? 'http' : 'https'
  return {
    url: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    close: (deadlineMs) => close(opened, deadlineMs),
  }
}

/** `hostname` stands in for the Host that an HTTP/1.0 request may leave out. */
const COMMON = { overrideGlobalObjects: false, hostname: 'localhost' }

function openPlain(app: Hono<Env>, times: typeof TIMES): Opened {
  const serverOptions = { maxHeaderSize: MAX_HEADER_BYTES, ...times }
  const adapted = createAdaptorServer({ ...COMMON, fetch: app.fetch, createServer, serverOptions })
  const server = adapted as Server
  server.maxHeadersCount = HEADERS_READ
  return {
    server,
    closeIdle: () => server.closeIdleConnections(),
    closeAll: () => server.closeAllConnections(),
  }
}

function openSecure(
  app: Hono<Env>,
  tls: { cert: string; key: string },
  times: typeof TIMES,
): Opened {
  const server = createAdaptorServer({
    ...COMMON,
    fetch: app.fetch,
    createServer: createSecureServer,
    serverOptions: {
      ...tls,
      allowHTTP1: true,
      handshakeTimeout: times.headersTimeout,
      maxHeaderListPairs: HEADERS_READ,
      settings: { maxHeaderListSize: MAX_HEADER_BYTES, maxConcurrentStreams: MAX_STREAMS },
    },
  }) as Http2SecureServer
  // For its HTTP/1.1 connections it reads these from itself, and not from the options.
  const ofHttp1 = { maxHeaderSize: MAX_HEADER_BYTES, maxHeadersCount: HEADERS_READ }
  Object.assign(server, times, ofHttp1)
  const sockets = new Set<Socket>()
  const sessions = new Set<ServerHttp2Session>()
  // Those without TLS around them: one that is still shaking hands has to go too.
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('session', (session) => {
    sessions.add(session)
    // Takes no new stream, and goes when the last one has ended: bodies have a bound of their own.
    session.setTimeout(times.keepAliveTimeout, () => session.close())
    session.once('close', () => sessions.delete(session))
  })
  return {
    server,
    closeIdle() {
      // Node declares this one, and forgets it in its types.
      ;(server as unknown as Pick<Server, 'closeIdleConnections'>).closeIdleConnections()
      // Says GOAWAY and goes when its last stream has ended.
      for (const session of sessions) if (!session.closed) session.close()
    },
    closeAll() {
      for (const session of sessions) session.destroy()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/**
 * Every connection takes a descriptor, and a body that is being stored another one. Whoever comes
 * when there are too many finds the connection closed, before TLS and before any byte is read.
 */
function boundConnections(
  server: Server | Http2SecureServer,
  max: number,
  log: ListenOptions['log'],
): void {
  let dropped = 0
  let toldAt = Number.NEGATIVE_INFINITY
  const onDrop = () => {
    dropped++
    if (performance.now() - toldAt < DROPPED_EVERY_MS) return
    log?.warn({ maxConnections: max, dropped }, 'connections were closed: MAX_CONNECTIONS are open')
    toldAt = performance.now()
    dropped = 0
  }
  if (!cluster.isWorker) {
    server.maxConnections = max
    server.on('drop', onDrop)
    return
  }
  // There Node (before 22.12, dropMaxConnection) hands a connection too many to the next worker, and
  // where all are full, round and round as fast as it can.
  const open = new Set<Socket>()
  server.prependListener('connection', (socket: Socket) => {
    if (open.size >= max) {
      onDrop()
      return void socket.destroy()
    }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
}

async function close(opened: Opened, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => opened.server.close(() => resolve()))
  const sweepIdle = setInterval(opened.closeIdle, 50)
  const deadline = setTimeout(opened.closeAll, deadlineMs)
  opened.closeIdle()
  await closed
  clearInterval(sweepIdle)
  clearTimeout(deadline)
}
