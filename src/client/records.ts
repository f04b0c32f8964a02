/** What a media file can be. */
export type MediaType =
  | 'pdf'
  | 'text'
  | 'image'
  | 'document'
  | 'compressed'
  | 'spreadsheet'
  | 'presentation'
  | 'video'
  | 'audio'
  | 'other'

export type Role = 'user' | 'staff' | 'admin'

/** One media file. Times are ISO 8601 in UTC, with up to six digits of a second. */
export interface MediaFile {
  id: number
  type: MediaType
  /** Null for an anonymous upload. */
  user: { id: number; username: string; full_name: string } | null
  /** URL of the bytes. */
  f: string
  name: string
  description: string
  /** Bytes. */
  size: number
  /** Such as `2.5 MB`. */
  human_readable_size: string
  /** This and the next two: images only, absent otherwise; null where the file does not tell. */
  width?: number | null
  /** Pixels, as stored. */
  height?: number | null
  /** Pillow's name for the pixel format, such as `RGB`. */
  mode?: string | null
  mime_type: string
  /** `sha256:…`, where the server computes digests. */
  digest: string | null
  created_at: string
  updated_at: string
}

/** A link that can be handed on. */
export interface SharedLink {
  url: string
  /** Null where it does not end: media URLs are public there. */
  expires_at: string | null
}

export type SortKey =
  | 'id'
  | 'type'
  | 'name'
  | 'size'
  | 'width'
  | 'height'
  | 'mode'
  | 'created_at'
  | 'updated_at'
  | 'user__id'
  | 'user__username'
  | 'user__first_name'
  | 'user__last_name'
  | 'user__last_login'

/** A stretch of a list. */
export interface Slice {
  /** 1 to 1000. Default 10. */
  limit?: number
  /** How many to leave out. Default 0. */
  offset?: number
}

/** Which media files, and in which order. What is left out, or empty, is no filter. */
export interface FileQuery extends Slice {
  /** Words, and "quoted phrases", that must all be in the name or id. */
  search?: string
  /** `-` for descending. Default `-created_at`. */
  ordering?: SortKey | `-${SortKey}` | readonly (SortKey | `-${SortKey}`)[]
  type?: MediaType | readonly MediaType[]
  user_id?: number
  /** Bytes, inclusive as every bound. */
  size_min?: number
  size_max?: number
  /** Pixels. */
  width_min?: number
  width_max?: number
  height_min?: number
  height_max?: number
  id_min?: number
  id_max?: number
  /** A day in UTC, `YYYY-MM-DD`. */
  created_date?: string
  updated_date?: string
  /** A day or an ISO 8601 time; `_to` includes the whole day. */
  created_from?: string
  created_to?: string
  updated_from?: string
  updated_to?: string
}

/** One page of a list. */
export interface Page<Item> {
  /** How many there are on all pages. */
  count: number
  /** URL of the page after this one. */
  next: string | null
  previous: string | null
  results: Item[]
}

export interface User {
  id: number
  username: string
  first_name: string
  last_name: string
  /** First and last name, or the username where both are empty. */
  full_name: string
  role: Role
  is_active: boolean
  /** The last time that a token of theirs was used, to the minute. */
  last_login: string | null
  created_at: string
}

export interface NewUser {
  username: string
  role: Role
  first_name?: string
  last_name?: string
}

/** A token without its key, which is shown once. */
export interface Token {
  id: number
  name: string
  created_at: string
  /** Null: it does not end. */
  expires_at: string | null
}

/** `key` is in this answer and nowhere else. */
export interface NewToken extends Token {
  key: string
}

export interface OpenSession {
  uploadSessionToken: string
  /** Where its files are. */
  url: string
  expires: string
}

export interface Session {
  uploadSessionToken: string
  status: 'created' | 'uploading' | 'stored' | 'expired'
  fileCount: number
  /** Bytes. */
  totalSize: number
  /** Null once it is stored. */
  expires: string | null
  created: string
  url: string
}

export interface SessionFile {
  name: string
  /** Bytes. */
  size: number
  url: string
}

/** A file of a session that was submitted; `id` and `f` are null where it was removed since. */
export interface SubmittedFile extends SessionFile {
  id: number | null
  f: string | null
}

export type EventType = 'media.created' | 'media.deleted' | 'upload.rejected'

/** What happened to an upload, as webhooks and the stream of events say it. */
export type LandfallEvent =
  | EventOf<'media.created', MediaEventData & { file: MediaFile | null }>
  | EventOf<'media.deleted', MediaEventData>
  | EventOf<'upload.rejected', { upload: string; reason: string }>

export interface MediaEventData {
  /** Of the media file. */
  id: number
  /** Of the upload. */
  upload: string
  name: string
}

export interface EventOf<Type extends EventType, Data> {
  /** Its place in the stream, to go on from. */
  id: string
  type: Type
  timestamp: string
  data: Data
}

/** An event with what became of its delivery. */
export interface WebhookEvent {
  id: number
  /** What receivers know it by: `msg_…`. */
  message_id: string
  event: EventType
  /** Events of one subject are delivered in order. */
  subject: string
  data: Record<string, unknown>
  /** `skipped`: older than the first WEBHOOK_URL, and never tried. */
  state: 'pending' | 'delivered' | 'failed' | 'skipped'
  attempts: number
  created_at: string
  next_attempt_at: string | null
  delivered_at: string | null
  given_up_at: string | null
}

/** What came of one try to deliver an event. */
export interface Tried {
  outcome: 'delivered' | 'failed'
  /** Of the answer; null where there was none. */
  status: number | null
  /** Null where it was delivered. */
  error: string | null
  duration_ms: number
}

export interface WebhookDelivery extends Tried {
  id: number
  event_id: number
  message_id: string
  event: EventType
  subject: string
  attempt: number
  at: string
}

export interface WebhookTest extends Tried {
  event: 'landfall.test'
  message_id: string
}
