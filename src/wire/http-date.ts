const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const month = `(${months.join('|')})`
const time = '([0-9]{2}):([0-9]{2}):([0-9]{2})'
const imfFixdate = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ${month} ([0-9]{4}) ${time} GMT$`,
)
const rfc850 = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, ([0-9]{2})-${month}-([0-9]{2}) ${time} GMT$`,
)
const asctime = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} ([ 0-9][0-9]) ${time} ([0-9]{4})$`,
)

/**
 * Reads an HTTP-date in any of the three forms that RFC 9110 §5.6.7 makes a recipient accept.
 * Milliseconds since 1970; null when it is none of them or no day of the calendar. `now` (also in
 * milliseconds) decides the century of a year in two digits.
 */
export function parseHttpDate(text: string, now: number = Date.now()): number | null {
  const modern = imfFixdate.exec(text)
  if (modern !== null) {
    const [, day, name, year, ...clock] = modern
    return instant(Number(year), name, day, clock)
  }
  const dashed = rfc850.exec(text)
  if (dashed !== null) {
    const [, day, name, year, ...clock] = dashed
    return instant(fullYear(Number(year), now), name, day, clock)
  }
  const ansi = asctime.exec(text)
  if (ansi === null) return null
  const [, name, day, hours, minutes, seconds, year] = ansi
  return instant(Number(year), name, day, [hours, minutes, seconds])
}

/** Prints an instant as IMF-fixdate, to the second below: `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function formatHttpDate(date: Date): string {
  return date.toUTCString()
}

/**
 * "Recipients of a timestamp value in rfc850-date format […] MUST interpret a timestamp that
 * appears to be more than 50 years in the future as representing the most recent year in the past
 * that had the same last two digits." (RFC 9110 §5.6.7)
 */
function fullYear(twoDigits: number, now: number): number {
  const current = new Date(now).getUTCFullYear()
  const year = current - (current % 100) + twoDigits
  return year > current + 50 ? year - 100 : year
}

function instant(
  year: number,
  monthName: string | undefined,
  dayText: string | undefined,
  clock: readonly (string | undefined)[],
): number | null {
  const monthIndex = months.indexOf(monthName ?? '')
  const day = Number(dayText)
  const [hours = 0, minutes = 0, seconds = 0] = clock.map(Number)
  // Second 60 is a leap second (§5.6.7) and lands on the next minute.
  if (hours > 23 || minutes > 59 || seconds > 60) return null
  // Date.UTC takes years below 100 for 19xx; no such date is meant by anyone.
  const midnight = new Date(Date.UTC(year, monthIndex, day))
  if (midnight.getUTCFullYear() !== year || midnight.getUTCDate() !== day) return null
  return midnight.getTime() + ((hours * 60 + minutes) * 60 + seconds) * 1000
}
