import type { Context } from 'hono'
import { Fault } from '../errors.ts'
import { eventStates, eventTypes, outcomes } from '../events/event-log.ts'
import type { JsonSchema } from '../media/fields.ts'
import type { Env } from '../protocols/env.ts'
import { parseNonNegativeInteger } from '../wire/integer.ts'
import { lastOf } from '../wire/paging.ts'

/** One query parameter: how it is read, in the words of django-filter, and its schema. */
interface Filter<T> {
  parse(text: string): { value: T } | { error: string }
  schema: JsonSchema
}

type Filters = Readonly<Record<string, Filter<unknown>>>

/** In the order in which what is wrong with them is shown. */
export const eventFilters = { event: choice(eventTypes), state: choice(eventStates) }
export const deliveryFilters = {
  event: choice(eventTypes),
  outcome: choice(outcomes),
  event_id: number(),
}

/**
 * The parameters of a table; an empty one is no filter, and others are ignored.
 *
 * @throws Fault `bad-request` with the messages of every parameter that is wrong
 */
export function readFilters<F extends Filters>(c: Context<Env>, filters: F) {
  const params = new URL(c.req.url).searchParams
  const fields: Record<string, string[]> = {}
  const values: Record<string, unknown> = {}
  for (const [name, { parse }] of Object.entries(filters)) {
    const text = lastOf(params, name)
    if (text === '') continue
    const parsed = parse(text)
    if ('error' in parsed) fields[name] = [parsed.error]
    else values[name] = parsed.value
  }
  if (Object.keys(fields).length > 0) throw new Fault('bad-request', { fields })
  return values as { [Name in keyof F]?: F[Name] extends Filter<infer T> ? T : never }
}

function choice<T extends string>(values: readonly T[]): Filter<T> {
  return {
    parse(text) {
      const value = values.find((known) => known === text)
      if (value !== undefined) return { value }
      const shown = text.slice(0, 100)
      return { error: `Select a valid choice. ${shown} is not one of the available choices.` }
    },
    schema: { type: 'string', enum: [...values] },
  }
}

function number(): Filter<number> {
  return {
    parse(text) {
      const value = parseNonNegativeInteger(text)
      return value === null ? { error: 'Enter a number.' } : { value }
    },
    schema: { type: 'integer', minimum: 0 },
  }
}
