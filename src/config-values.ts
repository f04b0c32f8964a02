import { isIP } from 'node:net'
import path from 'node:path'
import { parseSecrets } from './events/sign.ts'
import { type AcceptedFormats, parseAccepted } from './media/accept.ts'
import { isDigestAlgorithm } from './streams/digest-algorithms.ts'
import { parseDuration } from './wire/duration.ts'
import { parseNonNegativeInteger } from './wire/integer.ts'
import { parseSize } from './wire/size.ts'
import { strftime } from './wire/strftime.ts'

/** How one kind of value is read from text. */
export interface Kind<T> {
  /** What is allowed, to finish the sentence "give …". */
  allowed: string
  /** Null when the text is not one. */
  parse(text: string): T | null
  /** The value must not be repeated in a message. */
  secret?: true
}

export function integer(min: number, max: number): Kind<number> {
  return {
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => within(parseNonNegativeInteger(text), min, max),
  }
}

/** Bytes. */
export const size: Kind<number> = {
  allowed: 'a size from 1 byte up, such as 500MB, 5GiB or a number of bytes',
  parse: (text) => within(parseSize(text), 1, Number.MAX_SAFE_INTEGER),
}

/** Milliseconds. Bounds are given and shown as durations. */
export function duration(min: string, max: string): Kind<number> {
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? Number.MAX_SAFE_INTEGER]
  return {
    allowed: `a duration from ${min} to ${max}, such as 90s, 24h or 7d`,
    parse: (text) => within(parseDuration(text), least, most),
  }
}

export const yesNo: Kind<boolean> = {
  allowed: 'true or false',
  parse(text) {
    if (/^(?:true|1|yes)$/i.test(text)) return true
    return /^(?:false|0|no)$/i.test(text) ? false : null
  },
}

/** One of a few words. */
export function oneOf<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    allowed: values.join(' or '),
    parse: (text) => values.find((value) => value === text) ?? null,
  }
}

export const host: Kind<string> = {
  allowed: 'an IP address or a host name',
  parse: (text) =>
    isIP(text) !== 0 || /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text) ? text : null,
}

