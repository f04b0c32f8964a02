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
export const sortKeys = Object.keys(columns) as SortKey[]

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

/** Columns that have no nulls, so that it does not matter to an answer where those would stand. */
const withoutNulls: ReadonlySet<SortKey> = new Set([
  'id',
  'type',
  'name',
  'size',
  'created_at',
  'updated_at',
])

/** What the index on names has; the order of what they begin with is never against that of names. */
const nameBegin = sql`left(lower(${mediaFiles.name}), 100) collate "C"`

/**
 * What to order by: the keys, nulls last in both directions, ties by `-id`, so that no page
 * repeats or skips a record.
 *
 * @param backwards the same order from its other end.
 */
export function orderBy(sortings: readonly Sorting[], backwards = false): SQL[] {
  const clauses = sortings.flatMap(({ by, descending }, index) => {
    const falling = descending !== backwards
    // The index of the primary key is in the plain form.
    if (by === 'id' && index === 0) return [clause(columns[by], falling)]
    // Indexes are falling with nulls last; this is the form in which they can be read backwards.
    const nullsLast = withoutNulls.has(by) ? falling : !backwards
    const keys = by === 'name' ? [nameBegin, columns[by]] : [columns[by]]
    return keys.map((key) => clause(key, falling, nullsLast))
  })
  const total = sortings.some(({ by }) => by === 'id')
  return total ? clauses : [...clauses, clause(columns.id, !backwards, !backwards)]
}

function clause(key: SQL, falling: boolean, nullsLast?: boolean): SQL {
  const direction = sql.raw(falling ? 'desc' : 'asc')
  if (nullsLast === undefined) return sql`${key} ${direction}`
  return sql`${key} ${direction} nulls ${sql.raw(nullsLast ? 'last' : 'first')}`
}

/** The keys that are columns of `users`. */
export const userKeys: Partial<Record<SortKey, SQL>> = Object.fromEntries(
  Object.entries(columns).filter(([by]) => by.startsWith('user__') && by !== 'user__id'),
)

/** `users` has to be joined to order by it. */
export const needsUsers = (sortings: readonly Sorting[]): boolean =>
  sortings.some(({ by }) => userKeys[by] !== undefined)
