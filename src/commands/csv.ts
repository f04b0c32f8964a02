import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { CommandFailure } from './exit.ts'

/** The columns that a file may have, by the names in its header row, in any order. */
export interface Columns {
  required: readonly string[]
  optional: readonly string[]
}

export interface CsvRow {
  /** The line that it ends on. */
  at: string
  /** Whether it has as many fields as the header. */
  whole: boolean
  /** `''` where the row or the file has no such column. */
  get(column: string): string
}

/** Bytes of one row. A quote that is never closed would make one row of all the rest. */
const ROW_BYTES = 1024 * 1024

/**
 * Rows of a CSV file (RFC 4180: commas, double quotes) in UTF-8, as a stream. Rejects with a
 * CommandFailure where it cannot be read, is no CSV, or has other columns.
 */
export async function* csvRows(file: string, columns: Columns): AsyncGenerator<CsvRow> {
  const source = Readable.from(textOf(file))
  const parser = parse({
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: ROW_BYTES,
  })
  source.on('error', (error) => parser.destroy(error))
  let header: Map<string, number> | undefined
  try {
    for await (const { record, info } of source.pipe(parser)) {
      const fields = record as string[]
      if (header === undefined) header = headerOf(file, fields, columns)
      else yield rowOf(`${file} line ${(info as { lines: number }).lines}`, fields, header)
    }
  } catch (error) {
    throw error instanceof CsvError ? new CommandFailure(`${file}: ${error.message}`) : error
  } finally {
    source.destroy()
  }
  if (header === undefined) throw new CommandFailure(`${file}: it has no header row.`)
}

function rowOf(at: string, fields: string[], header: Map<string, number>): CsvRow {
  return {
    at,
    whole: fields.length === header.size,
    get(column) {
      const index = header.get(column)
      return (index === undefined ? undefined : fields[index]) ?? ''
    },
  }
}

function headerOf(file: string, fields: string[], columns: Columns): Map<string, number> {
  const names = fields.map((name) => name.trim())
  const known = [...columns.required, ...columns.optional]
  const unknown = names.filter((name) => !known.includes(name))
  const missing = columns.required.filter((name) => !names.includes(name))
  const header = new Map(names.map((name, index) => [name, index]))
  const wrong = [
    ...unknown.map((name) => `there is no column "${name}"`),
    ...missing.map((name) => `the column "${name}" is missing`),
    ...(header.size < names.length ? ['a column stands there twice'] : []),
  ]
  if (wrong.length > 0)
    throw new CommandFailure(`${file}: ${wrong.join(', ')}. The columns are ${known.join(', ')}.`)
  return header
}

/** Other encodings would turn names into others without a word. */
async function* textOf(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (bytes?: Buffer) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined })
    } catch {
      throw new CommandFailure(`${file}: it is not UTF-8.`)
    }
  }
  try {
    for await (const bytes of createReadStream(file)) yield decode(bytes)
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new CommandFailure(`${file}: it cannot be read (${code}).`)
  }
  const rest = decode()
  if (rest !== '') yield rest
}
