import type { IncomingMessage } from 'node:http'
import { Fault } from '../../errors.ts'
import { gather } from '../../streams/gather.ts'
import { parseForm } from '../multipart/parse.ts'
import { bodyLengthOf } from '../node-request.ts'
import { unsupported } from './chunk.ts'

/** A digest and an id, in whatever they are wrapped. */
const MAX_BYTES = 64 * 1024

/**
 * The fields of a request that brings no file, from a form of either kind or a JSON object; of a
 * repeated one the last. A request without a body has none.
 */
export async function readFields(
  incoming: IncomingMessage,
  { idleMs }: { idleMs: number },
): Promise<Map<string, string>> {
  if (bodyLengthOf(incoming) === 0) return new Map()
  const contentType = incoming.headers['content-type']
  switch (contentType?.split(';', 1)[0]?.trim().toLowerCase()) {
    case 'multipart/form-data':
      return readForm(incoming, idleMs)
    case 'application/x-www-form-urlencoded':
      return new Map(new URLSearchParams(await readText(incoming, idleMs)))
    case 'application/json':
      return fieldsOf(parseJson(await readText(incoming, idleMs)))
    default:
      throw unsupported(contentType)
  }
}

async function readForm(incoming: IncomingMessage, idleMs: number): Promise<Map<string, string>> {
  const fields = new Map<string, string>()
  await parseForm(
    incoming,
    {
      onField: (name, value) => void fields.set(name, value),
      onFile: async () => {
        throw new Fault('bad-request', { text: 'This request takes no file.' })
      },
    },
    { idleMs },
  )
  return fields
}

async function readText(incoming: IncomingMessage, idleMs: number): Promise<string> {
  const body = gather(incoming, { idleMs, highWaterBytes: MAX_BYTES })
  const buffers: Buffer[] = []
  let bytes = 0
  try {
    for (let batch = await body.next(); batch !== null; batch = await body.next()) {
      bytes += batch.bytes
      if (bytes > MAX_BYTES)
        throw new Fault('too-large', { text: `The body is larger than ${MAX_BYTES} bytes.` })
      buffers.push(...batch.buffers)
    }
  } finally {
    body.detach()
  }
  if (body.end !== 'complete') throw new Fault(body.end === 'idle' ? 'body-idle' : 'client-gone')
  return Buffer.concat(buffers).toString('utf8')
}

function parseJson(text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    const detail = 'JSON parse error - the body is not valid JSON'
    throw new Fault('bad-request', { text: detail, cause })
  }
}

function fieldsOf(value: unknown): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Fault('bad-request', { text: 'Invalid data. Expected a dictionary.' })
  const plain = ['string', 'number', 'boolean']
  const present = Object.entries(value).filter(([, each]) => plain.includes(typeof each))
  return new Map(present.map(([name, each]) => [name, String(each)]))
}
