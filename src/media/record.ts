import { fullNameOf } from '../auth/full-name.ts'
import { formatSize } from '../wire/size.ts'
import { toIsoMicros } from '../wire/time.ts'
import type { MediaRow } from './repo.ts'

/** One media file as the API shows it. Times are those of Django REST framework, in UTC. */
export interface MediaRecord {
  id: number
  type: string
  /** Null for an anonymous upload. */
  user: { id: number; username: string; full_name: string } | null
  /** URL of the bytes. */
  f: string
  name: string
  description: string
  /** Bytes. */
  size: number
  human_readable_size: string
  /** This and the next two: images only, absent otherwise; null where the header did not tell. */
  width?: number | null
  height?: number | null
  /** Pillow's name for the pixel format. */
  mode?: string | null
  mime_type: string
  /** `sha256:…`, where digests are switched on. */
  digest: string | null
  created_at: string
  updated_at: string
}

/** The URL of a file's bytes; `origin` is scheme and host, without a slash at the end. */
export type UrlOf = (file: Pick<MediaRow, 'key' | 'name'>, origin: string) => string

/**
 * @param origin scheme and host of the server, without a slash at the end
 * @param urlOf of the server's MediaAccess: what its URLs carry depends on MEDIA_ACCESS
 */
export function toRecord(row: MediaRow, origin: string, urlOf: UrlOf): MediaRecord {
  const { user, width, height, mode } = row
  return {
    id: row.id,
    type: row.type,
    user: user && { id: user.id, username: user.username, full_name: fullNameOf(user) },
    f: urlOf(row, origin),
    name: row.name,
    description: row.description,
    size: row.size,
    human_readable_size: formatSize(row.size),
    ...(row.type === 'image' ? { width, height, mode } : {}),
    mime_type: row.mimeType,
    digest: row.digest,
    created_at: toIsoMicros(row.createdAt),
    updated_at: toIsoMicros(row.updatedAt),
  }
}

/** Where the bytes of a file are served; for whom is for MediaAccess to say. */
export function mediaUrl(file: Pick<MediaRow, 'key' | 'name'>, origin: string): string {
  return `${origin}/media/${file.key}/${nameInUrl(file.name)}`
}

/** Code points of a name that go into its URL: Node reads no more than 16 KiB of headers. */
const MAX_NAME_IN_URL = 255

/**
 * The last segment of the URL is for people and is not looked at; but clients take away segments
 * of dots (RFC 3986 §5.2.4), and the end of a long name says more than its beginning.
 */
function nameInUrl(name: string): string {
  const label = Array.from(name.toWellFormed()).slice(-MAX_NAME_IN_URL).join('')
  return /^\.{0,2}$/.test(label) ? 'file' : encodeURIComponent(label)
}
