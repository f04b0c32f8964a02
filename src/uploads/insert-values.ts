import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import { uploads } from '../db/schema.ts'
import type { Upload } from './upload.ts'

const columns = Object.entries(getTableColumns(uploads))

/** The columns of a row, for statements by hand that insert it only where a condition holds. */
export const rowNames: SQL = sql.join(
  columns.map(([, column]) => sql.identifier(column.name)),
  sql`, `,
)

/** Their values, each with its type: the statement is run with the upload as its values. */
export const rowValues: SQL = sql.join(
  columns.map(
    ([property, column]) =>
      sql`${sql.param(sql.placeholder(property), column)}::${sql.raw(column.getSQLType())}`,
  ),
  sql`, `,
)

/** The same for `json_populate_recordset`, which takes several rows as one value. */
export function rowAsJson(upload: Upload): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const [property, column] of columns) row[column.name] = upload[property as keyof Upload]
  return row
}
