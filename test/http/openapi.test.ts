import type { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { createApp } from '../../src/http/app.ts'
import { describeApi } from '../../src/http/openapi/document.ts'
import type { Env } from '../../src/protocols/env.ts'
import { errorsOf } from '../support/json-schema.ts'
import {
  type ApiDocument,
  type Described,
  type ExampleRequest,
  examplesOf,
  operationsOf,
  responseOf,
  structureErrors,
} from '../support/openapi.ts'
import { prepare, type State } from '../support/openapi-state.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** The apps that were made, to look at what they route. */
const apps = vi.hoisted(() => [] as unknown[])
vi.mock('../../src/http/app.ts', async (original) => {
  const real = (await original()) as { createApp: typeof createApp }
  return {
    createApp(...given: Parameters<typeof createApp>) {
      const app = real.createApp(...given)
      apps.push(app)
      return app
    },
  }
})

/** What is served to people, and is no part of the API. */
const PAGES = ['/', '/assets/{name}', '/docs', '/docs/{name}']

const usual = {
  version: '0.0.0',
  chunked: { path: '/api/chunked-uploads', fieldName: 'file', checksum: 'md5' },
  resumableHttp: true,
  mediaAccess: 'public',
  sessionsReadonly: false,
}
const operations = operationsOf(describeApi(usual))
const named = operations.map((each) => [`${each.method} ${each.path}`, each] as const)
const examples = operations.flatMap((each) =>
  examplesOf(each.operation).map(
    (example) => [`${each.method} ${each.path}`, example.name, each, example] as const,
  ),
)
const secured = named.filter(([, { operation }]) => operation.security === undefined)

let server: TestServer
let receiver: Receiver
let document: ApiDocument

beforeAll(async () => {
  receiver = await startReceiver()
  server = await startServer({ env: receiver.env, replicas: 1 })
  document = await read(server)
})
afterAll(async () => {
  await server?.close()
  await receiver?.close()
})

async function read({ url }: TestServer): Promise<ApiDocument> {
  const answer = await fetch(`${url}/openapi.json`)
  expect(answer.headers.get('content-type')).toBe('application/json')
  return (await answer.json()) as ApiDocument
}

/** Paths that the last app routes, as the document writes them, without a slash at the end. */
function routed(): string[] {
  const app = apps.at(-1) as Hono<Env>
  const paths = app.routes.map(({ path }) => path).filter((path) => !path.endsWith('*'))
  return [...new Set(paths.map((path) => same(path.replace(/:(\w+)/g, '{$1}'))))].sort()
}

const same = (path: string) => path.replace(/(.)\/$/, '$1')

function expectAllDescribed(described: ApiDocument): void {
  const paths = Object.keys(described.paths).map(same)
  expect(paths.sort()).toEqual(routed().filter((path) => !PAGES.includes(path)))
}

async function send(
  { path, method }: Pick<Described, 'path' | 'method'>,
  { path: shown, query, headers, body }: ExampleRequest,
  state: State = {},
  authorization: string | null = server.admin,
): Promise<Response> {
  const values = { ...shown, ...state.path }
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(values[name])),
  )
  const params = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  )
  const sent = body && payloadOf(body, state.body ?? {})
  return fetch(`${server.url}${filled}${params.size > 0 ? `?${params}` : ''}`, {
    method: method.toUpperCase(),
    redirect: 'manual',
    headers: {
      ...headers,
      ...(authorization && { Authorization: authorization }),
      ...(sent && !(sent instanceof FormData) && body && { 'Content-Type': body.type }),
    },
    ...(sent && { body: sent }),
  })
}

function payloadOf(
  { type, value, content }: NonNullable<ExampleRequest['body']>,
  known: Record<string, string>,
): string | FormData | URLSearchParams {
  if (typeof value === 'string') return value
  const fields = { ...(value as Record<string, string>), ...known }
  if (type === 'application/json') return JSON.stringify(fields)
  if (type === 'application/x-www-form-urlencoded') return new URLSearchParams(fields)
  const properties = content.schema?.properties as Record<string, { contentMediaType?: string }>
  const form = new FormData()
  for (const [name, text] of Object.entries(fields)) {
    if (properties[name]?.contentMediaType === undefined) form.append(name, text)
    else form.append(name, new Blob([text]), 'greeting.txt')
  }
  return form
}

