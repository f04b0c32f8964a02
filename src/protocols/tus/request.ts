import { Fault } from '../../errors.ts'
import { parseNonNegativeInteger } from '../../wire/integer.ts'
import { parseUploadMetadata } from '../../wire/upload-metadata.ts'

export const TUS_VERSION = '1.0.0'
/** "All PATCH requests MUST use Content-Type: application/offset+octet-stream" (tus 1.0, PATCH). */
export const BODY_TYPE = 'application/offset+octet-stream'
/** What lets one server offer one door to clients behind firewalls that know only POST. */
const OVERRIDES = new Set(['PATCH', 'DELETE', 'HEAD'])

export type HeaderReader = (name: string) => string | undefined

export interface Creation {
  /** Null: deferred. */
  size: number | null
  metadata: string | null
  filename: string
  declaredType: string | null
  description: string
  /** `algorithm:hex`, space-separated, or null. */
  expectedDigest: string | null
  hasBody: boolean
  bodyLength: number | null
}

export interface Patch {
  offset: number
  /** Upload-Length, sent where it was deferred. */
  declaredSize: number | null
  bodyLength: number | null
}

/**
 * "X-HTTP-Method-Override: The request header MUST be a string which MUST be interpreted as the
 * request's method by the Server, if the header is present. The actual method of the request MUST
 * be ignored." Only a POST may be something else here: a GET that deletes would be a trap.
 */
export function effectiveMethod(method: string, header: HeaderReader): string {
  const override = header('x-http-method-override')
  if (override === undefined || method !== 'POST') return method
  const wanted = override.trim().toUpperCase()
  if (wanted === 'POST') return method
  if (!OVERRIDES.has(wanted))
    throw new Fault('bad-request', { text: 'X-HTTP-Method-Override names no method of tus.' })
  return wanted
}

export function parseCreation(header: HeaderReader): Creation {
  const pairs = readMetadata(header('upload-metadata'))
  const bodyLength = lengthOfBody(header)
  // A declared length of 0 is no body; chunked is one, however short.
  const hasBody = bodyLength === null ? header('transfer-encoding') !== undefined : bodyLength > 0
  if (hasBody && !isBodyType(header('content-type')))
    throw new Fault('type-unsupported', { text: `The body must be ${BODY_TYPE}.` })
  return {
    size: creationSize(header('upload-length'), header('upload-defer-length')),
    metadata: header('upload-metadata') ?? null,
    filename: pairs.get('filename') ?? pairs.get('name') ?? '',
    declaredType: pairs.get('filetype') ?? pairs.get('type') ?? null,
    description: pairs.get('description') ?? '',
    expectedDigest: expectedDigests(pairs),
    hasBody,
    bodyLength,
  }
}

export function parsePatch(header: HeaderReader): Patch {
  if (!isBodyType(header('content-type')))
    throw new Fault('type-unsupported', { text: `The body must be ${BODY_TYPE}.` })
  const offset = parseNonNegativeInteger(header('upload-offset'))
  if (offset === null)
    throw new Fault('bad-request', { text: 'Upload-Offset must be a number of bytes.' })
  const declared = header('upload-length')
  const declaredSize = parseNonNegativeInteger(declared)
  if (declared !== undefined && declaredSize === null)
    throw new Fault('length-invalid', { text: 'Upload-Length must be a number of bytes.' })
  return { offset, declaredSize, bodyLength: lengthOfBody(header) }
}

/** "the Client MUST send either Upload-Length or Upload-Defer-Length: 1" (creation-defer-length). */
function creationSize(length: string | undefined, defer: string | undefined): number | null {
  if ((length === undefined) === (defer === undefined))
    throw new Fault('length-invalid', {
      text: 'Send either Upload-Length or Upload-Defer-Length: 1.',
    })
  if (defer !== undefined) {
    if (defer === '1') return null
    throw new Fault('length-invalid', { text: 'Upload-Defer-Length can only be 1.' })
  }
  const size = parseNonNegativeInteger(length)
  if (size === null)
    throw new Fault('length-invalid', { text: 'Upload-Length must be a number of bytes.' })
  return size
}

function readMetadata(text: string | undefined): Map<string, string | null> {
  const pairs = text === undefined ? new Map() : parseUploadMetadata(text)
  if (pairs === null)
    throw new Fault('bad-request', {
      text:
        'Upload-Metadata must be unique ASCII keys, each with a base64 value, separated by commas, ' +
        'of at most 16 KiB in all.',
    })
  return pairs
}

const DIGEST_HEX_LENGTHS = { sha256: 64, md5: 32 }

function expectedDigests(pairs: Map<string, string | null>): string | null {
  const found: string[] = []
  for (const [algorithm, length] of Object.entries(DIGEST_HEX_LENGTHS)) {
    const hex = pairs.get(algorithm)?.toLowerCase()
    if (!hex) continue
    if (hex.length !== length || !/^[\da-f]+$/.test(hex))
      throw new Fault('bad-request', { text: `The metadata ${algorithm} must be a hex digest.` })
    found.push(`${algorithm}:${hex}`)
  }
  return found.length > 0 ? found.join(' ') : null
}

function isBodyType(contentType: string | undefined): boolean {
  return contentType?.trim().toLowerCase() === BODY_TYPE
}

/** Node has refused whatever is not a number before it comes here. */
function lengthOfBody(header: HeaderReader): number | null {
  return parseNonNegativeInteger(header('content-length'))
}
