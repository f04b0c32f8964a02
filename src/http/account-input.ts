import { type Role, roles } from '../auth/actor.ts'
import type { NewToken } from '../auth/tokens.ts'
import type { NewUser, UserChanges } from '../auth/users.ts'
import { Fault } from '../errors.ts'
import { type CheckedText, checkText } from '../media/text-field.ts'
import { parseInstant } from '../wire/time.ts'

type JsonObject = Readonly<Record<string, unknown>>
type Checked<T> = { value: T } | { errors: string[] }
type Check<T> = (input: unknown) => Checked<T>

/**
 * Reads `{"username", "role", "first_name"?, "last_name"?}` in the words of Django REST framework.
 *
 * @throws Fault `bad-request` with the messages of every field that is wrong
 */
export function parseNewUser(data: JsonObject): NewUser {
  const read = reader(data)
  const username = read.field('username', checkUsername)
  const role = read.field('role', checkRole)
  const firstName = read.field('first_name', checkName)
  const lastName = read.field('last_name', checkName)
  if (username === undefined) read.miss('username')
  if (role === undefined) read.miss('role')
  read.done()
  return {
    username: username ?? '',
    role: role ?? 'user',
    ...given({ firstName, lastName }),
  }
}

/** As `parseNewUser`, everything optional, and `is_active`. */
export function parseUserChanges(data: JsonObject): UserChanges {
  const read = reader(data)
  const changes = {
    username: read.field('username', checkUsername),
    role: read.field('role', checkRole),
    firstName: read.field('first_name', checkName),
    lastName: read.field('last_name', checkName),
    isActive: read.field('is_active', checkBoolean),
  }
  read.done()
  return given(changes)
}

/** Reads `{"name"?, "expires_at"?}`; an end that has passed is taken: the token is ended. */
export function parseNewToken(data: JsonObject): NewToken {
  const read = reader(data)
  const name = read.field('name', checkName)
  const expiresAt = read.field('expires_at', checkTime)
  read.done()
  return given({ name, expiresAt })
}

/** Collects the messages of all fields before it complains. */
function reader(data: JsonObject) {
  const errors = new Map<string, string[]>()
  return {
    field<T>(name: string, check: Check<T>): T | undefined {
      if (!Object.hasOwn(data, name)) return undefined
      const checked = check(data[name])
      if ('value' in checked) return checked.value
      errors.set(name, checked.errors)
      return undefined
    },
    miss(name: string): void {
      if (!errors.has(name)) errors.set(name, ['This field is required.'])
    },
    done(): void {
      if (errors.size > 0) throw new Fault('bad-request', { fields: Object.fromEntries(errors) })
    },
  }
}

/** Without the fields that were not given: an UPDATE leaves them as they are. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(present) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/** Django's UnicodeUsernameValidator. */
function checkUsername(input: unknown): CheckedText {
  const checked = checkText(input, { maxLength: 150, blank: false })
  if ('errors' in checked || /^[\p{L}\p{N}_.@+-]+$/u.test(checked.value)) return checked
  const text =
    'Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters.'
  return { errors: [text] }
}

function checkName(input: unknown): CheckedText {
  return checkText(input, { maxLength: 150, blank: true })
}

function checkRole(input: unknown): Checked<Role> {
  if (input === null) return { errors: ['This field may not be null.'] }
  const role = roles.find((known) => known === input)
  if (role !== undefined) return { value: role }
  const shown = (typeof input === 'string' ? input : (JSON.stringify(input) ?? '')).slice(0, 100)
  return { errors: [`"${shown}" is not a valid choice.`] }
}

/** What DRF's BooleanField takes. */
function checkBoolean(input: unknown): Checked<boolean> {
  if (input === null) return { errors: ['This field may not be null.'] }
  const word = String(input)
  if (/^(?:t|y|yes|true|on|1)$/i.test(word)) return { value: true }
  if (/^(?:f|n|no|false|off|0)$/i.test(word)) return { value: false }
  return { errors: ['Must be a valid boolean.'] }
}

function checkTime(input: unknown): Checked<string | null> {
  if (input === null) return { value: null }
  const value = typeof input === 'string' ? parseInstant(input.trim()) : null
  // Its offset can lead a time out of the years that there are.
  if (value !== null && !value.endsWith('infinity')) return { value }
  const text =
    'Datetime has wrong format. Use one of these formats instead: ' +
    'YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].'
  return { errors: [text] }
}
