import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http'

/** A proxy that gives every request to the next of its servers, whoever sends it. */
export interface RoundRobin {
  url: string
  /** Where the servers are from now on; requests that run stay where they are. */
  pointTo(urls: readonly string[]): void
  /** How many requests each server got, by its place in the list. */
  counts(): number[]
  close(): Promise<void>
}

export interface RoundRobinOptions {
  /**
   * Milliseconds after which a connection to a server on which nothing moves is given up, as the
   * time-outs of every proxy do. Default: never.
   */
  stallMs?: number
}

/** What stands for one connection only. */
const isHopByHop = (name: string) =>
  /^(?:connection|keep-alive|proxy-connection|upgrade)$/i.test(name)

/**
 * Bodies pass both ways as they come, 1xx answers and trailers too. A server that is gone before it
 * has got a byte is passed over; one that goes later resets its client, and the other way round.
 */
export async function startRoundRobin(
  urls: readonly string[],
  { stallMs = 0 }: RoundRobinOptions = {},
): Promise<RoundRobin> {
  let servers = [...urls]
  let next = 0
  let counts: number[] = []
  const server = createServer({
    requestTimeout: 0,
    // As Landfall has it: what is too long is refused there.
    maxHeaderSize: 128 * 1024,
    requireHostHeader: false,
    joinDuplicateHeaders: false,
  })
  server.maxHeadersCount = 0

  function forward(request: IncomingMessage, response: ServerResponse): void {
    const at = next++ % servers.length
    counts[at] = (counts[at] ?? 0) + 1
    pass(request, response, [...servers.slice(at), ...servers.slice(0, at)], stallMs)
  }
  server.on('request', forward)
  // The client waits for a 100, which is the server's to give.
  server.on('checkContinue', forward)
  server.on('checkExpectation', forward)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    pointTo(urls) {
      servers = [...urls]
      counts = []
    },
    counts: () => servers.map((_, at) => counts[at] ?? 0),
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function pass(
  request: IncomingMessage,
  response: ServerResponse,
  to: string[],
  stallMs: number,
): void {
  const [target, ...others] = to
  if (target === undefined) return void request.socket.resetAndDestroy()
  const { hostname, port } = new URL(target)
  const upstream = openRequest({
    host: hostname,
    port,
    method: request.method,
    agent: false,
    maxHeaderSize: 128 * 1024,
  })
  const onGone = () => {
    if (!response.writableFinished) upstream.destroy()
  }
  response.once('close', onGone)
  upstream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNREFUSED') {
      response.off('close', onGone)
      return pass(request, response, others, stallMs)
    }
    if (!response.writableFinished && (!response.headersSent || stallMs > 0))
      request.socket.resetAndDestroy()
  })
  upstream.setTimeout(stallMs, () => upstream.destroy(new Error('the server stands still')))
  upstream.on('continue', () => response.writeContinue())
  upstream.on('information', (answer) => {
    if (answer.statusCode !== 100) sendInterim(request, response, answer)
  })
  upstream.on('response', (answer) => answerWith(request, response, upstream, answer))
  upstream.once('socket', (socket) => {
    const begin = () => {
      sendHead(request, upstream)
      request.on('end', () => {
        const trailers = request.rawTrailers
        if (trailers.length > 0) upstream.addTrailers(pairsOf(trailers))
      })
      request.pipe(upstream)
    }
    if (socket.connecting) socket.once('connect', begin)
    else begin()
  })
}

/** What Node has no method for. */
interface Outgoing {
  _header: string
  chunkedEncoding: boolean
  _send(text: string, encoding: 'latin1'): void
  _writeRaw(text: string, encoding: 'latin1'): void
}

/**
 * The head as it came. Node's own way refuses what is no good HTTP (here the server is to do that),
 * and writes what is not ASCII as UTF-8 where the client has done so before.
 */
function sendHead(request: IncomingMessage, upstream: ClientRequest): void {
  const fields = pairsOf(request.rawHeaders).filter(([name]) => !isHopByHop(name))
  const lines = [...fields, ['Connection', 'keep-alive']].map((field) => field.join(': '))
  const outgoing = upstream as unknown as Outgoing
  outgoing._header = [`${request.method} ${request.url} HTTP/1.1`, ...lines, '', ''].join('\r\n')
  outgoing.chunkedEncoding = request.headers['transfer-encoding'] !== undefined
  outgoing._send('', 'latin1')
}

function answerWith(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: ClientRequest,
  answer: IncomingMessage,
): void {
  const { rawHeaders, statusCode = 502, statusMessage } = answer
  const fields = pairsOf(rawHeaders).filter(([name]) => !isHopByHop(name))
  // The body that nobody reads any more must not stand before the client's next request.
  if (!request.complete) fields.push(['Connection', 'close'])
  response.sendDate = false
  response.writeHead(statusCode, statusMessage, fields.flat())
  response.flushHeaders()
  answer.on('error', () => request.socket.resetAndDestroy())
  answer.on('aborted', () => request.socket.resetAndDestroy())
  answer.on('end', () => upstream.destroy())
  answer.pipe(response)
}

/** Node has no method for any 1xx but three; this is what they call. */
function sendInterim(
  request: IncomingMessage,
  response: ServerResponse,
  answer: { statusCode: number; statusMessage: string; rawHeaders: string[] },
): void {
  if (request.httpVersion === '1.0') return
  const lines = pairsOf(answer.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`)
  const text = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${lines.join('')}\r\n`
  ;(response as unknown as Outgoing)._writeRaw(text, 'latin1')
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, n) => [raw[2 * n] ?? '', raw[2 * n + 1] ?? ''])
}