/** Scheme and host, without a slash at the end. */
export const origin: Kind<string> = {
  allowed: 'scheme and host without a path, such as https://files.example.org',
  parse: (text) => (/^https?:\/\//i.test(text) ? originOf(text) : null),
}

/** A URL to put paths behind, without a slash at the end. */
export const baseUrl: Kind<string> = {
  allowed: 'a URL without a query, such as https://media.example.org/files',
  parse(text) {
    if (!/^https?:\/\//i.test(text) || /[\s?#*\\]/.test(text) || !URL.canParse(text)) return null
    const url = new URL(text)
    return url.username === '' ? `${url.origin}${url.pathname}`.replace(/\/+$/, '') : null
  },
}

/** A bucket of any S3 store; each has its own rules on top. */
export const bucketName: Kind<string> = {
  allowed: 'the name of a bucket: 3 to 63 letters, digits, dots, hyphens or underscores',
  parse: (text) => (/^[A-Za-z0-9][\w.-]{1,61}[A-Za-z0-9]$/.test(text) ? text : null),
}

export const region: Kind<string> = {
  allowed: 'a region such as eu-central-1, or what the store asks for',
  parse: (text) => (/^[A-Za-z0-9][\w-]{0,63}$/.test(text) ? text : null),
}

/** Put before every key, with a slash at its end. */
export const keyPrefix: Kind<string> = {
  allowed: 'a prefix such as landfall/ or media/uploads/',
  parse: (text) =>
    /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*\/?$/.test(text) ? `${text.replace(/\/$/, '')}/` : null,
}

/** Where events go. It may hold a secret, as the addresses of some services do. */
export const webhookUrl: Kind<string> = {
  allowed:
    'an http or https URL without a user, a password and a fragment, such as https://example.org/hook',
  secret: true,
  parse(text) {
    if (!/^https?:\/\//i.test(text) || /[\s#\\]/.test(text) || !URL.canParse(text)) return null
    const { href, username, password } = new URL(text)
    return username === '' && password === '' ? href : null
  },
}

export const webhookSecrets: Kind<readonly Buffer[]> = {
  allowed: 'whsec_ and 24 to 64 bytes in base64; two of them with a space between, to change it',
  secret: true,
  parse: parseSecrets,
}

/** Longer than it takes: what is typed by hand has less chance in it than its length says. */
const MIN_SECRET_BYTES = 32
const MAX_MEDIA_SECRETS = 10

/** The first one signs; the others were before it, and what they have signed is still good. */
export const mediaSecrets: Kind<readonly [Buffer, ...Buffer[]]> = {
  allowed:
    'a random text of 32 bytes or more without spaces; older ones may follow it, with spaces between',
  secret: true,
  parse(text) {
    const [first, ...older] = text
      .trim()
      .split(/\s+/)
      .map((word) => Buffer.from(word))
    if (first === undefined || older.length >= MAX_MEDIA_SECRETS) return null
    return [first, ...older].every(({ length }) => length >= MIN_SECRET_BYTES)
      ? [first, ...older]
      : null
  },
}

/** A path of a proxy, with a slash at both ends. */
export const pathPrefix: Kind<string> = {
  allowed: 'a path that begins and ends with a slash, such as /protected-media/',
  parse: (text) => (/^\/(?:[\w~-][\w.~-]*\/)+$/.test(text) ? text : null),
}

/** Docker and Kubernetes set `tcp://10.0.0.1:3310` for a neighbour of the variable's name. */
export const port: Kind<number> = {
  allowed: 'a port from 1 to 65535',
  parse: (text) =>
    within(parseNonNegativeInteger(text.replace(/^tcp:\/\/[\w.:[\]-]+:/, '')), 1, 65_535),
}

export const corsOrigins: Kind<'*' | readonly string[]> = {
  allowed: '* or a comma list of origins, such as https://app.example.org',
  parse(text) {
    if (text.trim() === '*') return '*'
    const origins = text.split(',').map((entry) => originOf(entry.trim()))
    return origins.every((entry) => entry !== null) ? origins : null
  },
}

export const databaseUrl: Kind<string> = {
  allowed: 'a URL such as postgres://user:password@host:5432/database',
  secret: true,
  parse: (text) => (/^postgres(?:ql)?:\/\/./.test(text) && URL.canParse(text) ? text : null),
}

export const acceptedFormats: Kind<AcceptedFormats> = {
  allowed: 'a comma list of types (image), MIME types (video/mp4) or extensions (.docx)',
  parse: parseAccepted,
}

/** A key of a header: long enough not to be guessed, and nothing that a header cannot carry. */
export const adminKey: Kind<string> = {
  allowed: '16 to 512 visible ASCII characters without spaces (32 or more random ones are best)',
  secret: true,
  parse: (text) => (/^[!-~]{16,512}$/.test(text) ? text : null),
}

/** What the other doors stand on, and what lies above them. */
const TAKEN = [
  ...['/files', '/upload-session', '/media', '/docs', '/openapi.json'],
  ...['/healthz', '/readyz', '/metrics'],
]
const TAKEN_OF_API = [
  ...['/api/media', '/api/users', '/api/tokens', '/api/me'],
  ...['/api/webhooks', '/api/events'],
]

/** Where a door stands, without a slash at the end. */
export const doorPath: Kind<string> = {
  allowed: 'a path such as /api/chunked-uploads/ that no other door stands on, above or below',
  parse(text) {
    const base = text.replace(/\/$/, '')
    const plain = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(base)
    const meets = (other: string) => `${base}/`.startsWith(`${other}/`)
    const above = TAKEN_OF_API.some((other) => other.startsWith(`${base}/`))
    return plain && !above && ![...TAKEN, ...TAKEN_OF_API].some(meets) ? base : null
  },
}

/** A folder for bytes. Filled in, it has only what is safe in every path. */
export const folderPattern: Kind<string> = {
  allowed:
    'a relative path of letters, digits, "_", "-", "." and %Y %m %d %H %M %S %j, such as up/%Y/%m',
  parse(text) {
    const sample = strftime(text, new Date(0))?.replace(/\/$/, '')
    const plain = sample !== undefined && sample.length <= 200
    return plain && /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(sample)
      ? text.replace(/\/$/, '')
      : null
  },
}

export const fileEnding: Kind<string> = {
  allowed: 'up to 32 letters, digits, "_", "-" and ".", such as .part',
  parse: (text) => (/^[\w.-]{1,32}$/.test(text) ? text : null),
}

/** Of node:crypto, by the name that it has there; the same name is that of the form field. */
export const digestAlgorithm: Kind<string> = {
  allowed: 'an algorithm of node:crypto, such as md5, sha1, sha256 or sha512',
  parse: (text) => (isDigestAlgorithm(text) ? text : null),
}

export const fieldName: Kind<string> = {
  allowed: '1 to 100 visible ASCII characters without quotes or backslash',
  parse: (text) => (/^[!#-[\]-~]{1,100}$/.test(text) ? text : null),
}

/** Absolute, from where the server was started. */
export const directory: Kind<string> = {
  allowed: 'the path of a directory',
  parse: (text) => (text.includes('\0') ? null : path.resolve(text)),
}

export const file: Kind<string> = {
  allowed: 'the path of a file',
  parse: directory.parse,
}

function within(value: number | null, min: number, max: number): number | null {
  return value !== null && value >= min && value <= max ? value : null
}

/** Browsers write an origin in lower case and without its default port; so does this. */
function originOf(text: string): string | null {
  if (/[\s*]/.test(text) || !URL.canParse(text)) return null
  const url = new URL(text)
  const bare = url.pathname === '' || url.pathname === '/'
  if (!bare || url.search !== '' || url.hash !== '' || url.username !== '' || url.host === '') {
    return null
  }
  return `${url.protocol}//${url.host}`
}
