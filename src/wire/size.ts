const prefixes = ['', 'k', 'm', 'g', 't', 'p']

/**
 * Reads a size as a person writes it in a setting: `500MB`, `5GiB`, `1.5 GiB` or bytes. kB, MB, GB,
 * TB and PB are powers of 1000, KiB to PiB powers of 1024, in any case. Bytes, a fraction of one
 * dropped; null when it is not a size or exceeds 2^53-1. A unit without its B (`5G`) is null: it
 * means a power of 1000 to one reader and of 1024 to another.
 */
export function parseSize(text: string): number | null {
  const match = /^([0-9]{1,16})(?:\.([0-9]{1,9}))? ?(?:([kmgtp]?)(i?)b)?$/i.exec(text)
  if (match === null) return null
  const [, whole = '', fraction = '', prefix = '', binary = ''] = match
  const power = prefixes.indexOf(prefix.toLowerCase())
  // Half a byte and a kibi-nothing do not exist; a space that no unit follows is a slip.
  if ((fraction !== '' || binary !== '') && power === 0) return null
  if (text.endsWith(' ')) return null
  const unit = (binary === '' ? 1000n : 1024n) ** BigInt(power)
  const bytes = (BigInt(whole + fraction) * unit) / 10n ** BigInt(fraction.length)
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : null
}

const labels = ['KB', 'MB', 'GB', 'TB', 'PB'] as const

/**
 * Prints bytes as Django's `filesizeformat` does, with an ordinary space: `0 bytes`, `1 byte`,
 * `2.5 MB`, up to PB. The unit is chosen before rounding (1048575 is `1024.0 KB`), and a half goes
 * to the even digit (1280 is `1.2 KB`), which `toFixed` would round up.
 */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`
  let power = 1
  while (power < labels.length && bytes >= 1024 ** (power + 1)) power += 1
  const unit = 1024n ** BigInt(power)
  const scaled = BigInt(bytes) * 10n
  let tenths = scaled / unit
  const twiceTheRest = (scaled % unit) * 2n
  if (twiceTheRest > unit || (twiceTheRest === unit && tenths % 2n === 1n)) tenths += 1n
  return `${tenths / 10n}.${tenths % 10n} ${labels[power - 1]}`
}
