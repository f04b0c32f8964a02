import type { Context } from 'hono'
import { Fault } from '../errors.ts'
import type { Env } from '../protocols/env.ts'
import { bodyLengthOf } from '../protocols/node-request.ts'

export interface JsonBodyOptions {
  /** Largest body in bytes; `too-large` above. Default 64 KiB. */
  maxBytes?: number
  /** Milliseconds in which the body must be here; `body-idle` after. Default 30,000. */
  deadlineMs?: number
}

/**
 * The body of a request as JSON, with the answers of Django REST framework's JSONParser: 415 for
 * another type, 400 for what is no JSON. No body at all is an empty object, whatever its type.
 */
async function readJson(c: Context<Env>, options: JsonBodyOptions = {}): Promise<unknown> {
  const { maxBytes = 64 * 1024, deadlineMs = 30_000 } = options
  const body = announcesNothing(c) ? null : c.req.raw.body
  if (body === null) return {}
  requireJson(c.req.header('content-type') ?? '')
  if (Number(c.req.header('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const bytes = await readAll(body, maxBytes, deadlineMs)
  return bytes.length === 0 ? {} : parse(bytes)
}

/** As `readJson`, for bodies that must be an object; 400 in the words of DRF's serializers else. */
export async function readJsonObject(
  c: Context<Env>,
  options: JsonBodyOptions = {},
): Promise<Record<string, unknown>> {
  const value = await readJson(c, options)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  const text = `Invalid data. Expected a dictionary, but got ${pythonTypeOf(value)}.`
  throw new Fault('bad-request', { fields: { non_field_errors: [text] } })
}

/** Consumers compare the message, and it names the types of the framework it comes from. */
function pythonTypeOf(value: unknown): string {
  if (value === null) return 'NoneType'
  if (Array.isArray(value)) return 'list'
  if (typeof value === 'string') return 'str'
  if (typeof value === 'boolean') return 'bool'
  return Number.isInteger(value) ? 'int' : 'float'
}

function announcesNothing(c: Context<Env>): boolean {
  // A Request that was never on a wire (`app.request()`) has no framing.
  const onWire = c.env?.incoming !== undefined
  return c.req.header('content-length') === '0' || (onWire && bodyLengthOf(c.env.incoming) === 0)
}

function requireJson(contentType: string): void {
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase()
  if (mediaType === 'application/json') return
  const shown = contentType.slice(0, 200)
  throw new Fault('type-unsupported', { text: `Unsupported media type "${shown}" in request.` })
}

function tooLarge(maxBytes: number): Fault {
  return new Fault('too-large', { text: `The body is larger than ${maxBytes} bytes.` })
}

async function readAll(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  deadlineMs: number,
): Promise<Uint8Array> {
  const reader = body.getReader()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Fault('body-idle')), deadlineMs)
  })
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for (;;) {
      const { done, value } = await Promise.race([read(reader), late])
      if (done) return Buffer.concat(chunks)
      size += value.length
      if (size > maxBytes) throw tooLarge(maxBytes)
      chunks.push(value)
    }
  } finally {
    clearTimeout(timer)
    // Not awaited: a body that stands still would hold the answer up.
    reader.cancel().catch(() => {})
  }
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read()
  } catch (cause) {
    throw new Fault('client-gone', { cause })
  }
}

function parse(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new Fault('bad-request', { text: 'JSON parse error - the body is not UTF-8', cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    // The engine's message repeats the body; only the place is taken from it.
    const at = /position ([0-9]+)/.exec((cause as Error).message)?.[1]
    const place = at === undefined ? '' : ` (char ${at})`
    const detail = `JSON parse error - the body is not valid JSON${place}`
    throw new Fault('bad-request', { text: detail, cause })
  }
}
