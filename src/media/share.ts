import { Fault } from '../errors.ts'
import { parseDuration } from '../wire/duration.ts'
import { toIsoMicros } from '../wire/time.ts'
import type { MediaAccess } from './access.ts'
import { type Field, readFields } from './fields.ts'
import { mediaUrl } from './record.ts'
import type { MediaRow } from './repo.ts'

/** What a link to one file is to be. */
export interface LinkRequest {
  /** Milliseconds; undefined: MEDIA_LINK_EXPIRES. */
  forMs: number | undefined
  /** Whether the browser is to save the file instead of showing it. */
  download: boolean
}

/** A link that can be handed on. */
export interface SharedLink {
  url: string
  /** As the times of records; null where the link does not end. */
  expires_at: string | null
}

/** A link is handed on and forgotten: it is to end within a year. */
const LONGEST_MS = 365 * 86_400_000

const durationOfLink: Field<number | null> = {
  check(input) {
    const value = input === null ? null : (millisecondsOf(input) ?? undefined)
    if (value !== undefined) return { value }
    return { errors: ['Give seconds, or a duration such as 90s, 24h or 7d; at most 365d.'] }
  },
  schema: {
    description: 'Seconds, or a duration such as `90s`, `24h`, `7d`: from 1 second to 365 days.',
    anyOf: [
      { type: 'integer', minimum: 1, maximum: LONGEST_MS / 1000 },
      { type: 'string', pattern: '^[0-9]{1,16}(?:ms|s|m|h|d)$' },
      { type: 'null' },
    ],
  },
}

const downloadField: Field<boolean> = {
  check: (input) =>
    typeof input === 'boolean' ? { value: input } : { errors: ['Must be a valid boolean.'] },
  schema: {
    type: 'boolean',
    description: 'Whether the browser saves the file instead of showing it.',
  },
}

export const linkFields = { expires_in: durationOfLink, download: downloadField }

/**
 * Reads `{"expires_in"?, "download"?}`. `expires_in` is a number of seconds, or a duration as the
 * settings have it (`90s`, `24h`, `7d`): from 1 second to 365 days.
 *
 * @throws Fault `bad-request` with the messages of every field that is wrong
 */
export function parseLinkRequest(data: Record<string, unknown>): LinkRequest {
  const { expires_in: forMs, download = false } = readFields(linkFields, data)
  return { forMs: forMs ?? undefined, download }
}

function millisecondsOf(input: unknown): number | null {
  const isSeconds = typeof input === 'number' && Number.isInteger(input)
  const parsed = isSeconds ? input * 1000 : typeof input === 'string' ? parseDuration(input) : null
  return parsed !== null && parsed >= 1000 && parsed <= LONGEST_MS ? parsed : null
}

/**
 * A link to the bytes of a file that opens it for anybody until it ends. In public mode that is the
 * URL of the file, which does not end.
 *
 * @throws Fault `bad-request` where an end is asked for that a public URL cannot have: whoever asks
 * is not to hand on for ever what they mean to hand on for an hour.
 */
export function shareLink(
  access: MediaAccess,
  file: Pick<MediaRow, 'key' | 'name'>,
  origin: string,
  { forMs, download }: LinkRequest,
): SharedLink {
  const plain = mediaUrl(file, origin)
  const shared = access.share(file.key, forMs)
  const query = [...(shared ? [shared.query] : []), ...(download ? ['download=1'] : [])].join('&')
  const url = query === '' ? plain : `${plain}?${query}`
  if (shared !== null)
    return { url, expires_at: toIsoMicros(new Date(shared.expiresAt * 1000).toISOString()) }
  if (forMs === undefined) return { url, expires_at: null }
  const text = 'Links cannot end here: every media URL is public (MEDIA_ACCESS).'
  throw new Fault('bad-request', { fields: { expires_in: [text] } })
}
