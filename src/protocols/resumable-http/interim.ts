import type { ServerHttp2Stream } from 'node:http2'
import type { Env } from '../env.ts'
import { isHttp2 } from '../node-request.ts'

const STATUS = 104
const REASON = 'Upload Resumption Supported'
/** What a field value may hold (RFC 9110 §5.5); Node checks nothing on this way. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Node from 24.18 and 26.2 on has a method for it. */
interface Outgoing {
  headersSent: boolean
  writeInformation?: (status: number, headers: Record<string, string>) => void
  /**
   * Not public, and what Node's own `writeEarlyHints` (103 only) calls. It queues behind the
   * answers before this one, which writing to the socket would not.
   */
  _writeRaw?: (bytes: string, encoding: 'latin1') => void
  stream?: ServerHttp2Stream
}

/**
 * Sends a 104 (Upload Resumption Supported) before the answer. False where it cannot be sent: to
 * HTTP/1.0 ("MUST NOT", RFC 9110 §15.2), after the head of the answer, on a Node without a way.
 * Everything works without it.
 */
export function sendInterim(env: Env['Bindings'], headers: Record<string, string>): boolean {
  const { incoming } = env
  const outgoing = env.outgoing as Outgoing
  for (const value of Object.values(headers))
    if (!FIELD_VALUE.test(value)) throw new Error('a header of an interim answer has a line end')
  if (isHttp2(incoming)) return sendOnStream(outgoing.stream, headers)
  const http10 = incoming.httpVersionMajor === 1 && incoming.httpVersionMinor === 0
  if (http10 || outgoing.headersSent || incoming.socket.destroyed) return false
  if (outgoing.writeInformation !== undefined) {
    outgoing.writeInformation(STATUS, headers)
    return true
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  outgoing._writeRaw?.(`HTTP/1.1 ${STATUS} ${REASON}\r\n${lines.join('')}\r\n`, 'latin1')
  return outgoing._writeRaw !== undefined
}

function sendOnStream(
  stream: ServerHttp2Stream | undefined,
  headers: Record<string, string>,
): boolean {
  if (stream === undefined || stream.headersSent || stream.destroyed || stream.closed) return false
  stream.additionalHeaders({ ':status': STATUS, ...headers })
  return true
}
