import { type SQL, sql } from 'drizzle-orm'
import { mediaFiles, users } from '../db/schema.ts'
import { where } from './conditions.ts'
import type { Counted } from './counts.ts'
import type { MediaQuery } from './filters.ts'
import { groupedIds, type Stretch } from './groups.ts'
import { needsUsers, orderBy } from './ordering.ts'

/** What it costs to read a file that lies anywhere, beside one that was stored after the last one. */
const SCATTERED = 4
/** Files that a search may find and have all of them read: some ten milliseconds. */
const ALIKE = 20_000

/**
 * A statement that gives the ids of one page, in no order. How to find them is chosen here by what is
 * known of the count, and not left to estimates: a plan that is right for many files reads the whole
 * table where there are few, and the other way round.
 *
 * @param query its offset is less than the count.
 */
export function pageIds(query: MediaQuery, counted: Counted): SQL {
  const { conditions, ordering, paging } = query
  const stretch = { offset: Number(paging.offset), limit: paging.limit }
  if (conditions.length > 0)
    return isFew(query, counted, stretch) ? sortAll(query, stretch) : walk(query, counted, stretch)
  const [only, more] = ordering
  const grouped = only && more === undefined ? groupedIds(only, stretch) : undefined
  return grouped ?? walk(query, counted, stretch)
}

/**
 * Whether it is less work to read all that meet the conditions than to go through the list in its
 * order until enough of them have come by: so many files for each that does.
 */
function isFew(
  { conditions }: MediaQuery,
  { count, all }: Counted,
  { offset, limit }: Stretch,
): boolean {
  const passed = ((offset + limit) / count) * Math.max(all, count)
  if (count * SCATTERED <= passed) return true
  // Names that are alike were often given at the same time, and nothing tells when that was.
  return count <= ALIKE && conditions.some(({ on }) => on === 'search')
}

/** Reads all that meet the conditions, and sorts them. */
function sortAll({ conditions, ordering }: MediaQuery, { offset, limit }: Stretch): SQL {
  // Inside its own definition the name is still that of the table.
  return sql`with media_files as materialized (
      select * from media_files where ${where(conditions) ?? sql`true`}
    ) select ${mediaFiles.id} from ${from(ordering)}
    order by ${sql.join(orderBy(ordering), sql`, `)} limit ${limit} offset ${offset}`
}

/** Goes through the list in its order, from the nearer end, past those that do not meet them. */
function walk(
  { conditions, ordering }: MediaQuery,
  { count, newest }: Counted,
  { offset, limit }: Stretch,
): SQL {
  const length = Math.min(limit, count - offset)
  const fromEnd = count - offset - length
  const backwards = fromEnd < offset
  const [first] = ordering
  // What is newer than all of them need not be gone through.
  const begins = newest !== null && first?.by === 'created_at' && first.descending
  const bound = begins ? sql`and ${mediaFiles.createdAt} <= ${newest}::timestamptz` : sql``
  return sql`select ${mediaFiles.id} from ${from(ordering)}
    where ${where(conditions) ?? sql`true`} ${bound}
    order by ${sql.join(orderBy(ordering, backwards), sql`, `)}
    limit ${length} offset ${backwards ? fromEnd : offset}`
}

const from = (ordering: MediaQuery['ordering']): SQL =>
  needsUsers(ordering)
    ? sql`${mediaFiles} left join ${users} on ${users.id} = ${mediaFiles.userId}`
    : sql`${mediaFiles}`
