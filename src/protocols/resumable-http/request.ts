import { Fault } from '../../errors.ts'
import { dispositionFilename } from '../../wire/content-disposition.ts'
import {
  type DigestAlgorithm,
  hashName,
  parseIntegrity,
  preferredDigest,
} from '../../wire/digest-header.ts'
import { parseBooleanItem, parseIntegerItem } from '../../wire/structured-field.ts'
import { parseUploadMetadata } from '../../wire/upload-metadata.ts'
import type { Dialect } from './interop.ts'

export const PARTIAL_UPLOAD = 'application/partial-upload'
/** Says how the bytes travel, and nothing about the file. */
const CARRIERS = new Set([PARTIAL_UPLOAD, 'application/offset+octet-stream'])

export type HeaderReader = (name: string) => string | undefined

export interface Digest {
  algorithm: DigestAlgorithm
  value: Uint8Array
}

/** What a request that carries bytes says about them. */
export interface Body {
  /** The bytes of this request are the last. */
  complete: boolean
  /** Bytes of the whole representation, by Upload-Length; null where it does not say. */
  length: number | null
  /** Bytes of this request, where its framing tells before they come. */
  bodyLength: number | null
  /** Of this request's bytes (Content-Digest). */
  contentDigest: Digest | null
}

export interface Creation extends Body {
  filename: string
  declaredType: string | null
  description: string
  /** `sha256:hex`, space-separated, or null. */
  expectedDigest: string | null
  digestAlgorithms: string[]
}

export interface Append extends Body {
  offset: number
}

/**
 * A creation: any request for /files/ that has the field of its draft, valid. Interop 3 leaves it
 * out where nothing is missing.
 */
export function parseCreation(
  header: HeaderReader,
  dialect: Dialect,
  bodyLength: number | null,
): Creation {
  const body = parseBody(header, dialect, bodyLength)
  const { complete, length } = body
  // "Both indicators in one request MUST agree."
  const implied = complete ? bodyLength : null
  if (length !== null && (implied ?? length) !== length) throw inconsistent()
  if (length !== null && bodyLength !== null && bodyLength > length) throw inconsistent()
  const metadata = readMetadata(header('upload-metadata'))
  const expected = readDigests(header('repr-digest'))
  const wanted = preferredDigest(header('want-repr-digest'))
  return {
    ...body,
    length: length ?? implied,
    filename:
      dispositionFilename(header('content-disposition')) ??
      metadata.get('filename') ??
      metadata.get('name') ??
      '',
    declaredType:
      metadata.get('filetype') ?? metadata.get('type') ?? fileType(header('content-type')),
    description: metadata.get('description') ?? '',
    expectedDigest: expected.map(toPair).join(' ') || null,
    digestAlgorithms: wanted === null ? [] : [hashName(wanted)],
  }
}

/** "all required of the client": media type (from interop 6 on), offset and completeness. */
export function parseAppend(
  header: HeaderReader,
  dialect: Dialect,
  bodyLength: number | null,
): Append {
  if (dialect.typedAppends && !isPartialUpload(header))
    throw new Fault('type-unsupported', { text: `The body must be ${PARTIAL_UPLOAD}.` })
  const offset = parseIntegerItem(header('upload-offset'))
  if (offset === null)
    throw new Fault('bad-request', { text: 'Upload-Offset must be an integer: bytes stored.' })
  return { offset, ...parseBody(header, dialect, bodyLength) }
}

export function isPartialUpload(header: HeaderReader): boolean {
  return mediaTypeOf(header('content-type')) === PARTIAL_UPLOAD
}

/** A length that does not agree with what is known, or a body that does not fit it. */
export function inconsistent(offset?: number): Fault {
  const text = 'The length of the upload does not agree with what was said or sent before.'
  return new Fault('length-invalid', offset === undefined ? { text } : { text, offset })
}

function parseBody(header: HeaderReader, dialect: Dialect, bodyLength: number | null): Body {
  return {
    complete: parseCompleteness(header, dialect),
    // A field of the wrong type counts as absent.
    length: parseIntegerItem(header('upload-length')),
    bodyLength,
    contentDigest: readDigests(header('content-digest'))[0] ?? null,
  }
}

function parseCompleteness(header: HeaderReader, dialect: Dialect): boolean {
  const text = header(dialect.completeness.toLowerCase())
  const value = parseBooleanItem(text)
  if (dialect.completeness === 'Upload-Incomplete') {
    // Interop 3: "absent" says that nothing is missing.
    if (text === undefined) return true
    if (value !== null) return !value
  } else if (value !== null) return value
  // tus-js-client ends a stream with an empty request that has a length and no completeness.
  else if (text === undefined && dialect.finishesByLength) return false
  throw new Fault('bad-request', { text: `${dialect.completeness} must be ?0 or ?1.` })
}

/** The digests of a field that we know, strongest first. */
function readDigests(field: string | undefined): Digest[] {
  if (field === undefined) return []
  const digests = parseIntegrity(field)
  if (digests === 'invalid') throw new Fault('digest-invalid')
  if (digests === 'unsupported') throw new Fault('digest-unsupported')
  return [...digests].map(([algorithm, value]) => ({ algorithm, value }))
}

function toPair({ algorithm, value }: Digest): string {
  return `${hashName(algorithm)}:${Buffer.from(value).toString('hex')}`
}

/** What tus-js-client sends in its IETF modes too. */
function readMetadata(text: string | undefined): Map<string, string | null> {
  const pairs = text === undefined ? new Map<string, string | null>() : parseUploadMetadata(text)
  if (pairs === null)
    throw new Fault('bad-request', {
      text: 'Upload-Metadata must be unique ASCII keys, each with a base64 value.',
    })
  return pairs
}

function fileType(contentType: string | undefined): string | null {
  return CARRIERS.has(mediaTypeOf(contentType)) ? null : (contentType ?? null)
}

function mediaTypeOf(contentType: string | undefined): string {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
