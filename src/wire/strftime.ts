const two = (value: number) => String(value).padStart(2, '0')

const directives: Record<string, (time: Date) => string> = {
  Y: (time) => String(time.getUTCFullYear()).padStart(4, '0'),
  m: (time) => two(time.getUTCMonth() + 1),
  d: (time) => two(time.getUTCDate()),
  H: (time) => two(time.getUTCHours()),
  M: (time) => two(time.getUTCMinutes()),
  S: (time) => two(time.getUTCSeconds()),
  j: (time) => String(dayOfYear(time)).padStart(3, '0'),
  '%': () => '%',
}

/**
 * Fills a pattern of C's strftime in UTC: `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, `%j` (day of the year,
 * 001 to 366) and `%%`. Names of days and months are not among them: they depend on a language.
 *
 * @returns null where the pattern has another directive, or ends in a `%`.
 */
export function strftime(pattern: string, time: Date): string | null {
  let known = true
  const text = pattern.replace(/%([\s\S]?)/g, (_, name: string) => {
    const directive = Object.hasOwn(directives, name) ? directives[name] : undefined
    known &&= directive !== undefined
    return directive?.(time) ?? ''
  })
  return known ? text : null
}

function dayOfYear(time: Date): number {
  const day = Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate())
  return (day - Date.UTC(time.getUTCFullYear(), 0, 0)) / 86_400_000
}
