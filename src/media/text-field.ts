/** What a text may be. */
export interface TextRules {
  /** Code points. */
  maxLength: number
  /** Whether it may be empty. */
  blank: boolean
}

/** The fields of a media file that people write. */
export const textFields = {
  name: { maxLength: 255, blank: false },
  description: { maxLength: 65_536, blank: true },
} as const satisfies Record<string, TextRules>

export type CheckedText = { value: string } | { errors: string[] }

/**
 * Checks a value as Django REST framework's CharField does, in its words: space around it is taken
 * off, numbers become text.
 */
export function checkText(input: unknown, { maxLength, blank }: TextRules): CheckedText {
  if (input === null) return { errors: ['This field may not be null.'] }
  if (typeof input !== 'string' && typeof input !== 'number') {
    return { errors: ['Not a valid string.'] }
  }
  const value = String(input).trim()
  if (value === '') return blank ? { value } : { errors: ['This field may not be blank.'] }
  const errors: string[] = []
  if (lengthOf(value) > maxLength) {
    errors.push(`Ensure this field has no more than ${maxLength} characters.`)
  }
  if (value.includes('\0')) errors.push('Null characters are not allowed.')
  // A lone surrogate has no UTF-8 form; PGlite even miscounts the bytes of a message that has one.
  const surrogate = /\p{Surrogate}/u.exec(value)?.[0]
  if (surrogate !== undefined) {
    const code = surrogate.charCodeAt(0).toString(16).toUpperCase()
    errors.push(`Surrogate characters are not allowed: U+${code}.`)
  }
  return errors.length > 0 ? { errors } : { value }
}

/** Length in code points, as Python and Postgres count. */
export function lengthOf(text: string): number {
  let length = 0
  for (const _ of text) length += 1
  return length
}