/** Whether an answer is one that the operation describes. */
async function expectDescribed({ operation }: Described, answer: Response): Promise<void> {
  const type = (answer.headers.get('content-type') ?? '').split(';', 1)[0] ?? ''
  const isStream = type === 'text/event-stream'
  const text = isStream ? '' : await answer.text()
  if (isStream) await answer.body?.cancel()
  const response = responseOf(document, operation, answer.status)
  expect(response, `${answer.status} ${text}`).toBeDefined()
  for (const [name, header] of Object.entries(response?.headers ?? {})) {
    const value = answer.headers.get(name)
    if ('required' in header && header.required) expect(value, name).not.toBeNull()
    if (value !== null && 'schema' in header && header.schema.type === 'string')
      expect(errorsOf(header.schema, value, document), name).toEqual([])
  }
  if (text === '' && !isStream) return
  const content = response?.content?.[type] ?? response?.content?.['*/*']
  expect(content, `${answer.status} ${type}: ${text}`).toBeDefined()
  if (content?.schema === undefined || isStream) return
  const value: unknown = type.endsWith('json') ? JSON.parse(text) : text
  expect(errorsOf(content.schema, value, document), text).toEqual([])
}

describe('/openapi.json', () => {
  it('keeps the rules of OpenAPI 3.1, and its examples are of their schemas', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/)
    expect(structureErrors(document)).toEqual([])
  })

  it('names the server by the name that it was asked by', async () => {
    expect(document.servers).toEqual([{ url: server.url }])
    const other = await fetch(`${server.url.replace('127.0.0.1', 'localhost')}/openapi.json`)
    expect(((await other.json()) as ApiDocument).servers[0]?.url).toMatch(/^http:\/\/localhost:/)
  })

  it('is not sent again to whoever has it', async () => {
    const { headers } = await fetch(`${server.url}/openapi.json`)
    const known = { 'If-None-Match': headers.get('etag') ?? '' }
    expect((await fetch(`${server.url}/openapi.json`, { headers: known })).status).toBe(304)
  })

  it('describes every path that is served, and no other', () => {
    expect(routed().length).toBeGreaterThan(25)
    expectAllDescribed(document)
  })

  it('describes every method of every path', async () => {
    for (const [path, item] of Object.entries(document.paths)) {
      const filled = path.replace(/\{(\w+)\}/g, '1')
      const answer = await fetch(server.url + filled, {
        method: 'PROPFIND',
        headers: { Authorization: server.admin, 'Tus-Resumable': '1.0.0' },
      })
      const allowed = (answer.headers.get('allow') ?? '').split(', ').sort()
      const described = Object.keys(item).map((method) => method.toUpperCase())
      // What a GET can, HEAD can; OPTIONS is everywhere; a POST stands for other methods at tus.
      const implied = [...(described.includes('GET') ? ['HEAD'] : []), 'OPTIONS']
      const all = new Set([...described, ...implied])
      if (path === '/files/{id}') all.delete('POST')
      expect([answer.status, path, allowed]).toEqual([405, path, [...all].sort()])
    }
  })

  it.each(named)('gives %s a request to show', (_, { operation }) => {
    expect(examplesOf(operation).length).toBeGreaterThan(0)
    for (const { path } of examplesOf(operation))
      for (const value of Object.values(path)) expect(value).toBeDefined()
  })
})

