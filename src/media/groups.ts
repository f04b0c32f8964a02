import { type SQL, sql } from 'drizzle-orm'
import { type Sorting, type SortKey, userKeys } from './ordering.ts'

/** Where in the list the end of a page by the user's id is at the most that is looked up. */
const FIRST = 1_000
/** Files of one group above which the list is gone through by its ids, and theirs picked out. */
const MANY = 20_000

/** A stretch of an ordered list. */
export interface Stretch {
  offset: number
  limit: number
}

/**
 * Orders by few values that many files share: how many have each is known from `media_counts`, so
 * that a page is found by its groups, however far down the list it is. One statement, so that counts
 * and files are those of the same moment.
 *
 * @param many files of one group above which the list of all is gone through for them.
 * @param first where the end of a page is at the most that needs no counts.
 */
export function groupedIds(
  sorting: Sorting,
  stretch: Stretch,
  { many = MANY, first = FIRST } = {},
): SQL | undefined {
  const column = columns[sorting.by]
  if (column !== undefined) return byColumn(column, sorting.descending, stretch)
  if (sorting.by === 'user__id' && stretch.offset + stretch.limit <= first)
    return firstByUserId(sorting.descending, stretch)
  const key = sorting.by === 'user__id' ? ITSELF : userKeys[sorting.by]
  return key && byUser(key, sorting.descending, stretch, many)
}

interface GroupColumn {
  /** As `media_counts` names it. */
  dimension: string
  /** What the value is there. */
  value: SQL
  /** The same of a row of `media_files` or `media_changes`. */
  expression: SQL
  order: SQL
  nullable: boolean
}

const number = (name: 'width' | 'height'): GroupColumn => ({
  dimension: name,
  value: sql`bucket`,
  expression: sql.raw(name),
  order: sql`value`,
  nullable: true,
})

const columns: Partial<Record<SortKey, GroupColumn>> = {
  width: number('width'),
  height: number('height'),
  type: {
    dimension: 'type',
    value: sql`label`,
    expression: sql`type`,
    order: sql`lower(value) collate "C"`,
    nullable: false,
  },
  mode: {
    dimension: 'mode',
    value: sql`label`,
    expression: sql`lower(mode)`,
    order: sql`value collate "C"`,
    nullable: true,
  },
}

const direction = (descending: boolean) => sql.raw(descending ? 'desc' : 'asc')

/** How many files there are of each value, as rows of (value, files). */
const sums = (dimension: string, value: SQL, expression: SQL) => sql`
  select value, sum(files)::bigint as files from (
    select ${value} as value, files from media_counts where dimension = ${dimension}
    union all select ${expression}, sign from media_changes
  ) as counted where value is not null group by value having sum(files) > 0`

/** What of the page falls into a group of `files` files that begins at `start` of the list. */
function share({ offset, limit }: Stretch, start: SQL, files: SQL): { within: SQL; slice: SQL } {
  const first = sql`greatest(${offset}::bigint - ${start}, 0)`
  const end = sql`least(${offset + limit}::bigint - ${start}, ${files})`
  return {
    within: sql`${start} < ${offset + limit}::bigint and ${start} + ${files} > ${offset}::bigint`,
    slice: sql`limit greatest(${end} - ${first}, 0) offset ${first}`,
  }
}

/** Files whose column is null come last, in both directions. */
function byColumn(column: GroupColumn, descending: boolean, stretch: Stretch): SQL {
  const { dimension, value, expression, order, nullable } = column
  const { within, slice } = share(stretch, sql`g.start`, sql`g.files`)
  const rest = share(
    stretch,
    sql`(select coalesce(sum(files), 0)::bigint from sums)`,
    sql`9223372036854775807`,
  )
  return sql`with sums as (${sums(dimension, value, expression)}), groups as (
      select value, files, (sum(files) over (
        order by ${order} ${direction(descending)}, value))::bigint - files as start
      from sums
    )
    select f.id from groups as g cross join lateral (
      select id from media_files where ${expression} = g.value
      order by id desc nulls last ${slice}
    ) as f where ${within}
    ${nullable ? restOf(expression, rest.slice) : sql``}`
}

