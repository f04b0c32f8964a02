import type { JsonSchema } from '../../media/fields.ts'

/** The parts of an OpenAPI 3.1 document that ours has (spec.openapis.org/oas/v3.1.1). */
export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  description?: string
  schema: JsonSchema
  example?: unknown
  /** By the name of the example that it belongs to; see `Operation`. */
  examples?: Record<string, { value: unknown }>
}

export interface Header {
  description: string
  required?: boolean
  schema: JsonSchema
}

export interface MediaContent {
  schema?: JsonSchema
  example?: unknown
  examples?: Record<string, { summary?: string; value: unknown }>
}

export interface ResponseObject {
  description: string
  headers?: Record<string, Header | { $ref: string }>
  content?: Record<string, MediaContent>
}

/**
 * One method of one path. Where examples have names, those of one name, in the parameters and the
 * body, make one request together; an `example` without a name belongs to all of them.
 */
export interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; description?: string; content: Record<string, MediaContent> }
  responses: Record<string, ResponseObject | { $ref: string }>
}

export type Method = 'get' | 'head' | 'put' | 'post' | 'patch' | 'delete' | 'options'
export type PathItem = Partial<Record<Method, Operation>>
export type Paths = Record<string, PathItem>

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })

/** References to `components.responses`, by status: `refused(401, 403)`. */
export function refused(...statuses: (keyof typeof refusals)[]): Operation['responses'] {
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${refusals[status]}` }]),
  )
}

const refusals = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  410: 'Gone',
  413: 'TooLarge',
  415: 'UnsupportedType',
  416: 'RangeNotSatisfiable',
  423: 'Locked',
  429: 'TooMany',
  503: 'Unavailable',
  507: 'StorageFull',
} as const

/** An answer in JSON. */
export function answer(
  description: string,
  schema: JsonSchema,
  example?: unknown,
  headers?: ResponseObject['headers'],
): ResponseObject {
  return {
    description,
    ...(headers && { headers }),
    content: { 'application/json': { schema, ...(example !== undefined && { example }) } },
  }
}

export const nothing = (description: string, headers?: ResponseObject['headers']) => ({
  description,
  ...(headers && { headers }),
})

/** The bytes of a file, whatever it is. */
export function bytes(description: string, headers?: ResponseObject['headers']): ResponseObject {
  return { description, ...(headers && { headers }), content: { '*/*': {} } }
}

export function jsonBody(schema: JsonSchema, example: unknown, required = true) {
  return { required, content: { 'application/json': { schema, example } } }
}

export function pathId(name = 'id', description = 'Its id.', example: unknown = 17): Parameter {
  const schema = typeof example === 'number' ? { type: 'integer' } : { type: 'string' }
  return { name, in: 'path', required: true, description, schema, example }
}

export function query(name: string, description: string, schema: JsonSchema): Parameter {
  return { name, in: 'query', description, schema }
}

export function header(
  name: string,
  description: string,
  rest: Partial<Pick<Parameter, 'schema' | 'example' | 'examples' | 'required'>> = {},
): Parameter {
  return { name, in: 'header', description, schema: { type: 'string' }, ...rest }
}

export function responseHeader(
  description: string,
  schema: JsonSchema = { type: 'string' },
  required = false,
): Header {
  return { description, schema, ...(required && { required }) }
}

/** `limit` and `offset` of every list. */
export const paging: Parameter[] = [
  query('limit', 'How many; none, zero or less means 10, more than 1000 means 1000.', {
    type: 'integer',
    default: 10,
  }),
  query('offset', 'How many to leave out.', { type: 'integer', default: 0 }),
]

/** One page of a list. */
export function pageOf(item: JsonSchema): JsonSchema {
  return {
    type: 'object',
    required: ['count', 'next', 'previous', 'results'],
    properties: {
      count: { type: 'integer', description: 'How many there are on all pages.' },
      next: { type: ['string', 'null'], format: 'uri' },
      previous: { type: ['string', 'null'], format: 'uri' },
      results: { type: 'array', items: item },
    },
    additionalProperties: false,
  }
}

export const page = (example: unknown) => ({
  count: 1,
  next: null,
  previous: null,
  results: [example],
})
