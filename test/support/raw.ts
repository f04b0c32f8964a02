import { connect, type Socket } from 'node:net'
import { noteRawRequest } from './secrets.ts'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

export interface RawConnection {
  socket: Socket
  send(bytes: string | Uint8Array): void
  /** Resolves with the next answer; rejects when the connection ends without one. */
  answer(): Promise<RawAnswer>
  /** Resolves when the server has closed its side. */
  closed: Promise<void>
  /** Breaks the connection with a reset, as a lost network does. */
  reset(): void
}

/** A client that sends exactly the bytes it is told, for bodies that stop, lie or never end. */
export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let received = ''
  let ended = false
  let wake = () => {}
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    received += text
    wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      ended = true
      wake()
      resolve()
    })
  })
  return {
    socket,
    closed,
    send(bytes) {
      if (typeof bytes === 'string') noteRawRequest(bytes)
      socket.write(bytes)
    },
    reset: () => void socket.resetAndDestroy(),
    async answer() {
      for (;;) {
        const parsed = parse(received)
        if (parsed) {
          received = received.slice(parsed.length)
          return parsed.answer
        }
        if (ended) throw new Error(`the connection ended after ${JSON.stringify(received)}`)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}

function parse(text: string): { answer: RawAnswer; length: number } | null {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return null
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const status = Number(statusLine.split(' ')[1])
  const start = end + 4
  if (headers['transfer-encoding'] === 'chunked') {
    const last = text.indexOf('0\r\n\r\n', start)
    if (last === -1) return null
    return { answer: { status, headers, body: text.slice(start, last) }, length: last + 5 }
  }
  const length = Number(headers['content-length'] ?? 0)
  if (text.length < start + length) return null
  return {
    answer: { status, headers, body: text.slice(start, start + length) },
    length: start + length,
  }
}
