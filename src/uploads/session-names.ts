/** Why a file is not taken into a session: briefly, and with its name. */
export interface Refusal {
  error: string
  verbose: string
}

/** Code points. */
const MAX_NAME_LENGTH = 256

/** Characters that are drawn like a separator, beside those that Unicode itself calls the same. */
const LOOK_ALIKES = /[\u2044\u2215\u2216\u2571\u2572\u27cb\u27cd\u29f5\u29f8\u29f9]/u

/** Bytes that no UTF-8 has: an ASCII character written longer than it is, to get past a check. */
const OVERLONG = /%(?:c[01]|e0%[89]|f0%8)/i

/** Control characters, line ends, halves of characters, and what turns the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u

/** Names of devices: Windows takes them for these with any extension. */
const RESERVED = /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9])$/

/**
 * Judges the name of a file that is to go into a session. It is refused rather than cleaned, so
 * that whoever sent it finds the file under the name they know. Pure; the first reason counts.
 */
export function refuseName(filename: string): Refusal | null {
  const named = `Filename "${shown(filename)}"`
  if (filename.trim() === '') return refusal('Filename cannot be empty')
  const length = [...filename].length
  if (length > MAX_NAME_LENGTH) {
    const facts = `${length} characters, max ${MAX_NAME_LENGTH} is allowed`
    return refusal('Filename is too long', `Filename is too long (${facts})`)
  }
  const read = readings(filename)
  if (read.some((reading) => UNPRINTABLE.test(reading)))
    return refusal('Filename contains invalid characters')
  const root = rootOf(filename)
  if (root !== null)
    return refusal('Absolute paths are not allowed', `${named} begins with "${root}"`)
  const pattern = pathPattern(read)
  if (pattern !== null)
    return refusal(
      'Filename contains invalid path characters',
      `${named} contains invalid character pattern: "${pattern}"`,
    )
  const base = asWindowsReads(filename.split('.')[0] ?? '')
  if (RESERVED.test(base))
    return refusal(
      'Filename uses reserved system name',
      `${named} includes Windows reserved filename "${base}"`,
    )
  if (!/\.[^.]*[^.\s][^.]*$/u.test(filename))
    return refusal(
      'File is missing an extension.',
      `The file "${shown(filename)}" does not have a file extension`,
    )
  return null
}

function refusal(error: string, verbose = error): Refusal {
  return { error, verbose }
}

/** A refused name can be anything of any length, and goes back to whoever sent it. */
export function shown(filename: string): string {
  return [...filename].slice(0, MAX_NAME_LENGTH).join('')
}

/** The name as it is, and as it reads with each layer of percent-encoding taken off. */
function readings(filename: string): string[] {
  const found = [filename]
  for (let at = filename; ; ) {
    const next = decodeOnce(at)
    // Every layer is shorter than the one before.
    if (next === at) return found
    found.push(next)
    at = next
  }
}

function decodeOnce(text: string): string {
  return text
    .replace(/%u([\da-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/(?:%[\da-f]{2})+/gi, (bytes) =>
      Buffer.from(bytes.replaceAll('%', ''), 'hex').toString('utf8'),
    )
}

function rootOf(filename: string): string | null {
  if (filename.startsWith('/')) return '/'
  return /^[^./\\]:/u.exec(filename)?.[0] ?? null
}

function pathPattern(read: readonly string[]): string | null {
  for (const reading of read) {
    const strange = LOOK_ALIKES.exec(reading) ?? OVERLONG.exec(reading)
    if (strange) return strange[0]
    // An ellipsis is punctuation, although Unicode has it as three dots.
    const plain = reading.replaceAll('\u2026', ' ').normalize('NFKC')
    const found = ['..', '/', '\\'].find((pattern) => plain.includes(pattern))
    if (found !== undefined) return found
  }
  return null
}

function asWindowsReads(base: string): string {
  return base.normalize('NFKC').trim().toUpperCase()
}
