import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { parse } from 'content-disposition'
import { Fault } from '../../errors.ts'
import { printable } from '../multipart/filename.ts'
import { type FormFile, parseForm } from '../multipart/parse.ts'
import { bodyLengthOf } from '../node-request.ts'
import { noChunk } from './words.ts'

/** The bytes of one request, however they are wrapped. */
export interface Chunk {
  body: Readable
  /** Its own name, printable; `''` where it has none. */
  filename: string
  declaredType: string | null
  /** Text fields that have come so far; all of them once `rest` has resolved. */
  fields: ReadonlyMap<string, string>
  /** Bytes, where they are known before they come. */
  length: number | null
  /** Waits for what follows the bytes; rejects where that is malformed. */
  rest(): Promise<void>
  /**
   * Reads to the end what nobody wants, for its size; null where that cannot be told.
   *
   * @param reported bytes that the client says it has; when they are many, nothing is read
   */
  count(reported: number): Promise<number | null>
}

export interface ChunkOptions {
  /** The form field of the chunk; files in other fields are passed over. */
  fieldName: string
  idleMs: number
  /** Whether the body may be the chunk itself. */
  raw: boolean
}

/** What is read of a chunk that is refused anyway, so that its client hears the answer. */
const MAX_UNWANTED_BYTES = 64 * 1024 * 1024

/**
 * Hands the chunk of a request to `take` as it arrives, never held and never spooled. Rejects with
 * the source's words where there is none.
 */
export async function takeChunk<T>(
  incoming: IncomingMessage,
  options: ChunkOptions,
  take: (chunk: Chunk) => Promise<T>,
): Promise<T> {
  const contentType = incoming.headers['content-type']
  const mediaType = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  switch (mediaType) {
    case 'multipart/form-data':
      return takeForm(incoming, options, take)
    case 'application/x-www-form-urlencoded':
    case 'application/json':
      throw noChunk()
    case undefined:
    case '':
    case 'application/octet-stream':
      // curl -T says nothing about the type of what it sends.
      if (options.raw) return take(rawChunk(incoming, mediaType || null))
      if (bodyLengthOf(incoming) === 0) throw noChunk()
      throw unsupported(contentType)
    default:
      throw unsupported(contentType)
  }
}

export function unsupported(contentType = ''): Fault {
  const shown = contentType.slice(0, 200)
  return new Fault('type-unsupported', { text: `Unsupported media type "${shown}" in request.` })
}

async function takeForm<T>(
  incoming: IncomingMessage,
  { fieldName, idleMs }: ChunkOptions,
  take: (chunk: Chunk) => Promise<T>,
): Promise<T> {
  const fields = new Map<string, string>()
  let begun = false
  let taken: { result: T } | undefined
  const handlers = {
    onField: (name: string, value: string) => void fields.set(name, value),
    async onFile(file: FormFile) {
      if (file.field !== fieldName) {
        if (!(await readToEnd(file.body))) throw noChunk()
        return
      }
      if (begun) throw new Fault('bad-request', { text: 'Submit one chunk at a time.' })
      begun = true
      taken = { result: await take(formChunk(file, fields)) }
    },
  }
  await parseForm(incoming, handlers, { idleMs })
  if (taken === undefined) throw noChunk()
  return taken.result
}

function formChunk(file: FormFile, fields: ReadonlyMap<string, string>): Chunk {
  return {
    body: file.body,
    filename: printable(file.filename),
    declaredType: file.declaredType,
    fields,
    length: null,
    rest: () => file.rest(),
    async count(reported) {
      if (reported > MAX_UNWANTED_BYTES) return null
      return (await readToEnd(file.body)) ? file.size() : null
    },
  }
}

function rawChunk(incoming: IncomingMessage, declaredType: string | null): Chunk {
  const length = bodyLengthOf(incoming)
  if (length === 0) throw noChunk()
  return {
    body: incoming,
    filename: printable(nameIn(incoming.headers['content-disposition'])),
    declaredType,
    fields: new Map(),
    length,
    rest: async () => {},
    count: async () => length,
  }
}

/** Without folders; what cannot be read as a name is none. */
function nameIn(disposition = ''): string {
  const name = parse(disposition).parameters.filename ?? ''
  return fromUtf8(name).replace(/^.*[/\\]/s, '')
}

/** Node reads header bytes as Latin-1; what programs put there is UTF-8. */
function fromUtf8(text: string): string {
  if (!/^[\0-\xff]*$/.test(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
  } catch {
    return text
  }
}

/** False where that is too much, or it breaks off. */
async function readToEnd(body: Readable): Promise<boolean> {
  let read = 0
  try {
    for await (const bytes of body) {
      read += (bytes as Buffer).byteLength
      if (read > MAX_UNWANTED_BYTES) return false
    }
    return true
  } catch {
    return false
  }
}
