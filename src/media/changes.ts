import { Fault } from '../errors.ts'
import type { MediaChanges } from './repo.ts'
import { checkText, textFields } from './text-field.ts'

/**
 * Reads the body of a PATCH: `name` and `description`, both optional. Other fields are read-only or
 * unknown, and ignored.
 *
 * @throws Fault `bad-request` with the messages of every field that is wrong
 */
export function parseMediaChanges(data: unknown): MediaChanges {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    const text = `Invalid data. Expected a dictionary, but got ${pythonTypeOf(data)}.`
    throw new Fault('bad-request', { fields: { non_field_errors: [text] } })
  }
  const changes: MediaChanges = {}
  const errors: Record<string, string[]> = {}
  for (const field of ['name', 'description'] as const) {
    const input = (data as Record<string, unknown>)[field]
    if (input === undefined) continue
    const checked = checkText(input, textFields[field])
    if ('errors' in checked) errors[field] = checked.errors
    else changes[field] = checked.value
  }
  if (Object.keys(errors).length > 0) throw new Fault('bad-request', { fields: errors })
  return changes
}

/** Consumers compare the message, and it names the types of the framework it comes from. */
function pythonTypeOf(data: unknown): string {
  if (data === null) return 'NoneType'
  if (Array.isArray(data)) return 'list'
  if (typeof data === 'string') return 'str'
  if (typeof data === 'boolean') return 'bool'
  return Number.isInteger(data) ? 'int' : 'float'
}
