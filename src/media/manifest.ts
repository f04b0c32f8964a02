import { finalKeyOf, isUploadId, type Upload } from '../uploads/upload.ts'
import { parseInstant, toIsoMicros } from '../wire/time.ts'
import type { MediaFile } from './new-record.ts'

/** What the storage keys of all manifests end with, and those of no bytes. */
export const MANIFEST_ENDING = '.manifest.json'

/** Where the manifest of a file is, by the key of its bytes. */
export function manifestKey(storageKey: string): string {
  return storageKey + MANIFEST_ENDING
}

/** A description of 64 Ki characters stands in it twice, and what the client sent along. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** Who a file belongs to. An account cannot be made again from this, only a name. */
export interface ManifestOwner {
  id: number
  username: string
  firstName: string
  lastName: string
}

type Kind = 'id' | 'userId' | 'count' | 'text' | 'filled' | 'time' | 'uuid' | 'key' | 'purpose'
type Fields = Record<string, Kind | `${Kind}?`>

const mediaFields = {
  id: 'id',
  key: 'key',
  type: 'filled',
  mimeType: 'filled',
  name: 'text',
  description: 'text',
  size: 'count',
  width: 'count?',
  height: 'count?',
  mode: 'text?',
  digest: 'text?',
  createdAt: 'time',
  updatedAt: 'time',
} as const satisfies Partial<Record<keyof MediaFile, Fields[string]>>

/** What the doors still answer about an upload that was published. */
const uploadFields = {
  id: 'uuid',
  door: 'filled',
  storageKey: 'filled',
  finalKey: 'filled?',
  filename: 'text',
  title: 'text?',
  declaredType: 'text?',
  description: 'text',
  metadata: 'text?',
  purpose: 'purpose',
  expectedDigest: 'text?',
  digestAlgorithms: 'text?',
  recipe: 'text?',
  sessionToken: 'filled?',
  createdAt: 'time',
  updatedAt: 'time',
} as const satisfies Partial<Record<keyof Upload, Fields[string]>>

const ownerFields = {
  id: 'userId',
  username: 'filled',
  firstName: 'text',
  lastName: 'text',
} as const satisfies Record<keyof ManifestOwner, Fields[string]>

/** All that a record is made of, and its upload as far as anybody can still ask for it. */
export interface Manifest {
  media: Pick<MediaFile, keyof typeof mediaFields>
  upload: Pick<Upload, keyof typeof uploadFields>
  /** Null for an anonymous upload. */
  owner: ManifestOwner | null
}

/** The bytes of a manifest: JSON in the words of the API. The same facts give the same bytes. */
export function encodeManifest({ media, upload, owner }: Manifest): Uint8Array {
  const content = {
    landfall_manifest: 1,
    media: written(media, mediaFields),
    upload: written(upload, uploadFields),
    owner: owner && written({ ...owner }, ownerFields),
  }
  return Buffer.from(`${JSON.stringify(content, null, 2)}\n`)
}

/** Null where the bytes are no manifest, are cut off, or are those of a file with another key. */
export function parseManifest(bytes: Uint8Array, key: string): Manifest | null {
  const content = parseObject(Buffer.from(bytes).toString('utf8'))
  if (content?.landfall_manifest !== 1) return null
  const media = read(content.media, mediaFields) as Manifest['media'] | null
  const upload = read(content.upload, uploadFields) as Manifest['upload'] | null
  const owner = content.owner === null ? null : read(content.owner, ownerFields)
  if (media === null || upload === null || (owner === null && content.owner !== null)) return null
  if (manifestKey(finalKeyOf(upload)) !== key) return null
  return { media, upload, owner: owner as ManifestOwner | null }
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

function written(values: Record<string, unknown>, fields: Fields): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, kind]) => {
    const value = values[name]
    return [snake(name), kind === 'time' ? toIsoMicros(String(value)) : value]
  })
  return Object.fromEntries(entries)
}

/** Every field of the right kind, or null. What else there is, a later version may have written. */
function read(found: unknown, fields: Fields): Record<string, unknown> | null {
  if (typeof found !== 'object' || found === null) return null
  const values: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(fields)) {
    const value = Reflect.get(found, snake(name))
    const optional = kind.endsWith('?') && value === null
    if (!optional && !is[kind.replace('?', '') as Kind](value)) return null
    values[name] = value
  }
  return values
}

const count = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0
const text = (value: unknown) =>
  typeof value === 'string' && !value.includes('\0') && value.isWellFormed()
const filled = (value: unknown) => text(value) && value !== ''

const is: Record<Kind, (value: unknown) => boolean> = {
  count,
  text,
  filled,
  id: (value) => count(value) && value !== 0,
  // The column is a 32-bit integer.
  userId: (value) => count(value) && Number(value) > 0 && Number(value) < 2 ** 31,
  time: (value) => typeof value === 'string' && parseInstant(value) !== null,
  uuid: (value) => typeof value === 'string' && isUploadId(value),
  key: (value) => typeof value === 'string' && /^[\w-]{16,64}$/.test(value),
  // A part of something larger is no file.
  purpose: (value) => value === 'file' || value === 'session',
}

function parseObject(json: string): Record<string, unknown> | null {
  try {
    const found: unknown = JSON.parse(json)
    return typeof found === 'object' ? (found as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}
