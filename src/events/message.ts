import { type MediaRecord, toRecord, type UrlOf } from '../media/record.ts'
import type { MediaRow } from '../media/repo.ts'
import { toIsoMicros } from '../wire/time.ts'

/** What happened, as the outbox has it. */
export interface OutboxEvent {
  id: number
  event: string
  payload: Readonly<Record<string, unknown>>
  /** As the database writes it. */
  createdAt: string
}

/** What is sent about it, by webhooks and to listeners alike. */
export interface EventMessage {
  type: string
  /** When it happened. */
  timestamp: string
  data: Readonly<Record<string, unknown>> & { file?: MediaRecord | null }
}

/**
 * The words of the outbox, and of a file that was created its record as it is now; null where it is
 * gone again.
 *
 * @param origin scheme and host of the URLs in it; `''`: paths.
 * @param urlOf of the server's MediaAccess: a signed URL is signed when the message is made.
 */
export function messageOf(
  { event, payload, createdAt }: OutboxEvent,
  file: MediaRow | undefined,
  origin: string,
  urlOf: UrlOf,
): EventMessage {
  const data =
    event === 'media.created'
      ? { ...payload, file: file === undefined ? null : toRecord(file, origin, urlOf) }
      : payload
  return { type: event, timestamp: toIsoMicros(createdAt), data }
}

/** The id of the file whose record is part of the message. */
export function fileIdOf({ event, payload }: OutboxEvent): number | null {
  return event === 'media.created' && typeof payload.id === 'number' ? payload.id : null
}
