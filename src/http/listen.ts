import { createServer, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Env } from '../protocols/env.ts'

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
}

/** Upload-Metadata alone may have 16 KiB, and Node counts all headers together. */
const MAX_HEADER_BYTES = 64 * 1024

const TIMES = {
  // Counts the body too: an upload may take days. Each read has its own bound instead.
  requestTimeout: 0,
  headersTimeout: 60_000,
  keepAliveTimeout: 65_000,
}

/** A server of Node and how to be rid of its connections. */
interface Opened {
  server: Server | Http2SecureServer
  closeIdle(): void
  closeAll(): void
}

export async function listen(app: Hono<Env>, options: ListenOptions): Promise<Listening> {
  const { tls = null, host, port } = options
  const opened = tls === null ? openPlain(app) : openSecure(app, tls)
  const { server } = opened
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

function openPlain(app: Hono<Env>): Opened {
  const serverOptions = { maxHeaderSize: MAX_HEADER_BYTES, ...TIMES }
  const adapted = createAdaptorServer({ ...COMMON, fetch: app.fetch, createServer, serverOptions })
  const server = adapted as Server
  return {
    server,
    closeIdle: () => server.closeIdleConnections(),
    closeAll: () => server.closeAllConnections(),
  }
}

function openSecure(app: Hono<Env>, tls: { cert: string; key: string }): Opened {
  const server = createAdaptorServer({
    ...COMMON,
    fetch: app.fetch,
    createServer: createSecureServer,
    serverOptions: { ...tls, allowHTTP1: true, settings: { maxHeaderListSize: MAX_HEADER_BYTES } },
  }) as Http2SecureServer
  // For its HTTP/1.1 connections it reads these from itself, and not from the options.
  Object.assign(server, TIMES, { maxHeaderSize: MAX_HEADER_BYTES })
  const sockets = new Set<TLSSocket>()
  const sessions = new Set<ServerHttp2Session>()
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('session', (session) => {
    sessions.add(session)
    // Takes no new stream, and goes when the last one has ended: bodies have a bound of their own.
    session.setTimeout(TIMES.keepAliveTimeout, () => session.close())
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

async function close(opened: Opened, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => opened.server.close(() => resolve()))
  const sweepIdle = setInterval(opened.closeIdle, 50)
  const deadline = setTimeout(opened.closeAll, deadlineMs)
  opened.closeIdle()
  await closed
  clearInterval(sweepIdle)
  clearTimeout(deadline)
}