// The column stands in the order although it is always null: so the index is known to have it.
const restOf = (expression: SQL, slice: SQL) => sql`union all (
  select id from media_files where ${expression} is null
  order by ${expression}, id desc nulls last ${slice})`

/** The key of an order by the user itself: no row of `users` has to be read. */
const ITSELF = sql`value`

/**
 * Groups of users who have the same value. The newest files of each group come from the newest ones
 * of each of its users; where those would be many, they are not far apart in the list of all files.
 */
function byUser(key: SQL, descending: boolean, stretch: Stretch, many: number): SQL {
  const { within, slice } = share(stretch, sql`g.start`, sql`g.files`)
  // Nobody has the id 0: it stands for files without a user, who come with the users without value.
  const named = key === ITSELF ? sql`sums` : sql`sums join users on users.id = sums.value`
  const everyone = sql`select value as user_id, files, ${key} as key from ${named}
    union all select 0, greatest(coalesce((
        select sum(files) from (
          select files from media_counts where dimension = 'all'
          union all select sign from media_changes
        ) as every), 0) - coalesce((select sum(files) from sums), 0), 0)::bigint, null`
  const enough = sql`(${stretch.offset + stretch.limit}::bigint - g.start)`
  return sql`with sums as (${sums('user', sql`bucket`, sql`user_id`)}),
    members as (${everyone}),
    groups as (
      select users, files, files_read > ${many} as many, start from (
        select array_agg(user_id) as users, sum(files)::bigint as files,
          least(sum(files), count(*) * ${stretch.offset + stretch.limit}::bigint) as files_read,
          (sum(sum(files)) over (order by key ${direction(descending)} nulls last))::bigint
            - sum(files)::bigint as start
        from members group by key
      ) as g where ${within}
    )
    select f.id from groups as g cross join lateral (
      select id from (
        select newest.id from unnest(g.users) as member (user_id) cross join lateral (
          (select id from media_files where user_id = member.user_id
            order by id desc nulls last limit ${enough})
          union all (select id from media_files where member.user_id = 0 and user_id is null
            order by user_id, id desc nulls last limit ${enough})
        ) as newest where not g.many
        union all (
          select id from media_files where g.many and coalesce(user_id, 0) = any(g.users)
          order by id desc limit ${enough})
      ) as found order by id desc ${slice}
    ) as f`
}

/**
 * The first pages by the user's id: what the index has, from its beginning. From its end it has the
 * users in the right order, and the files of each in the wrong one: so one user after the other is
 * looked up, until there are files enough. The counts of thousands of users are ten times the work.
 */
function firstByUserId(descending: boolean, { offset, limit }: Stretch): SQL {
  if (!descending)
    return sql`select id from media_files order by user_id, id desc nulls last
      limit ${limit} offset ${offset}`
  const enough = sql`${offset + limit}::bigint`
  const some = sql`(select count(*) from (
    select 1 from media_files where user_id = last.user_id limit ${enough}) as counted)`
  return sql`with recursive owners (user_id, start, files) as (
      select user_id, 0::bigint, ${some} from (
        select max(user_id) as user_id from media_files) as last
      union all select last.user_id, start + files, ${some}
      from owners cross join lateral (
        select max(user_id) as user_id from media_files where user_id < owners.user_id) as last
      where owners.user_id is not null and start + files < ${enough}
    )
    select id from (
      select f.user_id, f.id from owners cross join lateral (
        select user_id, id from media_files where user_id = owners.user_id
        order by id desc nulls last limit ${enough} - start
      ) as f
      union all (select user_id, id from media_files where user_id is null
        order by user_id, id desc nulls last
        limit greatest(${enough} - (select max(start + files) from owners), 0))
    ) as found order by user_id desc nulls last, id desc
    limit ${limit} offset ${offset}`
}
