import { roles } from '../auth/actor.ts'
import type { NewToken } from '../auth/tokens.ts'
import type { NewUser, UserChanges } from '../auth/users.ts'
import {
  booleanField,
  choiceField,
  type Field,
  readFields,
  textField,
  timeField,
} from '../media/fields.ts'
import { checkText } from '../media/text-field.ts'

type JsonObject = Readonly<Record<string, unknown>>

const usernameRules = { maxLength: 150, blank: false }
const nameField = textField({ maxLength: 150, blank: true })

/** Django's UnicodeUsernameValidator. */
const usernameField: Field<string> = {
  check(input) {
    const checked = checkText(input, usernameRules)
    if ('errors' in checked || /^[\p{L}\p{N}_.@+-]+$/u.test(checked.value)) return checked
    const text =
      'Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.'
    return { errors: [text] }
  },
  schema: textField(usernameRules, { pattern: '^[\\p{L}\\p{N}_.@+\\-]+$' }).schema,
}

export const newUserFields = {
  username: usernameField,
  role: choiceField(roles),
  first_name: nameField,
  last_name: nameField,
}
export const requiredOfNewUser = ['username', 'role'] as const

/** As for a new user, everything optional. */
export const userChangeFields = { ...newUserFields, is_active: booleanField }

/** An end that has passed is taken: the token is ended. */
export const newTokenFields = { name: nameField, expires_at: timeField }

/** @throws Fault `bad-request` with the messages of every field that is wrong, as the others here */
export function parseNewUser(data: JsonObject): NewUser {
  const { username, role, ...names } = readFields(newUserFields, data, requiredOfNewUser)
  return { username, role, ...given(names) }
}

export function parseUserChanges(data: JsonObject): UserChanges {
  const { username, role, is_active: isActive, ...names } = readFields(userChangeFields, data)
  return {
    ...(username !== undefined && { username }),
    ...(role !== undefined && { role }),
    ...given(names),
    ...(isActive !== undefined && { isActive }),
  }
}

export function parseNewToken(data: JsonObject): NewToken {
  const { name, expires_at: expiresAt } = readFields(newTokenFields, data)
  return { ...(name !== undefined && { name }), ...(expiresAt !== undefined && { expiresAt }) }
}

/** Without the fields that were not given: an UPDATE leaves them as they are. */
function given(names: { first_name?: string; last_name?: string }) {
  const { first_name: firstName, last_name: lastName } = names
  return {
    ...(firstName !== undefined && { firstName }),
    ...(lastName !== undefined && { lastName }),
  }
}
