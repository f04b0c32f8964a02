import { and, inArray, or, type SQL, sql } from 'drizzle-orm'
import { mediaFiles } from '../db/schema.ts'
import type { Condition } from './filters.ts'

/**
 * The WHERE clause of a list request; undefined for no condition. Everything that came from the
 * client is a parameter of the statement.
 */
export function where(conditions: readonly Condition[]): SQL | undefined {
  return and(...conditions.map(toSql))
}

function toSql(condition: Condition): SQL | undefined {
  switch (condition.on) {
    case 'search':
      return and(...condition.terms.map(containing))
    case 'type':
      return inArray(mediaFiles.type, condition.types)
    case 'integer':
      return compare(condition)
    case 'time': {
      const operator = sql.raw(condition.operator)
      return sql`${mediaFiles[condition.column]} ${operator} ${condition.value}::timestamptz`
    }
  }
}

/** A term is found in the name, or in the id as it is written. */
function containing(term: string): SQL | undefined {
  const pattern = `%${term.replace(/[\\%_]/g, '\\$&')}%`
  const inName = sql`lower(${mediaFiles.name}) like lower(${pattern}::text)`
  // What is no part of a number is in no id, and need not be looked for there.
  return /^-?\d+$|^-$/.test(term) ? or(inName, sql`${mediaFiles.id}::text like ${pattern}`) : inName
}

const LARGEST = 2n ** 63n - 1n
const SMALLEST = -(2n ** 63n)

/** Postgres has no integer past 64 bits, but what lies there compares as arithmetic says. */
function compare({
  column: name,
  operator,
  value,
}: Extract<Condition, { on: 'integer' }>): SQL | undefined {
  const column = mediaFiles[name]
  if (value >= SMALLEST && value <= LARGEST) {
    return sql`${column} ${sql.raw(operator)} ${value.toString()}::bigint`
  }
  const holds = operator === (value > LARGEST ? '<=' : '>=')
  // A width that is not known is on neither side of any number.
  return holds ? sql`${column} is not null` : sql`false`
}
