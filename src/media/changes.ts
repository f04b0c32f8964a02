import { readFields, textField } from './fields.ts'
import type { MediaChanges } from './repo.ts'
import { textFields } from './text-field.ts'

/** The fields of a PATCH, all optional. Others are read-only or unknown, and ignored. */
export const mediaChangeFields = {
  name: textField(textFields.name),
  description: textField(textFields.description),
}

/** @throws Fault `bad-request` with the messages of every field that is wrong */
export function parseMediaChanges(data: Record<string, unknown>): MediaChanges {
  return readFields(mediaChangeFields, data)
}