describe('a request that the description shows', () => {
  it.each(examples)('%s (%s) is served as it says', async (_, name, described, example) => {
    const state = await prepare(server, described.operation.operationId, name)
    const answer = await send(described, example, state)
    expect([answer.status >= 200 && answer.status < 300, answer.status]).toEqual([
      true,
      answer.status,
    ])
    await expectDescribed(described, answer)
  })

  it.each(secured)('%s is refused without a token as it says', async (_, described) => {
    for (const example of examplesOf(described.operation)) {
      const answer = await send(described, example, {}, null)
      expect(answer.status).toBe(401)
      await expectDescribed(described, answer)
    }
  })

  const idMissing = named.filter(
    ([, { path, operation }]) => path.includes('{id}') && '404' in operation.responses,
  )
  it.each(idMissing)('%s is refused as it says where there is none', async (_, described) => {
    for (const example of examplesOf(described.operation)) {
      const nobody = described.path.startsWith('/api/chunked')
        ? '00000000-0000-4000-8000-000000000000'
        : '987654321'
      const answer = await send(described, example, { path: { id: nobody } })
      expect(answer.status).toBe(404)
      await expectDescribed(described, answer)
    }
  })

  const taking = named.filter(([, { operation }]) => {
    const { content = {} } = operation.requestBody ?? {}
    return Object.keys(content).some((type) => type === 'application/json')
  })
  it.each(taking)('%s is refused as it says where its body is no JSON', async (_, described) => {
    const { operationId } = described.operation
    const [example] = examplesOf(described.operation)
    if (example?.body == null) throw new Error('it shows no body')
    const broken = { ...example, body: { ...example.body, value: '{' } }
    const answer = await send(described, broken, {
      path: (await prepare(server, operationId, example.name)).path ?? {},
    })
    expect(answer.status).toBe(400)
    await expectDescribed(described, answer)
  })

  it('has values of filters that the list takes, and values outside that it refuses', async () => {
    const { parameters = [] } = document.paths['/api/media/files']?.get ?? {}
    const valid: Record<string, string> = {
      type: 'image,video',
      created_date: '2026-03-04',
      updated_date: '2026-03-04',
      created_from: '2026-03-04T05:06:07Z',
      created_to: '2026-03-04',
      updated_from: '2026-03-04',
      updated_to: '2026-03-04T05:06:07.123456Z',
    }
    const filters = parameters.filter(
      ({ name }) => !['limit', 'offset', 'search', 'ordering'].includes(name),
    )
    expect(filters.length).toBe(16)
    for (const { name, schema } of filters) {
      const list = async (value: string) => {
        const headers = { Authorization: server.admin }
        const query = new URLSearchParams({ [name]: value })
        return (await fetch(`${server.url}/api/media/files?${query}`, { headers })).status
      }
      const good = valid[name] ?? '12'
      expect(errorsOf(schema, valid[name] ?? 12, document), name).toEqual([])
      expect([name, await list(good)]).toEqual([name, 200])
      expect(errorsOf(schema, 'nonsense', document), name).not.toEqual([])
      expect([name, await list('nonsense')]).toEqual([name, 400])
    }
  })
})

describe('the description', () => {
  it('follows the settings', async () => {
    const other = await startServer({
      replicas: 1,
      env: {
        CHUNKED_PATH: '/upload/chunks/',
        CHUNKED_FIELD_NAME: 'chunk',
        CHUNKED_CHECKSUM: 'sha256',
        RESUMABLE_HTTP: 'false',
        SESSION_READONLY: 'true',
        MEDIA_ACCESS: 'private',
      },
    })
    try {
      const described = await read(other)
      expect(structureErrors(described)).toEqual([])
      // Where nothing is submitted, the path that does is only a 405.
      const paths = Object.keys(described.paths).map(same)
      const submit = '/upload-session/{token}/submit'
      expect([...paths, submit, ...PAGES.filter((page) => routed().includes(page))].sort()).toEqual(
        routed(),
      )
      expect(JSON.stringify(described.paths['/upload/chunks/']?.put)).toContain('"chunk"')
      expect(JSON.stringify(described.paths['/upload/chunks/{id}']?.post)).toContain('"sha256"')
      expect(JSON.stringify(described.paths['/files/']?.post)).not.toMatch(/ietf/i)
      expect(described.paths['/upload-session/']?.post).toBeUndefined()
      expect(described.paths['/media/{key}/{name}']?.get?.security).toContainEqual({ token: [] })
    } finally {
      await other.close()
    }
  })
})
