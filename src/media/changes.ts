import { Fault } from '../errors.ts'
import type { MediaChanges } from './repo.ts'
import { checkText, textFields } from './text-field.ts'

/**
 * Reads the fields of a PATCH: `name` and `description`, both optional. Other fields are read-only
 * or unknown, and ignored.
 *
 * @throws Fault `bad-request` with the messages of every field that is wrong
 */
export function parseMediaChanges(data: Record<string, unknown>): MediaChanges {
  const changes: MediaChanges = {}
  const errors: Record<string, string[]> = {}
  for (const field of ['name', 'description'] as const) {
    if (!Object.hasOwn(data, field)) continue
    const checked = checkText(data[field], textFields[field])
    if ('errors' in checked) errors[field] = checked.errors
    else changes[field] = checked.value
  }
  if (Object.keys(errors).length > 0) throw new Fault('bad-request', { fields: errors })
  return changes
}
