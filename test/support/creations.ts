import { CHUNKED, chunk, digest, formOf } from './chunked.ts'
import { file, form, formPath, formType } from './multipart.ts'
import { pdf } from './sessions.ts'
import { BODY_TYPE, encode, TUS } from './tus.ts'

/** A request that begins an upload, without its credentials. */
export interface Creation {
  method: string
  path: string
  headers: Record<string, string>
  body?: RequestInit['body']
}

const HELLO = 'hello'
const IETF = { 'Upload-Draft-Interop-Version': '10', 'Upload-Complete': '?0' }

/**
 * Every way to begin an upload, by its name.
 *
 * @param token of a session of the user who sends them
 * @param parts URLs of partial uploads of the same user
 */
export function creations(token: string, parts: readonly string[]): Record<string, () => Creation> {
  const files = (headers: Record<string, string>, body?: RequestInit['body']): Creation => ({
    method: 'POST',
    path: '/files/',
    headers,
    ...(body === undefined ? {} : { body }),
  })
  const chunked = (
    method: string,
    range: string | null,
    fields: Parameters<typeof formOf>[0],
  ): Creation => ({
    method,
    path: `${CHUNKED}/`,
    headers: range === null ? ({} as Record<string, string>) : { 'Content-Range': range },
    body: formOf(fields),
  })
  return {
    tus: () => files({ ...TUS, 'Upload-Length': '5' }),
    'tus with bytes': () =>
      files({ ...TUS, 'Upload-Length': '5', 'Content-Type': BODY_TYPE }, HELLO),
    'tus of unknown length': () => files({ ...TUS, 'Upload-Defer-Length': '1' }),
    'tus, a part': () => files({ ...TUS, 'Upload-Length': '5', 'Upload-Concat': 'partial' }),
    'tus, from parts': () => files({ ...TUS, 'Upload-Concat': `final;${parts.join(' ')}` }),
    'tus, into a session': () =>
      files({
        ...TUS,
        'Upload-Length': '5',
        'Upload-Metadata': encode({ session: token, filename: 'resumed.txt' }),
      }),
    'the IETF protocol': () => files(IETF, HELLO),
    'a first chunk': () => chunked('PUT', 'bytes 0-4/10', { filename: 'a', file: chunk(HELLO) }),
    'a chunk of the ancestor': () => chunked('POST', 'bytes 0-4/10', { file: chunk(HELLO) }),
    'a whole file with its digest': () =>
      chunked('POST', null, { filename: 'a', file: chunk(HELLO), md5: digest(HELLO) }),
    'a file of a session': () => ({
      method: 'POST',
      path: `/upload-session/${token}/files/`,
      headers: { 'Content-Type': formType },
      body: form(file('sent.pdf', pdf(), { name: 'file' })),
    }),
    'a form': () => ({
      method: 'POST',
      path: formPath,
      headers: { 'Content-Type': formType },
      body: form(file('sent.txt', HELLO)),
    }),
  }
}

/** Sends one, as somebody or as nobody. */
export function send(url: string, creation: Creation, authorization?: string): Promise<Response> {
  const { method, path, headers, body } = creation
  return fetch(url + path, {
    method,
    headers: { ...(authorization ? { Authorization: authorization } : {}), ...headers },
    ...(body === undefined ? {} : { body }),
  })
}
