import { type SQL, sql } from 'drizzle-orm'
import { mediaFiles } from '../db/schema.ts'
import { mediaChanges } from '../db/schema-counts.ts'
import type { Condition, IntegerColumn, TimeColumn } from './filters.ts'

/**
 * A column that files are counted by in `media_counts`. Its values fall into buckets, in their
 * order: how many files there are from one value to another is then the sum of the buckets in
 * between, and what lies in a part of a bucket at either end is counted in the table.
 */
export interface Dimension {
  column: SQL
  /** The same column in `media_changes`. */
  change: SQL
  /** From the largest buckets to the smallest, each of which is a part of a larger one. */
  levels: readonly [Level, ...Level[]]
  /** A value in a statement. */
  literal(value: bigint): SQL
}

export interface Level {
  /** What `media_counts` calls the dimension. */
  name: string
  /** The bucket of a value, as `bucketsOf` has it. */
  bucketOf(value: bigint): bigint
  /** The smallest value of a bucket. */
  startOf(bucket: bigint): bigint
  /** The smallest value past a bucket. */
  endOf(bucket: bigint): bigint
}

const floorDivide = (value: bigint, by: bigint) => (value - (((value % by) + by) % by)) / by
const integer = (value: bigint) => sql`${value.toString()}::bigint`

/** Buckets of `by` values each; 1: every value is its own. */
const even = (name: string, by: bigint): Level => ({
  name,
  bucketOf: (value) => floorDivide(value, by),
  startOf: (bucket) => bucket * by,
  endOf: (bucket) => (bucket + 1n) * by,
})

/** Buckets of all that have the same first three digits, and as many digits. */
const digits = (name: string): Level => ({
  name,
  bucketOf(value) {
    const text = value.toString()
    return BigInt(text.length) * 1000n + BigInt(text.slice(0, 3))
  },
  startOf: (bucket) => (bucket % 1000n) * widthOf(bucket),
  endOf: (bucket) => ((bucket % 1000n) + 1n) * widthOf(bucket),
})

function widthOf(bucket: bigint): bigint {
  const length = bucket / 1000n
  return length <= 3n ? 1n : 10n ** (length - 3n)
}

const HOUR = 3_600_000_000n
const YEAR_1 = -62_135_596_800_000_000n
const YEAR_10000 = 253_402_300_800_000_000n

/** @param micros since 1970 */
function instant(micros: bigint): SQL {
  if (micros < YEAR_1) return sql`'-infinity'::timestamptz`
  if (micros >= YEAR_10000) return sql`'infinity'::timestamptz`
  const second = new Date(Number(floorDivide(micros, 1_000_000n)) * 1000).toISOString()
  const fraction = (micros - floorDivide(micros, 1_000_000n) * 1_000_000n).toString()
  return sql`${`${second.slice(0, 19)}.${fraction.padStart(6, '0')}Z`}::timestamptz`
}

const of = (
  name: keyof typeof mediaFiles.$inferSelect & keyof typeof mediaChanges.$inferSelect,
) => ({
  column: sql`${mediaFiles[name]}`,
  change: sql`${mediaChanges[name]}`,
})

const time = (name: string): Pick<Dimension, 'levels' | 'literal'> => ({
  levels: [even(`${name} day`, 24n * HOUR), even(`${name} hour`, HOUR)],
  literal: instant,
})

export const dimensions: Record<IntegerColumn | TimeColumn, Dimension> = {
  id: {
    column: sql`${mediaFiles.id}`,
    change: sql`${mediaChanges.fileId}`,
    levels: [even('id', 1000n)],
    literal: integer,
  },
  size: { ...of('size'), levels: [digits('size')], literal: integer },
  width: { ...of('width'), levels: [even('width', 1n)], literal: integer },
  height: { ...of('height'), levels: [even('height', 1n)], literal: integer },
  userId: { ...of('userId'), levels: [even('user', 1n)], literal: integer },
  createdAt: { ...of('createdAt'), ...time('created') },
  updatedAt: { ...of('updatedAt'), ...time('updated') },
}

const since1970 = (column: SQL, seconds: number) =>
  sql`floor(extract(epoch from ${column}) / ${sql.raw(String(seconds))})::bigint`
const label = (column: SQL) => sql`${column}, case when ${column} is not null then 0::bigint end`

/**
 * Where a row of `media_changes` is counted, as rows of (dimension, label, bucket). A bucket that is
 * null is none: the column has no value.
 */
export const bucketsOf: SQL = sql`(values
  ('all', '', 0::bigint),
  ('type', ${label(sql`type`)}),
  ('mode', ${label(sql`lower(mode)`)}),
  ('user', '', user_id),
  ('size', '', length(size::text) * 1000 + left(size::text, 3)::bigint),
  ('width', '', width),
  ('height', '', height),
  ('id', '', floor(file_id::numeric / 1000)::bigint),
  ('created day', '', ${since1970(sql`created_at`, 86_400)}),
  ('created hour', '', ${since1970(sql`created_at`, 3600)}),
  ('updated day', '', ${since1970(sql`updated_at`, 86_400)}),
  ('updated hour', '', ${since1970(sql`updated_at`, 3600)})
)`

/** The values from the first one to the last but one; null: no bound on that side. */
export interface Range {
  dimension: Dimension
  from: bigint | null
  to: bigint | null
}

const LARGEST = 2n ** 63n - 1n
const SMALLEST = -(2n ** 63n)

/** What the conditions on one column leave of it; `empty` where that is nothing. */
export function rangeOf(conditions: readonly RangeCondition[]): Range | 'empty' | null {
  const [first] = conditions
  if (first === undefined) return null
  const dimension = dimensions[first.column]
  let from = dimension === dimensions.size ? 0n : SMALLEST
  let to = LARGEST + 1n
  for (const condition of conditions) {
    const value = condition.on === 'time' ? microsOf(condition.value) : condition.value
    const { operator } = condition
    if ((operator === '>=' || operator === '=') && value > from) from = value
    const end = operator === '<' ? value : value + 1n
    if (operator !== '>=' && end < to) to = end
  }
  if (from >= to) return 'empty'
  const isOpen = from === SMALLEST || (dimension === dimensions.size && from === 0n)
  return { dimension, from: isOpen ? null : from, to: to > LARGEST ? null : to }
}

export type RangeCondition = Extract<Condition, { on: 'integer' | 'time' }>

/** The values of filters.ts: with microseconds, in UTC, or without end. */
function microsOf(text: string): bigint {
  if (text === 'infinity') return LARGEST + 1n
  if (text === '-infinity') return SMALLEST
  const second = BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1000n
  return second + BigInt(text.slice(20, -1))
}
