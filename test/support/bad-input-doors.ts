import { file, form, formType } from './multipart.ts'
import { resumableClient } from './resumable-http.ts'
import type { TestServer } from './server.ts'
import { sessionClient } from './sessions.ts'
import { encode, tusClient } from './tus.ts'

/** How one door answered a whole file, and where its bytes are when it took it. */
export interface Sent {
  status: number
  body: string
  /** The record or the file, as its listing names it; null where it was refused. */
  id: number | null
  url: string | null
}

export interface NamingDoor {
  /** What carries the name. */
  name: string
  /** A whole file of these bytes, called so. */
  send(filename: string, bytes: string): Promise<Sent>
}

const BODY_TYPE = 'application/offset+octet-stream'

/** Every place of every door that takes the name of a file, for one token. */
export function namingDoors(server: TestServer, authorization: string): NamingDoor[] {
  const tus = tusClient(server.url, authorization)
  const sessions = sessionClient(server.url, authorization)
  const headers = { Authorization: authorization }

  async function tusDoor(metadata: string, bytes: string): Promise<Sent> {
    const sent = {
      'Upload-Length': String(Buffer.byteLength(bytes)),
      'Content-Type': BODY_TYPE,
      'Upload-Metadata': metadata,
    }
    const answer = await tus.create(sent, bytes)
    return linked(answer)
  }

  async function formDoor(path: string, name: string, sent: Buffer, fields: Buffer[] = []) {
    const type = { 'Content-Type': formType }
    const body = new Uint8Array(form(...fields, sent))
    return fetch(server.url + path, {
      method: 'POST',
      headers: { ...headers, ...type },
      body,
    }).then((answer) => ({ answer, name }))
  }

  return [
    {
      name: 'tus, metadata filename',
      send: (filename, bytes) => tusDoor(encode({ filename }), bytes),
    },
    { name: 'tus, metadata name', send: (name, bytes) => tusDoor(encode({ name }), bytes) },
    {
      name: 'IETF, filename*',
      send: (filename, bytes) => ietf(`attachment; filename*=UTF-8''${percent(filename)}`, bytes),
    },
    {
      name: 'IETF, filename',
      send: (filename, bytes) => ietf(`attachment; filename="${quoted(filename)}"`, bytes),
    },
    {
      name: 'IETF, Upload-Metadata',
      send: (filename, bytes) => ietf(null, bytes, { 'Upload-Metadata': encode({ filename }) }),
    },
    {
      name: 'form, the name of the file',
      send: async (filename, bytes) =>
        recorded((await formDoor('/api/media/files', '', file(inPart(filename), bytes))).answer),
    },
    {
      name: 'chunked, the name of the part',
      send: (filename, bytes) => chunked(file(inPart(filename), bytes, { name: 'file' }), bytes),
    },
    {
      name: 'chunked, the field filename',
      send: (filename, bytes) =>
        chunked(file('part.bin', bytes, { name: 'file' }), bytes, [
          textField('filename', filename),
        ]),
    },
    {
      name: 'session, the name of the file',
      async send(filename, bytes) {
        const token = await sessions.open()
        const { answer } = await formDoor(
          `/upload-session/${token}/files/`,
          '',
          file(inPart(filename), bytes, { name: 'file' }),
        )
        const body = await answer.text()
        if (answer.status !== 200) return { status: answer.status, body, id: null, url: null }
        const submitted = await sessions.json('POST', `/${token}/submit`)
        const [first] = submitted.body.files as { id: number; f: string }[]
        return { status: 200, body, id: first?.id ?? null, url: first?.f ?? null }
      },
    },
  ]

  async function ietf(disposition: string | null, bytes: string, more: object = {}): Promise<Sent> {
    const client = resumableClient(server.url, authorization)
    const told = await client.ask('POST', '/files/', {
      body: bytes,
      headers: {
        'Upload-Complete': '?1',
        ...(disposition === null ? {} : { 'Content-Disposition': disposition }),
        ...more,
      },
    })
    const record = told.status === 201 ? (JSON.parse(told.body) as { id: number; f: string }) : null
    return { status: told.status, body: told.body, id: record?.id ?? null, url: record?.f ?? null }
  }

  async function chunked(part: Buffer, bytes: string, fields: Buffer[] = []): Promise<Sent> {
    const { createHash } = await import('node:crypto')
    const md5 = textField('md5', createHash('md5').update(bytes).digest('hex'))
    const { answer } = await formDoor('/api/chunked-uploads/', '', part, [md5, ...fields])
    const body = await answer.text()
    const json = JSON.parse(body) as { media_file?: number; file?: string }
    return { status: answer.status, body, id: json.media_file ?? null, url: json.file ?? null }
  }
}

async function linked(answer: Response): Promise<Sent> {
  const id = answer.headers.get('landfall-media-file')
  return {
    status: answer.status,
    body: await answer.text(),
    id: id === null ? null : Number(id),
    url: answer.headers.get('landfall-media-url'),
  }
}

async function recorded(answer: Response): Promise<Sent> {
  const body = await answer.text()
  const { id = null, f = null } = JSON.parse(body) as { id?: number; f?: string }
  return { status: answer.status, body, id, url: f }
}

const textField = (name: string, value: string) =>
  Buffer.from(
    `--landfall-test-boundary\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )

const percent = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

/** As browsers write it: `"` and line ends percent-encoded (HTML, multipart/form-data encoding). */
const inPart = (text: string) =>
  text.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22')

/** A quoted-string of what a header can hold at all; the rest is left out. */
const quoted = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a header cannot hold them.
  Buffer.from(text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ''))
    .toString('latin1')
    .replace(/["\\]/g, '\\$&')
