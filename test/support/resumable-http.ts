import { openRaw, type RawAnswer, type RawConnection } from './raw.ts'

/** An answer with the 1xx answers before it. */
export interface Told extends RawAnswer {
  interim: RawAnswer[]
}

export interface Asking {
  /** Default 10; null sends none. */
  version?: number | string | null
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Content-Length; default: that of the body. `chunked` sends the body as one chunk. */
  length?: number | 'chunked'
  http?: '1.0' | '1.1'
}

export interface ResumableClient {
  /** A whole request on a connection of its own, and what comes back. */
  ask(method: string, url: string, options?: Asking): Promise<Told>
  /** Only the beginning of one: the connection is the caller's. */
  begin(method: string, url: string, options?: Asking): Promise<RawConnection>
  /** POST with UC:?0 and so many bytes of so many; gives the upload's URL. */
  make(body: string | Uint8Array, length: number, options?: Asking): Promise<string>
  /** PATCH with the media type and the offset. */
  patch(url: string, offset: number | string, complete: boolean, options?: Asking): Promise<Told>
  offset(url: string): Promise<string | undefined>
}

export const PARTIAL = 'application/partial-upload'

/** Writes the requests of the draft byte by byte, so that 1xx answers and bad fields are visible. */
export function resumableClient(base: string, authorization: string): ResumableClient {
  async function begin(method: string, url: string, options: Asking = {}): Promise<RawConnection> {
    const { version = 10, headers = {}, body, length, http = '1.1' } = options
    const { pathname, host } = new URL(url, base)
    const bytes = Buffer.from(body ?? '')
    const chunked = length === 'chunked'
    const size = typeof length === 'number' ? length : bytes.length
    const sends = body !== undefined || length !== undefined || method === 'POST'
    const fields: Record<string, string> = {
      Host: host,
      ...(authorization === '' ? {} : { Authorization: authorization }),
      ...(version === null ? {} : { 'Upload-Draft-Interop-Version': String(version) }),
      ...(chunked ? { 'Transfer-Encoding': 'chunked' } : {}),
      ...(!chunked && sends ? { 'Content-Length': String(size) } : {}),
      ...headers,
    }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    const connection = await openRaw(base)
    connection.send(`${method} ${pathname} HTTP/${http}\r\n${lines.join('')}\r\n`)
    if (!chunked) connection.send(bytes)
    else
      connection.send(
        Buffer.concat([
          Buffer.from(`${bytes.length.toString(16)}\r\n`),
          bytes,
          Buffer.from('\r\n0\r\n\r\n'),
        ]),
      )
    return connection
  }

  const client: ResumableClient = {
    begin,
    async ask(method, url, options) {
      const connection = await begin(method, url, options)
      try {
        return await finalOf(connection)
      } finally {
        connection.socket.destroy()
      }
    },
    async make(body, length, options = {}) {
      const headers = { 'Upload-Complete': '?0', 'Upload-Length': String(length) }
      const told = await client.ask('POST', '/files/', {
        ...options,
        body,
        headers: { ...headers, ...options.headers },
      })
      const { location } = told.headers
      if (told.status !== 201 || location === undefined)
        throw new Error(`no upload: ${told.status} ${told.body}`)
      return location
    },
    patch(url, offset, complete, options = {}) {
      const headers = {
        'Content-Type': PARTIAL,
        'Upload-Offset': String(offset),
        'Upload-Complete': complete ? '?1' : '?0',
      }
      return client.ask('PATCH', url, { ...options, headers: { ...headers, ...options.headers } })
    },
    offset: async (url) => (await client.ask('HEAD', url)).headers['upload-offset'],
  }
  return client
}

/** The next answer that is not interim, with those that are. */
export async function finalOf(connection: RawConnection): Promise<Told> {
  const interim: RawAnswer[] = []
  for (;;) {
    const answer = await connection.answer()
    // The connection reads bytes as characters, so that nothing is lost.
    const body = Buffer.from(answer.body, 'latin1').toString()
    if (answer.status >= 200) return { ...answer, body, interim }
    interim.push(answer)
  }
}
