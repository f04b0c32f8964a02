import { type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Http2SecureServer } from 'node:http2'
import type { Socket } from 'node:net'
import type { Log } from '../telemetry/log.ts'

/** Where what cannot be read has another answer than 400. */
const STATUSES: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/**
 * Answers what is no HTTP, has too large headers or does not end its headers in time, as Node does
 * by itself, and writes the line that the request log cannot: there is no request. The line names
 * the parser's code and nothing of what was sent.
 */
export function refuseUnreadable(
  server: Server | Http2SecureServer,
  log: Pick<Log, 'info'> | undefined,
): void {
  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException, socket: Socket) => {
    // A connection that was broken off, or never got through its TLS handshake, takes no answer.
    const isHttp = code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (!isHttp || !socket.writable) return void socket.destroy()
    const status = STATUSES[code] ?? 400
    // A client that has left in the middle of its headers is nothing to tell of.
    if (code !== 'HPE_INVALID_EOF_STATE')
      log?.info({ status, code }, 'a request that cannot be read was refused')
    // Not into the middle of the answer to a request whose body is at fault.
    if (!answerBegun(socket))
      socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`)
    socket.destroySoon()
  })
}

/** Node keeps the answer that is being written on its socket, and has no public name for it. */
function answerBegun(socket: Socket): boolean {
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: ServerResponse | null }
  return answer?.headersSent ?? false
}
