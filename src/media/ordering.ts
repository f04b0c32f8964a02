import { type SQL, sql } from 'drizzle-orm'
import { mediaFiles, users } from '../db/schema.ts'

/** One key to sort by. */
export interface Sorting {
  by: SortKey
  descending: boolean
}

/** "C" and lower case make text sort alike in every database, whatever locale it was made with. */
const text = (column: { getSQL(): SQL }) => sql`lower(${column}) collate "C"`

const columns = {
  id: sql`${mediaFiles.id}`,
  type: text(mediaFiles.type),
  name: text(mediaFiles.name),
  size: sql`${mediaFiles.size}`,
  width: sql`${mediaFiles.width}`,
  height: sql`${mediaFiles.height}`,
  mode: text(mediaFiles.mode),
  created_at: sql`${mediaFiles.createdAt}`,
  updated_at: sql`${mediaFiles.updatedAt}`,
  user__id: sql`${mediaFiles.userId}`,
  user__username: text(users.username),
  user__first_name: text(users.firstName),
  user__last_name: text(users.lastName),
  user__last_login: sql`${users.lastLogin}`,
}

export type SortKey = keyof typeof columns

// The name comes from a query string: `in` would know `constructor` too.
const isSortKey = (name: string): name is SortKey => Object.hasOwn(columns, name)

/**
 * Reads a comma list of names, `-` for descending. Unknown names are ignored, as is a name that
 * stood before; nothing left means newest first.
 */
export function parseOrdering(list: string): Sorting[] {
  const sortings = new Map<SortKey, Sorting>()
  for (const term of list.split(',')) {
    const name = term.trim().replace(/^-/, '')
    const descending = term.trim().startsWith('-')
    if (isSortKey(name) && !sortings.has(name)) sortings.set(name, { by: name, descending })
  }
  if (sortings.size > 0) return [...sortings.values()]
  return [{ by: 'created_at', descending: true }]
}

/**
 * What to order by: the keys, nulls last in both directions, ties by `-id`, so that no page
 * repeats or skips a record.
 */
export function orderBy(sortings: readonly Sorting[]): SQL[] {
  const clauses = sortings.map(({ by, descending }, index) => {
    const column = columns[by]
    // The primary key has no nulls, and only the plain form can walk its index backwards.
    if (by === 'id' && index === 0) return descending ? sql`${column} desc` : sql`${column} asc`
    return descending ? sql`${column} desc nulls last` : sql`${column} asc nulls last`
  })
  const total = sortings.some(({ by }) => by === 'id')
  return total ? clauses : [...clauses, sql`${mediaFiles.id} desc nulls last`]
}
