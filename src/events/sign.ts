import { createHmac } from 'node:crypto'

const PREFIX = 'whsec_'
/** Bytes of a secret, by Standard Webhooks ("Signature scheme"). */
const SECRET_BYTES = { min: 24, max: 64 }
/** The one that counts, and the one that it takes the place of. */
const MAX_SECRETS = 2

/**
 * Reads WEBHOOK_SECRET: `whsec_` and base64 of 24 to 64 bytes; two of them, with space between, while
 * the one takes the place of the other. Null for anything else, base64 without its padding too, which
 * not every library reads.
 */
export function parseSecrets(text: string): readonly Buffer[] | null {
  const words = text.trim().split(/\s+/)
  const secrets = words.map(parseSecret)
  return words.length <= MAX_SECRETS && secrets.every((secret) => secret !== null) ? secrets : null
}

function parseSecret(word: string): Buffer | null {
  if (!word.startsWith(PREFIX)) return null
  const encoded = word.slice(PREFIX.length)
  const secret = Buffer.from(encoded, 'base64')
  const { min, max } = SECRET_BYTES
  const fits = secret.length >= min && secret.length <= max
  return fits && secret.toString('base64') === encoded ? secret : null
}

/** What is signed. */
export interface Message {
  id: string
  /** Seconds since 1970: of this sending, not of the event, or a retry would look like a replay. */
  timestamp: number
  body: string
}

/** The headers of Standard Webhooks: `v1`, HMAC-SHA256 over id, timestamp and body, by each secret. */
export function signedHeaders(
  { id, timestamp, body }: Message,
  secrets: readonly Buffer[],
): Record<string, string> {
  const signatures = secrets.map((secret) => {
    const hmac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`)
    return `v1,${hmac.digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}
