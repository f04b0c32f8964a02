import { Http2ServerRequest, type Http2ServerResponse, constants as http2 } from 'node:http2'
import { parseNonNegativeInteger } from '../wire/integer.ts'
import type { Env } from './env.ts'

type Bindings = Env['Bindings']

/** Whether a request came over HTTP/2, where what we call connection is one stream of many. */
export function isHttp2(incoming: Bindings['incoming']): boolean {
  return (incoming as unknown) instanceof Http2ServerRequest
}

/**
 * Breaks off this request and no other: an HTTP/1.1 connection is closed, of an HTTP/2 connection
 * only the stream is reset. What is answered after that goes nowhere.
 */
export function cutRequest({ incoming, outgoing }: Bindings): void {
  if (!isHttp2(incoming)) incoming.socket.destroy()
  else (outgoing as unknown as Http2ServerResponse).stream.close(http2.NGHTTP2_CANCEL)
}

/**
 * Fires when the connection is gone before the answer was sent. Aborted at once where it was gone
 * already, as of a request that has lain in the socket of a server that stood still.
 */
export function clientGone({ incoming, outgoing }: Bindings): AbortSignal {
  const closed = isHttp2(incoming)
    ? (outgoing as unknown as Http2ServerResponse).stream.closed
    : outgoing.destroyed
  if (closed) return AbortSignal.abort()
  const gone = new AbortController()
  outgoing.once('close', () => outgoing.writableFinished || gone.abort())
  return gone.signal
}

/**
 * Bytes of the body as its framing announces them: 0 where there is no body, null where only its
 * end will tell. In HTTP/1.1 "neither header" is no body (RFC 9112 §6.3), in HTTP/2 a head that
 * ends the stream. Node has refused whatever is not a number before it comes here; one that cannot
 * be counted exactly is the largest that can be, which is more than anything takes.
 */
export function bodyLengthOf(incoming: Bindings['incoming']): number | null {
  const declared = incoming.headers['content-length']
  if (declared !== undefined) return parseNonNegativeInteger(declared) ?? Number.MAX_SAFE_INTEGER
  if (isHttp2(incoming))
    return (incoming as unknown as Http2ServerRequest).stream.endAfterHeaders ? 0 : null
  return incoming.headers['transfer-encoding'] === undefined ? 0 : null
}
