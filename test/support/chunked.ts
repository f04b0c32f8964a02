import { createHash } from 'node:crypto'

export const CHUNKED = '/api/chunked-uploads'

/** One upload as the door shows it. */
export interface ChunkedUpload {
  id: string
  url: string
  file: string | null
  filename: string
  offset: number
  created_at: string
  expires: string
  status: 1 | 2
  completed_at: string | null
  user: number | null
  media_file: number | null
}

type Part = string | Uint8Array | { bytes: string | Uint8Array; filename: string; type?: string }

export interface ChunkedClient {
  /** A request below the door, or to an absolute URL. */
  call(method: string, to?: string, init?: RequestInit): Promise<Response>
  /** A PUT with a form of these parts; a bare `file` part gets the name `part.bin`. */
  put(to: string, range: string | null, parts: Record<string, Part>): Promise<Response>
  post(to: string, parts: Record<string, Part>, headers?: Record<string, string>): Promise<Response>
  /** Begins an upload and gives it as the answer has it. */
  begin(bytes: string | Uint8Array, total: number, filename?: string): Promise<ChunkedUpload>
  show(to: string): Promise<ChunkedUpload>
  list(): Promise<ChunkedUpload[]>
}

/** What a client of drf-chunked-upload sends, with one token. */
export function chunkedClient(url: string, authorization: string | null): ChunkedClient {
  const call: ChunkedClient['call'] = (method, to = '', init = {}) =>
    fetch(/^https?:/.test(to) ? to : `${url}${CHUNKED}/${to}`, {
      method,
      ...init,
      headers: {
        ...(authorization === null ? {} : { Authorization: authorization }),
        ...(init.headers as Record<string, string> | undefined),
      },
    })
  const client: ChunkedClient = {
    call,
    put: (to, range, parts) =>
      call('PUT', to, {
        headers: range === null ? {} : { 'Content-Range': range },
        body: formOf(parts),
      }),
    post: (to, parts, headers = {}) => call('POST', to, { headers, body: formOf(parts) }),
    async begin(bytes, total, filename = 'a.bin') {
      const answer = await client.put('', `bytes 0-${bytes.length - 1}/${total}`, {
        filename,
        file: { bytes, filename: 'part.bin' },
      })
      if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
      return (await answer.json()) as ChunkedUpload
    },
    show: async (to) => (await (await call('GET', to)).json()) as ChunkedUpload,
    list: async () => (await (await call('GET')).json()) as ChunkedUpload[],
  }
  return client
}

export function formOf(parts: Record<string, Part>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value === 'string') form.append(name, value)
    else {
      const { bytes, filename, type } =
        value instanceof Uint8Array
          ? { bytes: value, filename: 'part.bin', type: undefined }
          : { type: undefined, ...value }
      form.append(name, new Blob([bytes as Uint8Array<ArrayBuffer>], { type }), filename)
    }
  }
  return form
}

/** A file part. */
export const chunk = (bytes: string | Uint8Array, filename = 'part.bin') => ({ bytes, filename })

export const digest = (bytes: string | Uint8Array, algorithm = 'md5') =>
  createHash(algorithm).update(bytes).digest('hex')

export async function answered(answer: Promise<Response>): Promise<[number, unknown]> {
  const response = await answer
  const text = await response.text()
  return [response.status, text === '' ? null : JSON.parse(text)]
}
