import { describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import {
  newTokenFields,
  newUserFields,
  requiredOfNewUser,
  userChangeFields,
} from '../../../src/http/account-input.ts'
import { mediaChangeFields } from '../../../src/media/changes.ts'
import { type Field, readFields, schemaOf } from '../../../src/media/fields.ts'
import { linkFields } from '../../../src/media/share.ts'
import { errorsOf } from '../../support/json-schema.ts'

const tables = { newUserFields, userChangeFields, newTokenFields, mediaChangeFields, linkFields }
const fields = Object.entries(tables).flatMap(([table, of]) =>
  Object.entries(of).map(([name, field]) => [`${table}.${name}`, field as Field<unknown>] as const),
)

/** What somebody may send for any field. */
const values = [
  'anna',
  'Anna Berg',
  'anna@example.org',
  'anna.b+c-d_1',
  'ännä',
  '名前',
  'a/b',
  'a\u0000b',
  '',
  ' ',
  '\t\n',
  'x'.repeat(150),
  'x'.repeat(151),
  '😀'.repeat(150),
  '😀'.repeat(255),
  '😀'.repeat(256),
  'x'.repeat(65_536),
  'x'.repeat(65_537),
  'user',
  'staff',
  'admin',
  'boss',
  'Admin',
  '2040-01-01T00:00:00Z',
  '2040-01-01T00:00:00.123456+02:00',
  '2040-13-01T00:00:00Z',
  'tomorrow',
  '24h',
  '24 hours',
  true,
  false,
  null,
  {},
  [],
  ['anna'],
  { name: 'anna' },
]

describe('the schema of a field', () => {
  it.each(fields)('allows of %s what is taken, and nothing else', (_, { check, schema }) => {
    for (const value of values) {
      const isTaken = 'value' in check(value)
      const isAllowed = errorsOf(schema, value, {}).length === 0
      // Words such as "true" are taken for a boolean, and are not advertised.
      const isOldWay = schema.type === 'boolean' && typeof value !== 'boolean'
      if (!isOldWay) expect([value, isAllowed]).toEqual([value, isTaken])
      if (isAllowed) expect(isTaken).toBe(true)
    }
  })

  it('tells which fields a body must have', () => {
    const schema = schemaOf(newUserFields, requiredOfNewUser)
    expect(errorsOf(schema, { username: 'anna' }, {})).toEqual([': role is missing'])
    expect(errorsOf(schema, { username: 'anna', role: 'user' }, {})).toEqual([])
    expect(schemaOf(mediaChangeFields)).not.toHaveProperty('required')
  })
})

describe('a body of fields', () => {
  it('is refused with the messages of all of them, in the words of Django REST framework', () => {
    const read = () =>
      readFields(newUserFields, { role: 'boss', first_name: null }, requiredOfNewUser)
    const error = (() => {
      try {
        read()
      } catch (thrown) {
        return thrown
      }
      return undefined
    })()
    expect(error).toBeInstanceOf(Fault)
    expect((error as Fault).fields).toEqual({
      role: ['"boss" is not a valid choice.'],
      first_name: ['This field may not be null.'],
      username: ['This field is required.'],
    })
  })

  it('has only what was given, and nothing that is not a field', () => {
    const given = readFields(mediaChangeFields, { name: ' a ', size: 3, constructor: 1 })
    expect(given).toEqual({ name: 'a' })
  })
})
