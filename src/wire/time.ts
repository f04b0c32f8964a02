const stored = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|\+00(?::?00)?)$/

/**
 * A time as Django REST framework prints it, from the text of a Postgres session in UTC:
 * `2026-03-04 05:06:07.12+00` is `2026-03-04T05:06:07.120000Z`, and a whole second has no fraction.
 *
 * @throws TypeError for anything but such a time: our own sessions write no other.
 */
export function toIsoMicros(text: string): string {
  const match = stored.exec(text)
  if (match === null) throw new TypeError('not a stored time in UTC')
  const [, day, clock, fraction = ''] = match
  return `${day}T${clock}${/^0*$/.test(fraction) ? '' : `.${fraction.padEnd(6, '0')}`}Z`
}

/** Half-open, in text that Postgres reads as `timestamptz`. */
export interface DayBounds {
  start: string
  /** The first moment that is no longer in the day. */
  end: string
}

/** The bounds in UTC of `YYYY-MM-DD`; null when there is no such day. Years 1 to 9999. */
export function parseDay(text: string): DayBounds | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)
  if (match === null) return null
  const day = dayInMs(match[1], match[2], match[3])
  if (day === null) return null
  return { start: printInstant(day, ''), end: printInstant(day + 86_400_000, '') }
}

const instant = new RegExp(
  [
    /^(\d{4})-?(\d\d)-?(\d\d)[T ]/, // day
    // clock; digits past microseconds are dropped
    /(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d*)?)?)?/,
    // offset; a "+" that was not percent-encoded arrives in a query as a space
    /(?: ?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)| (\d\d):?(\d\d))?$/,
  ]
    .map(({ source }) => source)
    .join(''),
  'i',
)

/**
 * Reads an ISO 8601 time, to the microsecond, with or without an offset (then UTC), as text that
 * Postgres reads as `timestamptz`. Null when it is none, or names an hour that does not exist.
 */
export function parseInstant(text: string): string | null {
  const match = instant.exec(text)
  if (match === null) return null
  const [, year, month, date, hour, minute = '00', second = '00', fraction = ''] = match
  const [sign, hours, minutes] = match[12]
    ? ['+', match[12], match[13]]
    : [match[9], match[10], match[11]]
  const day = dayInMs(year, month, date)
  const clock = clockInMs(hour, minute, second)
  const offset = clockInMs(hours ?? '00', minutes ?? '00', '00')
  if (day === null || clock === null || offset === null) return null
  return printInstant(day + clock + (sign === '-' ? offset : -offset), fraction)
}

function dayInMs(year = '', month = '', date = ''): number | null {
  const day = new Date(0)
  // Not Date.UTC, which takes the years 0 to 99 for those of the last century.
  day.setUTCFullYear(Number(year), Number(month) - 1, Number(date))
  const same = day.getUTCMonth() === Number(month) - 1 && day.getUTCDate() === Number(date)
  return same && Number(year) > 0 ? day.getTime() : null
}

function clockInMs(hour = '', minute = '', second = ''): number | null {
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)]
  if (hours > 23 || minutes > 59 || seconds > 59) return null
  return ((hours * 60 + minutes) * 60 + seconds) * 1000
}

/** An offset or the end of a day can lead out of the years that Postgres reads in this form. */
function printInstant(ms: number, fraction: string): string {
  const year = new Date(ms).getUTCFullYear()
  if (year < 1) return '-infinity'
  if (year > 9999) return 'infinity'
  return `${new Date(ms).toISOString().slice(0, 19)}.${fraction.padEnd(6, '0')}Z`
}
