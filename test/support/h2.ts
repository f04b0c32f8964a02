import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'

export interface H2Answer {
  status: number
  headers: Record<string, string>
  body: string
}

export interface H2Stream {
  stream: ClientHttp2Stream
  /** Heads of 1xx answers, in order. */
  interim: Record<string, string>[]
  /** Rejects when the stream is reset. */
  answer: Promise<H2Answer>
}

export interface H2Client {
  session: ClientHttp2Session
  /** Without a body the stream ends with its head. */
  begin(
    method: string,
    to: string,
    headers?: object,
    options?: { body?: boolean; trailers?: boolean },
  ): H2Stream
  ask(method: string, to: string, headers?: object, body?: string | Uint8Array): Promise<H2Answer>
  close(): Promise<void>
}

/** One HTTP/2 connection, however many requests. */
export function h2Client(base: string, ca: string, authorization: string): H2Client {
  const session = connect(base, { ca })
  session.on('error', () => {})

  function begin(
    method: string,
    to: string,
    headers = {},
    { body = false, trailers = false } = {},
  ): H2Stream {
    const path = to.startsWith('http') ? new URL(to).pathname : to
    const stream = session.request(
      { ':method': method, ':path': path, authorization, ...headers },
      { endStream: !body, waitForTrailers: trailers },
    )
    const interim: Record<string, string>[] = []
    stream.on('headers', (head) => interim.push(head as Record<string, string>))
    const answer = new Promise<H2Answer>((resolve, reject) => {
      let head: Record<string, string> = {}
      const chunks: Buffer[] = []
      stream.on('response', (found) => {
        head = found as unknown as Record<string, string>
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      stream.on('close', () => {
        const status = Number(head[':status'])
        if (status >= 200)
          resolve({ status, headers: head, body: Buffer.concat(chunks).toString() })
        else reject(new Error(`reset with ${stream.rstCode}`))
      })
    })
    // Met where it is awaited.
    answer.catch(() => {})
    return { stream, interim, answer }
  }

  return {
    session,
    begin,
    ask(method, to, headers, body) {
      const asked = begin(method, to, headers, { body: body !== undefined })
      if (body !== undefined) asked.stream.end(body)
      return asked.answer
    },
    close: () =>
      new Promise((resolve) => {
        if (session.destroyed) return resolve()
        session.close(resolve)
      }),
  }
}
