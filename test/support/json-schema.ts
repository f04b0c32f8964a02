/** A JSON Schema of the 2020-12 dialect. */
export type Schema = Readonly<Record<string, unknown>>

type Check = (value: unknown, keyword: never, at: string, look: Look) => string[]

/** Goes on with another schema, for another value. */
type Look = (schema: Schema, value: unknown, at: string) => string[]

/** What is said about a value, and checks nothing. */
const annotations = new Set([
  'description',
  'default',
  'example',
  'title',
  // Of a text: what a form's file is made of.
  'contentMediaType',
])

const formats: Record<string, (text: string) => boolean> = {
  'date-time': (text) =>
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text)),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)),
  uri: (text) => URL.canParse(text),
  uuid: (text) => /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text),
}

function typeOf(value: unknown): string[] {
  if (value === null) return ['null']
  if (Array.isArray(value)) return ['array']
  if (Number.isInteger(value)) return ['integer', 'number']
  return [typeof value]
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const shown = (value: unknown) => JSON.stringify(value)?.slice(0, 80)
const fails = (holds: boolean, at: string, words: string) => (holds ? [] : [`${at}: ${words}`])

const keywords: Record<string, Check> = {
  type: (value, wanted: string | string[], at) =>
    fails(
      [wanted].flat().some((type) => typeOf(value).includes(type)),
      at,
      `${shown(value)} is no ${wanted}`,
    ),
  enum: (value, choices: unknown[], at) =>
    fails(choices.includes(value), at, `${shown(value)} is none of ${choices}`),
  properties(value, properties: Record<string, Schema>, at, look) {
    if (!isObject(value)) return []
    return Object.entries(properties).flatMap(([name, schema]) =>
      Object.hasOwn(value, name) ? look(schema, value[name], `${at}/${name}`) : [],
    )
  },
  required: (value, names: string[], at) =>
    isObject(value)
      ? names.flatMap((name) => fails(Object.hasOwn(value, name), at, `${name} is missing`))
      : [],
  items: (value, schema: Schema, at, look) =>
    Array.isArray(value)
      ? value.flatMap((item, index) => look(schema, item, `${at}/${index}`))
      : [],
  minLength: (value, least: number, at) =>
    fails(typeof value !== 'string' || [...value].length >= least, at, 'too short'),
  maxLength: (value, most: number, at) =>
    fails(typeof value !== 'string' || [...value].length <= most, at, 'too long'),
  pattern: (value, pattern: string, at) =>
    fails(
      typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
      at,
      `${shown(value)} does not match ${pattern}`,
    ),
  minimum: (value, least: number, at) =>
    fails(typeof value !== 'number' || value >= least, at, `${value} is below ${least}`),
  maximum: (value, most: number, at) =>
    fails(typeof value !== 'number' || value <= most, at, `${value} is above ${most}`),
  format(value, format: string, at) {
    const check = formats[format]
    if (check === undefined) throw new Error(`an unknown format: ${format}`)
    return fails(typeof value !== 'string' || check(value), at, `${shown(value)} is no ${format}`)
  },
  anyOf(value, schemas: Schema[], at, look) {
    const found = schemas.map((schema) => look(schema, value, at))
    return found.some((errors) => errors.length === 0) ? [] : found.flat()
  },
  oneOf(value, schemas: Schema[], at, look) {
    const found = schemas.map((schema) => look(schema, value, at))
    const fitting = found.filter((errors) => errors.length === 0).length
    if (fitting === 1) return []
    return fitting === 0 ? found.flat() : [`${at}: fits ${fitting} schemas`]
  },
}

/**
 * What is wrong with a value, in lines; none where it fits. A keyword that is not known here throws:
 * what is not checked must not be believed.
 *
 * @param root where `$ref` points into.
 */
export function errorsOf(schema: Schema, value: unknown, root: unknown, at = ''): string[] {
  const look: Look = (other, item, place) => errorsOf(other, item, root, place)
  return Object.entries(schema).flatMap(([keyword, expected]) => {
    if (annotations.has(keyword)) return []
    if (keyword === '$ref') return look(resolve(root, String(expected)), value, at)
    if (keyword === 'additionalProperties') return additional(schema, value, at, look)
    const check = keywords[keyword]
    if (check === undefined) throw new Error(`an unknown keyword: ${keyword}`)
    return check(value, expected as never, at, look)
  })
}

function additional(schema: Schema, value: unknown, at: string, look: Look): string[] {
  if (!isObject(value)) return []
  const known = isObject(schema.properties) ? schema.properties : {}
  const others = Object.keys(value).filter((name) => !Object.hasOwn(known, name))
  const allowed = schema.additionalProperties
  if (allowed === false) return others.map((name) => `${at}: ${name} is not described`)
  return others.flatMap((name) => look(allowed as Schema, value[name], `${at}/${name}`))
}

/** What a `$ref` into this document points to; throws where it points to nothing. */
export function resolve(root: unknown, ref: string): Schema {
  let found = root
  for (const step of ref.replace(/^#\//, '').split('/')) {
    found = isObject(found) ? found[step] : undefined
  }
  if (!isObject(found)) throw new Error(`nothing at ${ref}`)
  return found
}
