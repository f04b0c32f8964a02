import { createServer, type Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Env } from '../protocols/env.ts'

export interface Listening {
  /** `http://host:port`, with the port that was really taken. */
  url: string
  /**
   * Takes no new connection, lets running requests end, and cuts what is left at the deadline.
   * Resolves when no connection is open.
   */
  close(deadlineMs: number): Promise<void>
}

/** Upload-Metadata alone may have 16 KiB, and Node counts all headers together. */
const MAX_HEADER_BYTES = 64 * 1024

export async function listen(
  app: Hono<Env>,
  options: { host: string; port: number },
): Promise<Listening> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    createServer,
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: MAX_HEADER_BYTES,
      // Counts the body too: an upload may take days. Each read has its own bound instead.
      requestTimeout: 0,
      headersTimeout: 60_000,
      keepAliveTimeout: 65_000,
    },
  }) as Server
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return { url: urlOf(server, options.host), close: (deadlineMs) => close(server, deadlineMs) }
}

function urlOf(server: Server, host: string): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`
}

async function close(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const sweepIdle = setInterval(() => server.closeIdleConnections(), 50)
  const deadline = setTimeout(() => server.closeAllConnections(), deadlineMs)
  server.closeIdleConnections()
  await closed
  clearInterval(sweepIdle)
  clearTimeout(deadline)
}
