import { isIP } from 'node:net'
import path from 'node:path'
import { type AcceptedFormats, parseAccepted } from './media/accept.ts'
import { parseDuration } from './wire/duration.ts'
import { parseNonNegativeInteger } from './wire/integer.ts'
import { parseSize } from './wire/size.ts'

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

/** One of a few words. `later` are those that the contract names and this version does not do. */
export function oneOf<const T extends string>(
  values: readonly T[],
  later: readonly string[] = [],
): Kind<T> {
  const pending = later.length === 0 ? '' : ` (${later.join(', ')}: not supported yet)`
  return {
    allowed: `${values.join(' or ')}${pending}`,
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

/** Absolute, from where the server was started. */
export const directory: Kind<string> = {
  allowed: 'the path of a directory',
  parse: (text) => (text.includes('\0') ? null : path.resolve(text)),
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
