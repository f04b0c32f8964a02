/** The few tus requests that most tests need, as plain fetch calls: what the wire says is visible. */
type Body = NonNullable<RequestInit['body']>

export const TUS = { 'Tus-Resumable': '1.0.0' }
export const BODY_TYPE = 'application/offset+octet-stream'

export interface TusClient {
  create(headers: Record<string, string>, body?: Body): Promise<Response>
  /** Creates an upload of so many bytes and gives its URL. */
  begin(length: number, metadata?: Record<string, string>): Promise<string>
  patch(url: string, offset: number, body: Body, headers?: object): Promise<Response>
  head(url: string): Promise<Response>
  remove(url: string): Promise<Response>
}

export function tusClient(base: string, authorization?: string): TusClient {
  const common = { ...TUS, ...(authorization ? { Authorization: authorization } : {}) }
  const client: TusClient = {
    create: (headers, body) =>
      fetch(`${base}/files/`, {
        method: 'POST',
        headers: { ...common, ...headers },
        ...(body === undefined ? {} : { body }),
      }),
    async begin(length, metadata = {}) {
      const answer = await client.create({
        'Upload-Length': String(length),
        ...(Object.keys(metadata).length > 0 ? { 'Upload-Metadata': encode(metadata) } : {}),
      })
      const url = answer.headers.get('location')
      if (answer.status !== 201 || url === null)
        throw new Error(`no upload: ${answer.status} ${await answer.text()}`)
      return url
    },
    patch: (url, offset, body, headers = {}) =>
      fetch(url, {
        method: 'PATCH',
        headers: {
          ...common,
          'Upload-Offset': String(offset),
          'Content-Type': BODY_TYPE,
          ...headers,
        },
        body,
      }),
    head: (url) => fetch(url, { method: 'HEAD', headers: common }),
    remove: (url) => fetch(url, { method: 'DELETE', headers: common }),
  }
  return client
}

export function encode(metadata: Record<string, string>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',')
}
