import type { describeApi } from '../../src/http/openapi/document.ts'
import type {
  MediaContent,
  Method,
  Operation,
  Parameter,
  ResponseObject,
} from '../../src/http/openapi/parts.ts'
import { errorsOf, resolve } from './json-schema.ts'

export type ApiDocument = ReturnType<typeof describeApi> & { servers: { url: string }[] }

export interface Described {
  path: string
  method: Method
  operation: Operation
}

const METHODS = ['get', 'head', 'put', 'post', 'patch', 'delete', 'options'] as const

export function operationsOf({ paths }: Pick<ApiDocument, 'paths'>): Described[] {
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method]
      return operation ? [{ path, method, operation }] : []
    }),
  )
}

/** An answer of an operation, whether it stands there or is shared. */
export function responseOf(
  document: ApiDocument,
  { responses }: Operation,
  status: number,
): ResponseObject | undefined {
  const found = responses[String(status)]
  if (found === undefined) return undefined
  return '$ref' in found ? (resolve(document, found.$ref) as unknown as ResponseObject) : found
}

/** A request that the document shows. */
export interface ExampleRequest {
  name: string
  path: Record<string, unknown>
  query: Record<string, unknown>
  headers: Record<string, string>
  body: { type: string; value: unknown; content: MediaContent } | null
}

/** The requests that an operation shows: one for each name of its examples, else the one. */
export function examplesOf({ parameters = [], requestBody }: Operation): ExampleRequest[] {
  const contents = Object.entries(requestBody?.content ?? {})
  const named = [...parameters, ...contents.map(([, content]) => content)]
  const names = new Set(named.flatMap(({ examples }) => Object.keys(examples ?? {})))
  return [...(names.size === 0 ? ['the one'] : names)].map((name) => {
    const of = (place: Parameter['in']) =>
      Object.fromEntries(
        parameters
          .filter((parameter) => parameter.in === place)
          .map((parameter) => [parameter.name, exampleOf(parameter, name)])
          .filter(([, value]) => value !== undefined),
      )
    const bodies = contents.flatMap(([type, content]) => {
      const value = exampleOf(content, name)
      return value === undefined ? [] : [{ type, value, content }]
    })
    return {
      name,
      path: of('path'),
      query: of('query'),
      headers: of('header') as Record<string, string>,
      body: bodies[0] ?? null,
    }
  })
}

function exampleOf({ example, examples }: Parameter | MediaContent, name: string): unknown {
  return examples?.[name]?.value ?? example
}

const known = {
  document: ['openapi', 'info', 'servers', 'security', 'tags', 'paths', 'webhooks', 'components'],
  operation: [
    'operationId',
    'tags',
    'summary',
    'description',
    'security',
    'parameters',
    'requestBody',
    'responses',
  ],
  parameter: ['name', 'in', 'required', 'description', 'schema', 'example', 'examples'],
  response: ['description', 'headers', 'content'],
  content: ['schema', 'example', 'examples'],
  header: ['description', 'required', 'schema'],
}

const strange = (at: string, object: object, names: readonly string[]) =>
  Object.keys(object)
    .filter((name) => !names.includes(name))
    .map((name) => `${at}: ${name} does not belong there`)

/** What breaks the rules of OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1), in lines. */
export function structureErrors(document: ApiDocument): string[] {
  const errors = strange('the document', document, known.document)
  const operations = operationsOf(document)
  const ids = operations.map(({ operation }) => operation.operationId)
  for (const id of new Set(ids))
    if (ids.filter((other) => other === id).length > 1) errors.push(`${id} is there twice`)
  const tags = document.tags.map(({ name }) => name)
  for (const described of operations) {
    const { path, method, operation } = described
    const at = `${method} ${path}`
    errors.push(...strange(at, operation, known.operation))
    if (!path.startsWith('/')) errors.push(`${at} does not begin with a slash`)
    for (const tag of operation.tags) if (!tags.includes(tag)) errors.push(`${at}: no tag ${tag}`)
    for (const scheme of (operation.security ?? []).flatMap((one) => Object.keys(one)))
      if (!(scheme in document.components.securitySchemes)) errors.push(`${at}: no ${scheme}`)
    errors.push(...parameterErrors(document, described, at))
    for (const [type, content] of Object.entries(operation.requestBody?.content ?? {}))
      errors.push(...contentErrors(document, content, `${at} ${type}`))
    const statuses = Object.keys(operation.responses)
    if (statuses.length === 0) errors.push(`${at} has no answers`)
    for (const status of statuses) {
      if (!/^[1-5][0-9]{2}$/.test(status)) errors.push(`${at}: ${status} is no status`)
      const response = responseOf(document, operation, Number(status))
      if (response) errors.push(...responseErrors(document, response, `${at} ${status}`))
    }
  }
  return errors
}

function parameterErrors(
  document: ApiDocument,
  { path, operation: { parameters = [] } }: Described,
  at: string,
): string[] {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
  const declared = parameters.filter((parameter) => parameter.in === 'path')
  const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name.toLowerCase()}`)
  return [
    ...inPath
      .filter((name) => !declared.some((one) => one.name === name && one.required))
      .map((name) => `${at}: {${name}} is not declared, or not required`),
    ...declared
      .filter(({ name }) => !inPath.includes(name))
      .map(({ name }) => `${at}: ${name} is not in the path`),
    ...keys.filter((key, index) => keys.indexOf(key) !== index).map((key) => `${at}: ${key} twice`),
    ...parameters.flatMap((parameter) => [
      ...strange(`${at} ${parameter.name}`, parameter, known.parameter),
      ...exampleErrors(document, parameter, `${at} ${parameter.name}`),
      // "Header parameters named Accept, Content-Type or Authorization SHALL be ignored."
      ...(/^(?:accept|content-type|authorization)$/i.test(parameter.name)
        ? [`${at}: ${parameter.name} is ignored`]
        : []),
    ]),
  ]
}

function responseErrors(document: ApiDocument, response: ResponseObject, at: string): string[] {
  return [
    ...strange(at, response, known.response),
    ...(response.description ? [] : [`${at} has no description`]),
    ...Object.entries(response.headers ?? {}).flatMap(([name, header]) =>
      strange(`${at} ${name}`, header, known.header),
    ),
    ...Object.entries(response.content ?? {}).flatMap(([type, content]) =>
      contentErrors(document, content, `${at} ${type}`),
    ),
  ]
}

function contentErrors(document: ApiDocument, content: MediaContent, at: string): string[] {
  return [...strange(at, content, known.content), ...exampleErrors(document, content, at)]
}

/** An example is of the schema beside it, and there is one of `example` and `examples`. */
function exampleErrors(
  document: ApiDocument,
  { schema, example, examples }: Pick<MediaContent, 'schema' | 'example' | 'examples'>,
  at: string,
): string[] {
  const values = [
    ...(example === undefined ? [] : [example]),
    ...Object.values(examples ?? {}).map(({ value }) => value),
  ]
  return [
    ...(example !== undefined && examples ? [`${at} has example and examples`] : []),
    ...values.flatMap((value) => (schema ? errorsOf(schema, value, document, at) : [])),
  ]
}
