import type { MediaRecord } from '../../src/media/record.ts'
import type { TestServer } from './server.ts'

export interface Call {
  body?: string
  headers?: Record<string, string>
  /** An Authorization value; null for none. Default: that of the client. */
  as?: string | null
}

export interface MediaClient {
  /** A request below `/api/media/files`. */
  call(method: string, to: string, options?: Call): Promise<Response>
  upload(name: string, bytes: Uint8Array): Promise<MediaRecord>
  one(id: number): Promise<MediaRecord>
}

/** A client of the media API with one token. */
export function mediaClient(server: TestServer, authorization: string): MediaClient {
  const base = `${server.url}/api/media/files`

  async function call(
    method: string,
    to: string,
    { body, headers, as = authorization }: Call = {},
  ): Promise<Response> {
    return fetch(base + to, {
      method,
      ...(body === undefined ? {} : { body }),
      headers: {
        ...(as === null ? {} : { Authorization: as }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
    })
  }

  return {
    call,
    async upload(name, bytes) {
      const body = new FormData()
      body.append('f', new Blob([bytes as Uint8Array<ArrayBuffer>]), name)
      const headers = { Authorization: authorization }
      const answer = await fetch(base, { method: 'POST', body, headers })
      if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
      return (await answer.json()) as MediaRecord
    },
    one: async (id) => (await (await call('GET', `/${id}`)).json()) as MediaRecord,
  }
}
