import { CHUNKED } from './chunked.ts'
import { field, file, form, formType } from './multipart.ts'

/** A request as a client that means well would send it; `{name}` stands for a live id. */
export interface Template {
  method: string
  target: string
  headers: string[]
  body: Buffer
}

const TUS = ['Tus-Resumable: 1.0.0']
const BYTES = 'Content-Type: application/offset+octet-stream'
const DRAFT = ['Upload-Draft-Interop-Version: 8']
const FORM = `Content-Type: ${formType}`
const JSON_TYPE = 'Content-Type: application/json'
const hello = Buffer.from('hello')

const plain = (
  method: string,
  target: string,
  headers: string[] = [],
  body: Buffer = Buffer.alloc(0),
): Template => ({ method, target, headers, body })

/** Every door, and every method that it has. */
export const fuzzTemplates: readonly Template[] = [
  ...['/', '/healthz', '/readyz', '/metrics', '/api/me', '/openapi.json', '/docs'].map((to) =>
    plain('GET', to),
  ),
  plain('OPTIONS', '/files/'),
  plain('POST', '/files/', [...TUS, 'Upload-Length: 5', 'Upload-Metadata: filename YS50eHQ=']),
  plain('POST', '/files/', [...TUS, BYTES, 'Upload-Length: 5'], hello),
  plain('POST', '/files/', [...TUS, 'Upload-Defer-Length: 1']),
  plain('POST', '/files/', [...TUS, 'Upload-Length: 5', 'Upload-Concat: partial']),
  plain('POST', '/files/', [...TUS, 'Upload-Concat: final;/files/{part}']),
  plain('HEAD', '/files/{tus}', TUS),
  plain('GET', '/files/{tus}', TUS),
  plain('GET', '/files/{done}', ['Range: bytes=0-2,1-', 'If-Range: "x"']),
  plain('PATCH', '/files/{tus}', [...TUS, BYTES, 'Upload-Offset: 0'], hello),
  plain(
    'PATCH',
    '/files/{tus}',
    [...TUS, BYTES, 'Upload-Offset: 0', 'Upload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00='],
    hello,
  ),
  plain('DELETE', '/files/{tus}', TUS),
  plain(
    'POST',
    '/files/{tus}',
    [...TUS, BYTES, 'X-HTTP-Method-Override: PATCH', 'Upload-Offset: 0'],
    hello,
  ),
  plain('POST', '/files/', [...DRAFT, 'Upload-Complete: ?1', 'Repr-Digest: sha-256=:AAAA:'], hello),
  plain('POST', '/files/', [...DRAFT, 'Upload-Complete: ?0', 'Upload-Length: 10'], hello),
  plain('HEAD', '/files/{ietf}', DRAFT),
  plain('GET', '/files/{ietf}', DRAFT),
  plain(
    'PATCH',
    '/files/{ietf}',
    [
      ...DRAFT,
      'Content-Type: application/partial-upload',
      'Upload-Offset: 0',
      'Upload-Complete: ?0',
    ],
    hello,
  ),
  plain('DELETE', '/files/{ietf}', DRAFT),
  plain('GET', `${CHUNKED}/`),
  plain('GET', `${CHUNKED}/{chunked}`),
  plain(
    'PUT',
    `${CHUNKED}/`,
    [FORM, 'Content-Range: bytes 0-4/10'],
    form(file('a.txt', 'hello', { name: 'file' }), field('filename', 'b.txt')),
  ),
  plain('PUT', `${CHUNKED}/{chunked}`, ['Content-Range: bytes 5-9/10'], Buffer.from('world')),
  plain('POST', `${CHUNKED}/{chunked}`, [JSON_TYPE], Buffer.from('{"md5":"0"}')),
  plain(
    'POST',
    `${CHUNKED}/`,
    [FORM],
    form(
      file('a.txt', 'hello', { name: 'file' }),
      field('md5', '5d41402abc4b2a76b9719d911017c592'),
    ),
  ),
  plain(
    'POST',
    `${CHUNKED}/complete`,
    [FORM],
    form(field('upload_id', '{chunked}'), field('md5', 'x')),
  ),
  plain('DELETE', `${CHUNKED}/{chunked}`),
  plain('POST', '/upload-session/'),
  plain('GET', '/upload-session/'),
  plain('GET', '/upload-session/{session}/files/'),
  plain(
    'POST',
    '/upload-session/{session}/files/',
    [FORM],
    form(file('c.txt', 'hello', { name: 'file' })),
  ),
  plain('GET', '/upload-session/{session}/files/c.txt'),
  plain('DELETE', '/upload-session/{session}/files/c.txt'),
  plain('POST', '/upload-session/{session}/submit'),
  plain('GET', '/api/media/files?search=a&ordering=-size&limit=2&created_from=2026-01-01'),
  plain('POST', '/api/media/files', [FORM], form(field('name', 'n'), file('a.txt', 'hello'))),
  plain('GET', '/api/media/files/{media}'),
  plain(
    'PATCH',
    '/api/media/files/{media}',
    [JSON_TYPE],
    Buffer.from('{"name":"x","description":""}'),
  ),
  plain('DELETE', '/api/media/files/{media}'),
  plain('GET', '/api/media/files/{media}/thumbnail?width=64'),
  plain('GET', '/media/{key}/a.txt?download=1', ['Range: bytes=1-', 'If-None-Match: "x"']),
  plain('GET', '/api/users?limit=1'),
  plain('POST', '/api/users', [JSON_TYPE], Buffer.from('{"username":"u","role":"user"}')),
  plain('PATCH', '/api/users/{user}', [JSON_TYPE], Buffer.from('{"first_name":"x"}')),
  plain('GET', '/api/users/{user}/tokens'),
  plain('POST', '/api/users/{user}/tokens', [JSON_TYPE], Buffer.from('{"name":"t"}')),
]
