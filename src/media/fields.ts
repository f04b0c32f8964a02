import { Fault } from '../errors.ts'
import { parseInstant } from '../wire/time.ts'
import { checkText, type TextRules } from './text-field.ts'

/** A JSON Schema of the 2020-12 dialect, as OpenAPI 3.1 has it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

export type Checked<T> = { value: T } | { errors: string[] }

/**
 * One field of a JSON body: what is taken, in the words of Django REST framework, and the schema
 * that says so to others. What the schema allows is taken; where the framework takes more for old
 * time's sake (the number 7 as the text "7"), the schema does not tell.
 */
export interface Field<T> {
  check(input: unknown): Checked<T>
  schema: JsonSchema
}

export type Fields = Readonly<Record<string, Field<unknown>>>

type Given<F extends Fields> = {
  [Name in keyof F]?: F[Name] extends Field<infer T> ? T : never
}

/**
 * Reads the fields of a table from a JSON object; others are ignored, and what was not given is not
 * there.
 *
 * @throws Fault `bad-request` with the messages of every field that is wrong
 */
export function readFields<F extends Fields, Required extends keyof F & string = never>(
  fields: F,
  data: Readonly<Record<string, unknown>>,
  required: readonly Required[] = [],
): Given<F> & { [Name in Required]: Exclude<Given<F>[Name], undefined> } {
  const errors = new Map<string, string[]>()
  const given: Record<string, unknown> = {}
  for (const [name, { check }] of Object.entries(fields)) {
    if (!Object.hasOwn(data, name)) continue
    const checked = check(data[name])
    if ('value' in checked) given[name] = checked.value
    else errors.set(name, checked.errors)
  }
  for (const name of required)
    if (!Object.hasOwn(data, name)) errors.set(name, ['This field is required.'])
  if (errors.size > 0) throw new Fault('bad-request', { fields: Object.fromEntries(errors) })
  return given as ReturnType<typeof readFields<F, Required>>
}

/** The schema of a body of these fields. */
export function schemaOf(fields: Fields, required: readonly string[] = []): JsonSchema {
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, { schema }]) => [name, schema]),
  )
  return { type: 'object', properties, ...(required.length > 0 && { required: [...required] }) }
}

/** DRF's CharField. */
export function textField(rules: TextRules, schema: JsonSchema = {}): Field<string> {
  const { maxLength, blank } = rules
  return {
    check: (input) => checkText(input, rules),
    schema: {
      type: 'string',
      maxLength,
      // No NUL, and something beside white space where it may not be blank.
      pattern: blank ? '^[^\\u0000]*$' : '^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$',
      ...schema,
    },
  }
}

/** DRF's ChoiceField. */
export function choiceField<T extends string>(choices: readonly T[]): Field<T> {
  return {
    check(input) {
      if (input === null) return { errors: ['This field may not be null.'] }
      const choice = choices.find((known) => known === input)
      if (choice !== undefined) return { value: choice }
      const shown = (typeof input === 'string' ? input : (JSON.stringify(input) ?? '')).slice(
        0,
        100,
      )
      return { errors: [`"${shown}" is not a valid choice.`] }
    },
    schema: { type: 'string', enum: [...choices] },
  }
}

/** What DRF's BooleanField takes. */
export const booleanField: Field<boolean> = {
  check(input) {
    if (input === null) return { errors: ['This field may not be null.'] }
    const word = String(input)
    if (/^(?:t|y|yes|true|on|1)$/i.test(word)) return { value: true }
    if (/^(?:f|n|no|false|off|0)$/i.test(word)) return { value: false }
    return { errors: ['Must be a valid boolean.'] }
  },
  schema: { type: 'boolean' },
}

/** DRF's DateTimeField; null for none. */
export const timeField: Field<string | null> = {
  check(input) {
    if (input === null) return { value: null }
    const value = typeof input === 'string' ? parseInstant(input.trim()) : null
    // Its offset can lead a time out of the years that there are.
    if (value !== null && !value.endsWith('infinity')) return { value }
    const text =
      'Datetime has wrong format. Use one of these formats instead: ' +
      'YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].'
    return { errors: [text] }
  },
  schema: { type: ['string', 'null'], format: 'date-time' },
}
