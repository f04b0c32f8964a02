import { Fault } from '../errors.ts'
import { lastOf, type Paging, parseAnyInteger, parsePaging } from '../wire/paging.ts'
import { parseDay, parseInstant } from '../wire/time.ts'
import type { JsonSchema } from './fields.ts'
import { type MediaType, mediaTypes } from './file-types.ts'
import { parseOrdering, type Sorting } from './ordering.ts'
import { splitSearch } from './search.ts'

export type IntegerColumn = 'id' | 'size' | 'width' | 'height' | 'userId'
export type TimeColumn = 'createdAt' | 'updatedAt'

/** One thing that must hold for every record in the answer. */
export type Condition =
  | { on: 'search'; terms: string[] }
  | { on: 'type'; types: MediaType[] }
  | { on: 'integer'; column: IntegerColumn; operator: '=' | '>=' | '<='; value: bigint }
  /** `value` is text that Postgres reads as `timestamptz`. */
  | { on: 'time'; column: TimeColumn; operator: '>=' | '<' | '<='; value: string }

/** A list request, understood. */
export interface MediaQuery {
  conditions: Condition[]
  ordering: Sorting[]
  paging: Paging
}

/** Each term costs up to two parameters of the statement, and Postgres takes 65,535. */
const MAX_TERMS = 1000

/** What a value means, or django-filter's words for what is wrong with it. */
type Parsed = Condition[] | { error: string }

/** One parameter: how it is read, and the schema that says so to others. */
export interface FilterParameter {
  parse(value: string): Parsed
  schema: JsonSchema
}

const dayOrTime: JsonSchema = {
  type: 'string',
  anyOf: [{ format: 'date' }, { format: 'date-time' }],
}

/** Parameters in the order in which their errors are shown. */
export const filterParameters: ReadonlyMap<string, FilterParameter> = new Map([
  ['type', types()],
  ['user_id', integer('userId', '=')],
  ['size_min', integer('size', '>=')],
  ['size_max', integer('size', '<=')],
  ['width_min', integer('width', '>=')],
  ['width_max', integer('width', '<=')],
  ['height_min', integer('height', '>=')],
  ['height_max', integer('height', '<=')],
  ['id_min', integer('id', '>=')],
  ['id_max', integer('id', '<=')],
  ['created_date', day('createdAt')],
  ['updated_date', day('updatedAt')],
  ['created_from', from('createdAt')],
  ['created_to', to('createdAt')],
  ['updated_from', from('updatedAt')],
  ['updated_to', to('updatedAt')],
])

/**
 * Reads the query of a list request. Unknown parameters are ignored, an empty value means no
 * filter, of a repeated parameter the last one counts.
 *
 * @throws Fault `bad-request` with the messages of every parameter that does not parse
 */
export function parseMediaQuery(params: URLSearchParams): MediaQuery {
  const conditions: Condition[] = []
  const errors: Record<string, string[]> = {}
  for (const [name, { parse }] of filterParameters) {
    const value = lastOf(params, name).trim()
    const parsed = value === '' ? [] : parse(value)
    if ('error' in parsed) errors[name] = [parsed.error]
    else conditions.push(...parsed)
  }
  const terms = splitSearch(lastOf(params, 'search'))
  if (terms.length > MAX_TERMS) errors.search = [`Search for at most ${MAX_TERMS} terms.`]
  if (Object.keys(errors).length > 0) throw new Fault('bad-request', { fields: errors })
  if (terms.length > 0) conditions.push({ on: 'search', terms })
  return {
    conditions,
    ordering: parseOrdering(lastOf(params, 'ordering')),
    paging: parsePaging(params),
  }
}

function types(): FilterParameter {
  const one = `(?:${mediaTypes.join('|')})`
  return { parse: parseTypes, schema: { type: 'string', pattern: `^${one}(?:,${one})*$` } }
}

function parseTypes(list: string): Parsed {
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const types = mediaTypes.filter((type) => names.includes(type))
  const unknown = names.find((name) => !types.some((type) => type === name))
  if (unknown !== undefined) {
    const error = `Select a valid choice. ${unknown} is not one of the available choices.`
    return { error }
  }
  return types.length > 0 ? [{ on: 'type', types }] : []
}

function integer(column: IntegerColumn, operator: '=' | '>=' | '<='): FilterParameter {
  return {
    parse(text) {
      const value = parseAnyInteger(text)
      return value === null
        ? { error: 'Enter a number.' }
        : [{ on: 'integer', column, operator, value }]
    },
    schema: { type: 'integer' },
  }
}

function day(column: TimeColumn): FilterParameter {
  return {
    parse(text) {
      const bounds = parseDay(text)
      if (bounds === null) return { error: 'Enter a valid date.' }
      return [
        { on: 'time', column, operator: '>=', value: bounds.start },
        { on: 'time', column, operator: '<', value: bounds.end },
      ]
    },
    schema: { type: 'string', format: 'date' },
  }
}

const notATime: Parsed = { error: 'Enter a valid date/time.' }

function from(column: TimeColumn): FilterParameter {
  return {
    parse(text) {
      const value = parseDay(text)?.start ?? parseInstant(text)
      return value === null ? notATime : [{ on: 'time', column, operator: '>=', value }]
    },
    schema: dayOrTime,
  }
}

/** Inclusive: a date takes its whole day in, a time its own microsecond. */
function to(column: TimeColumn): FilterParameter {
  return {
    parse(text) {
      const bounds = parseDay(text)
      if (bounds) return [{ on: 'time', column, operator: '<', value: bounds.end }]
      const value = parseInstant(text)
      return value === null ? notATime : [{ on: 'time', column, operator: '<=', value }]
    },
    schema: dayOrTime,
  }
}
