import { type SQL, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { mediaFiles } from '../db/schema.ts'
import { mediaChanges, mediaCounts } from '../db/schema-counts.ts'
import { where } from './conditions.ts'
import { bucketsOf, type Level, type Range, type RangeCondition, rangeOf } from './dimensions.ts'
import type { Condition } from './filters.ts'

/** What is known of the files that meet some conditions before any of them is read. */
export interface Counted {
  /** How many there are. Exact. */
  count: number
  /** About how many files there are without the conditions. */
  all: number
  /** None of them was created later; null where nothing is known. */
  newest: string | null
}

/**
 * Counts the files that meet the conditions, in one statement. Where all conditions are on the same
 * column it reads some thousand rows of `media_counts` at the most, however many files there are;
 * otherwise it reads the files.
 */
export async function countFiles(db: Database, conditions: readonly Condition[]): Promise<Counted> {
  const [row] = await withRetry(() =>
    rows<{ count: number | string; all: number | string; newest: string | null }>(
      db,
      sql`select ${countOf(conditions)} as count,
        coalesce((select files from media_counts where dimension = 'all'), 0) as all,
        (${newestOf(conditions)})::text as newest`,
    ),
  )
  const { count = 0, all = 0, newest = null } = row ?? {}
  return { count: Number(count), all: Number(all), newest }
}

/** How many files meet the conditions, as an expression of a statement. */
export function countOf(conditions: readonly Condition[]): SQL {
  if (conditions.length === 0) return counted(sql`dimension = 'all'`, sql`true`)
  const [only] = conditions
  if (only?.on === 'type' && conditions.length === 1) return counted(...ofTypes(only.types))
  const ranged = conditions.filter(isRange)
  const range = rangeOf(ranged)
  const oneColumn = ranged.length === conditions.length && new Set(ranged.map(columnOf)).size === 1
  if (range === null || !oneColumn) return inTable(where(conditions))
  return range === 'empty' ? sql`0` : inRange(range)
}

const isRange = (condition: Condition): condition is RangeCondition =>
  condition.on === 'integer' || condition.on === 'time'
const columnOf = ({ column }: RangeCondition) => column

const inTable = (condition: SQL | undefined) =>
  sql`(select count(*) from ${mediaFiles} where ${condition ?? sql`true`})`

/** What has been added up, and what has not been yet: one statement sees each change once. */
const counted = (buckets: SQL, changes: SQL) => sql`(${sumOf(buckets)} + ${changesOf(changes)})`
const sumOf = (buckets: SQL) =>
  sql`(select coalesce(sum(files), 0) from ${mediaCounts} where ${buckets})`
const changesOf = (changes: SQL) =>
  sql`(select coalesce(sum(sign), 0) from ${mediaChanges} where ${changes})`

const ofTypes = (types: readonly string[]): [SQL, SQL] => {
  const list = sql.join(
    types.map((type) => sql`${type}`),
    sql`, `,
  )
  return [sql`dimension = 'type' and label in (${list})`, sql`type in (${list})`]
}

/** Past every number of 64 bits. */
const LIMIT = 2n ** 63n

/** The buckets of a level that lie in a range as a whole; null where none does. */
function wholeOf(level: Level, { dimension, from, to }: Range): Range | null {
  const { bucketOf, startOf, endOf } = level
  const first = from === null || startOf(bucketOf(from)) === from ? from : endOf(bucketOf(from))
  const end = to === null ? null : startOf(bucketOf(to))
  const isNone = first !== null && first >= (end ?? LIMIT)
  return isNone ? null : { dimension, from: first, to: end }
}

/** Adds up the large buckets, the small ones before and after these, and what is left in the table. */
function inRange(range: Range): SQL {
  const { dimension } = range
  let rest: Range[] = [range]
  let counted: Range | null = null
  const sums: SQL[] = []
  for (const level of dimension.levels) {
    const parts: Range[] = []
    for (const part of rest) {
      const whole = wholeOf(level, part)
      if (whole === null) parts.push(part)
      else {
        sums.push(sumOf(inBuckets(level, whole)))
        if (whole.from !== part.from) parts.push({ ...part, to: whole.from })
        if (whole.to !== part.to) parts.push({ ...part, from: whole.to })
        // They follow each other, from the first of the smallest to the last of the smallest.
        counted = counted === null ? whole : spanning(counted, whole)
      }
    }
    rest = parts
  }
  if (counted !== null) sums.push(changesOf(between(counted, 'change')))
  sums.push(...rest.map((part) => inTable(between(part, 'column'))))
  return sql`(${sql.join(sums, sql` + `)})`
}

function spanning(a: Range, b: Range): Range {
  const isFirst = a.from === null || (b.from !== null && a.from < b.from)
  const isLast = a.to === null || (b.to !== null && a.to > b.to)
  return { dimension: a.dimension, from: isFirst ? a.from : b.from, to: isLast ? a.to : b.to }
}

const between = ({ dimension, from, to }: Range, of: 'column' | 'change'): SQL =>
  bounds(sql`${dimension[of]} is not null`, dimension[of], from, to, dimension.literal)

function inBuckets({ name, bucketOf }: Level, { from, to }: Range): SQL {
  const [first, end] = [from, to].map((value) => (value === null ? null : bucketOf(value)))
  const literal = (bucket: bigint) => sql`${bucket.toString()}::bigint`
  const all = sql`dimension = ${name} and label = ''`
  return bounds(all, sql`bucket`, first ?? null, end ?? null, literal)
}

const bounds = (
  all: SQL,
  value: SQL,
  from: bigint | null,
  to: bigint | null,
  literal: (bound: bigint) => SQL,
): SQL => sql`${all}
  ${from === null ? sql`` : sql`and ${value} >= ${literal(from)}`}
  ${to === null ? sql`` : sql`and ${value} < ${literal(to)}`}`

/** The least of what each column knows by itself. */
function newestOf(conditions: readonly Condition[]): SQL {
  const known = conditions.flatMap((condition) => {
    if (condition.on === 'type') return [newestIn(...ofTypes(condition.types))]
    // What is created before some time is found at once in the order of creation.
    if (condition.on === 'search' || columnOf(condition) === 'createdAt') return []
    const range = rangeOf([condition])
    return range === null || range === 'empty' ? [] : [newestInRange(range)]
  })
  return known.length === 0 ? sql`null` : sql`least(${sql.join(known, sql`, `)})`
}

const newestIn = (buckets: SQL, changes: SQL) => sql`greatest(
  (select max(newest) from ${mediaCounts} where ${buckets}),
  (select max(created_at) from ${mediaChanges} where sign > 0 and ${changes}))`

function newestInRange(range: Range): SQL {
  const { dimension, from, to } = range
  const [largest] = dimension.levels
  const touched = { dimension, from, to: to === null ? null : largest.endOf(largest.bucketOf(to)) }
  return newestIn(inBuckets(largest, touched), between(range, 'change'))
}

/** Changes that are added up in one statement: some hundred milliseconds. */
const BATCH = 20_000
/** Any fixed number that nothing else uses: one server at a time adds up. */
const COUNTING_LOCK = 0x636f756e

/**
 * Adds what `media_changes` holds to `media_counts` and takes it away there, one statement for each
 * batch: whoever counts sees a change in one or in the other. Where another server is at it, this
 * one leaves it alone.
 *
 * @param goOn asked before each batch but the first.
 * @returns the number of changes that were added up.
 */
export async function addUpChanges(
  db: Database,
  batch = BATCH,
  goOn: () => boolean = () => true,
): Promise<number> {
  for (let all = 0; ; ) {
    const [row] = await rows<{ taken: number | string }>(
      db,
      sql`with turn as materialized (
        select pg_try_advisory_xact_lock(${COUNTING_LOCK}) as ours
      ), taken as (
        delete from ${mediaChanges} where ctid = any(array(
          select ctid from ${mediaChanges} where (select ours from turn) limit ${batch}
        )) returning *
      ), sums as (
        select dimension, label, bucket, sum(sign) as files,
          max(created_at) filter (where sign > 0) as newest
        from taken cross join lateral ${bucketsOf} as at (dimension, label, bucket)
        where bucket is not null group by dimension, label, bucket
      ), counted as (
        insert into ${mediaCounts} as c (dimension, label, bucket, files, newest)
        select * from sums on conflict (dimension, label, bucket) do update
        set files = c.files + excluded.files, newest = greatest(c.newest, excluded.newest)
      ) select count(*) as taken from taken`,
    )
    const taken = Number(row?.taken ?? 0)
    all += taken
    if (taken < batch || !goOn()) return all
  }
}
