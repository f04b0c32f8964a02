import { is, Param, Placeholder, type SQL } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { type Database, rowsOf } from './database.ts'

type Values = Readonly<Record<string, unknown>>

/** Runs a statement with these values for its placeholders, and gives its rows. */
export type Statement<Row extends object> = (db: Database, values: Values) => Promise<Row[]>

/**
 * A hand-written statement of the busiest paths. Its text is made once and not for each run; a
 * Postgres connection parses it once, and each run is one message there and one back instead of
 * two. What differs from run to run is in `sql.placeholder('name')`.
 *
 * Only for texts of which there are few: every connection keeps each of them.
 */
export function statement<Row extends object>(text: SQL): Statement<Row> {
  const { sql, params } = new PgDialect().sqlToQuery(text)
  const values = params.map(readerOf)
  return async (db, given) => {
    const query = { sql, params: values.map((value) => value(given)) }
    // The name says that it is to be kept; the driver finds it by its text.
    return rowsOf<Row>(await db._.session.prepareQuery(query, undefined, 'kept', false).execute())
  }
}

/** What stands for a parameter in one run. */
function readerOf(param: unknown): (given: Values) => unknown {
  if (is(param, Placeholder)) return (given) => required(given, param.name)
  if (is(param, Param) && is(param.value, Placeholder)) {
    const { encoder, value } = param
    return (given) => {
      const found = required(given, value.name)
      return found === null ? null : encoder.mapToDriverValue(found)
    }
  }
  return () => param
}

function required(given: Values, name: string): unknown {
  const value = given[name]
  if (value === undefined) throw new Error(`the statement needs a value for ${name}`)
  return value
}
