import { bigint, timestamp } from 'drizzle-orm/pg-core'

/** Microseconds matter to consumers of the listing, and a JS Date has none: times stay text. */
export const time = (name: string) =>
  timestamp(name, { withTimezone: true, mode: 'string', precision: 6 })
/** Bytes, and counts of them: exact up to 2^53. */
export const bytes = (name: string) => bigint(name, { mode: 'number' })
