import { Fault } from '../../errors.ts'
import { parseNonNegativeInteger } from '../../wire/integer.ts'
import { parseUploadMetadata } from '../../wire/upload-metadata.ts'
import { type BodyChecksum, parseBodyChecksum, requireChecksumOfNothing } from './checksum.ts'

export const TUS_VERSION = '1.0.0'
/** "All PATCH requests MUST use Content-Type: application/offset+octet-stream" (tus 1.0, PATCH). */
export const BODY_TYPE = 'application/offset+octet-stream'
/** What lets one server offer one door to clients behind firewalls that know only POST. */
const OVERRIDES = new Set(['PATCH', 'DELETE', 'HEAD'])

export type HeaderReader = (name: string) => string | undefined

/** What Upload-Metadata says of a file, for the core. */
export interface FileFacts {
  metadata: string | null
  filename: string
  declaredType: string | null
  description: string
  /** `algorithm:hex`, space-separated, or null. */
  expectedDigest: string | null
  /** Token of the upload session that it goes into. */
  sessionToken?: string | undefined
}

export interface Body {
  /** Null where it is not known beforehand. */
  length: number | null
  checksum: BodyChecksum | null
}

export interface Creation {
  /** Null: deferred. */
  size: number | null
  facts: FileFacts
  purpose: 'file' | 'part'
  body: Body | null
}

export interface Patch {
  offset: number
  /** Upload-Length, sent where it was deferred. */
  declaredSize: number | null
  body: Body
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

/** @param announced bytes of the body: 0 without one, null where only its end will tell. */
export function parseCreation(
  header: HeaderReader,
  announced: number | null,
  purpose: 'file' | 'part',
): Creation {
  const facts = parseFacts(header('upload-metadata'))
  // A declared length of 0 is no body; one of unknown length is one, however short.
  const body = announced === 0 ? null : parseBody(header, announced)
  if (body !== null) requireBodyType(header)
  else requireChecksumOfNothing(header)
  return {
    size: creationSize(header('upload-length'), header('upload-defer-length')),
    // What it is called and what its digest is are said of the whole: a part's are only kept.
    facts: purpose === 'part' ? { ...NO_FACTS, metadata: facts.metadata } : facts,
    purpose,
    body,
  }
}

/**
 * "The Client MUST NOT include the Upload-Length header in the final upload creation." Bytes that
 * come along are refused as they are in a PATCH: "The Server MUST respond with the 403 Forbidden
 * status to PATCH requests against a final upload URL".
 */
export function parseFinalCreation(header: HeaderReader, announced: number | null): FileFacts {
  const facts = parseFacts(header('upload-metadata'))
  if (header('upload-length') !== undefined || header('upload-defer-length') !== undefined)
    throw new Fault('length-invalid', {
      text: 'The length of a final upload is that of its parts.',
    })
  if (announced !== 0)
    throw new Fault('not-allowed', { text: 'A final upload takes no bytes of its own.' })
  return facts
}

export function parsePatch(header: HeaderReader, announced: number | null): Patch {
  requireBodyType(header)
  const offset = parseNonNegativeInteger(header('upload-offset'))
  if (offset === null)
    throw new Fault('bad-request', { text: 'Upload-Offset must be a number of bytes.' })
  const declared = header('upload-length')
  const declaredSize = parseNonNegativeInteger(declared)
  if (declared !== undefined && declaredSize === null)
    throw new Fault('length-invalid', { text: 'Upload-Length must be a number of bytes.' })
  return { offset, declaredSize, body: parseBody(header, announced) }
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

const NO_FACTS: FileFacts = {
  metadata: null,
  filename: '',
  declaredType: null,
  description: '',
  expectedDigest: null,
}

function parseFacts(metadata: string | undefined): FileFacts {
  const pairs = readMetadata(metadata)
  return {
    metadata: metadata ?? null,
    filename: pairs.get('filename') ?? pairs.get('name') ?? '',
    declaredType: pairs.get('filetype') ?? pairs.get('type') ?? null,
    description: pairs.get('description') ?? '',
    expectedDigest: expectedDigests(pairs),
    // One without a token is meant for a session all the same, and is not to be published.
    sessionToken: pairs.has('session') ? (pairs.get('session') ?? '') : undefined,
  }
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

function requireBodyType(header: HeaderReader): void {
  if (header('content-type')?.trim().toLowerCase() !== BODY_TYPE)
    throw new Fault('type-unsupported', { text: `The body must be ${BODY_TYPE}.` })
}

function parseBody(header: HeaderReader, announced: number | null): Body {
  return { length: announced, checksum: parseBodyChecksum(header) }
}
