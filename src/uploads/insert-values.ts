import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import { uploads } from '../db/schema.ts'
import type { Upload } from './upload.ts'

/** A new row, for statements by hand that insert it only where a condition holds. */
export function insertValues(upload: Upload): { names: SQL; values: SQL } {
  const columns = Object.entries(getTableColumns(uploads))
  const names = columns.map(([, column]) => sql.identifier(column.name))
  const values = columns.map(
    ([property, column]) =>
      sql`${sql.param(upload[property as keyof Upload], column)}::${sql.raw(column.getSQLType())}`,
  )
  return { names: sql.join(names, sql`, `), values: sql.join(values, sql`, `) }
}
