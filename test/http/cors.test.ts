import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { type AllowedOrigins, cors, corsHeaders, mergeVary } from '../../src/http/cors.ts'
import type { Env } from '../../src/protocols/env.ts'

let server: http.Server | undefined

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

function appWith(allowed: AllowedOrigins): Hono<Env> {
  const app = new Hono<Env>()
  app.onError((_error, c) => c.text('broken', 500))
  app.use('*', cors(allowed, { passOptionsTo: ['/files'] }))
  app.get('/json', (c) => c.json({}))
  app.get('/engine', () => {
    const headers = { 'Access-Control-Expose-Headers': 'Theirs', Vary: 'Accept' }
    return new Response('raw', { headers })
  })
  app.get('/error', () => {
    throw new Error('broken')
  })
  app.get('/straight', (c) => {
    c.env.outgoing.writeHead(200, { 'Content-Type': 'text/plain' }).end('straight')
    return RESPONSE_ALREADY_SENT
  })
  app.all('/files/*', (c) => {
    if (c.req.method === 'OPTIONS') return c.body(null, 200, { 'Tus-Version': '1.0.0' })
    return c.text('Authentication credentials were not provided.', 401)
  })
  return app
}

async function listen(allowed: AllowedOrigins): Promise<string> {
  const adaptor = createAdaptorServer({
    fetch: appWith(allowed).fetch,
    overrideGlobalObjects: false,
  }) as http.Server
  server = adaptor
  await new Promise<void>((resolve) => adaptor.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(adaptor.address() as AddressInfo).port}`
}

/** `fetch` keeps Origin and preflight headers to itself. */
function ask(
  url: string,
  method: string,
  headers: http.OutgoingHttpHeaders,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      response.resume()
      response.once('end', () => resolve(response))
    })
    request.once('error', reject)
    request.end()
  })
}

const origin = 'https://app.example'
const preflight = { origin, 'access-control-request-method': 'PATCH' }

describe('for any origin', () => {
  it.each([
    ['an answer', '/json', 200],
    ['the answer of an engine that has headers of its own', '/engine', 200],
    ['an answer written straight to the Node response', '/straight', 200],
    ['a refusal', '/files/x', 401],
    ['an unknown path', '/nowhere', 404],
    ['an unexpected error', '/error', 500],
  ])('%s can be read', async (_what, path, status) => {
    const answer = await ask(`${await listen('*')}${path}`, 'GET', { origin })
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['access-control-allow-origin']).toBe('*')
    const exposed = answer.headers['access-control-expose-headers']?.split(', ')
    expect(exposed).toEqual(
      expect.arrayContaining([
        ...['Location', 'Upload-Offset', 'Upload-Length', 'Upload-Expires', 'Tus-Resumable'],
        ...['Tus-Max-Size', 'Tus-Extension', 'Landfall-Media-File', 'Landfall-Media-Url', 'ETag'],
        ...['X-Request-Id', 'Content-Range', 'Content-Disposition', 'Accept-Ranges', 'Retry-After'],
      ]),
    )
  })

  it('an answer is the same without an Origin, and does not vary', async () => {
    const answer = await ask(`${await listen('*')}/json`, 'GET', {})
    expect(answer.headers['access-control-allow-origin']).toBe('*')
    expect(answer.headers.vary).toBeUndefined()
  })

  it('a preflight needs no token and allows what the doors read', async () => {
    const answer = await ask(`${await listen('*')}/api/media/files`, 'OPTIONS', preflight)
    expect(answer.statusCode).toBe(204)
    expect(answer.headers['access-control-allow-origin']).toBe('*')
    const methods = answer.headers['access-control-allow-methods']?.split(', ')
    expect(methods).toEqual(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    const headers = answer.headers['access-control-allow-headers']?.split(', ')
    expect(headers).toEqual(
      expect.arrayContaining([
        ...['Authorization', 'Content-Type', 'Content-Range', 'Content-Disposition', 'Range'],
        ...['Tus-Resumable', 'Upload-Length', 'Upload-Offset', 'Upload-Metadata', 'Upload-Concat'],
        ...['Upload-Checksum', 'Upload-Defer-Length', 'Upload-Complete', 'X-HTTP-Method-Override'],
        ...['X-Requested-With', 'X-Request-Id', 'Repr-Digest', 'If-Match', 'If-Range'],
      ]),
    )
    expect(answer.headers['access-control-max-age']).toBe('86400')
  })

  it.each(['/files', '/files/', '/files/x'])(
    'a preflight to %s is answered by its door, with both kinds of headers',
    async (path) => {
      const answer = await ask(`${await listen('*')}${path}`, 'OPTIONS', preflight)
      expect(answer.statusCode).toBe(200)
      expect(answer.headers['tus-version']).toBe('1.0.0')
      expect(answer.headers['access-control-allow-methods']).toContain('PATCH')
      expect(answer.headers['access-control-allow-origin']).toBe('*')
    },
  )

  it('an OPTIONS that is no preflight goes to its route', async () => {
    const url = await listen('*')
    const discovery = await ask(`${url}/files/`, 'OPTIONS', {})
    expect(discovery.statusCode).toBe(200)
    expect(discovery.headers['access-control-allow-methods']).toBeUndefined()
    expect((await ask(`${url}/json`, 'OPTIONS', { origin })).statusCode).toBe(404)
  })

  it('a path that only begins like a door is not the door', async () => {
    const answer = await ask(`${await listen('*')}/filesystem`, 'OPTIONS', preflight)
    expect(answer.statusCode).toBe(204)
  })
})

describe('for listed origins', () => {
  const listed = ['https://other.example', 'https://App.example/']

  it.each([
    ['/json', 'Origin'],
    ['/error', 'Origin'],
    ['/straight', 'Origin'],
    ['/engine', 'Accept, Origin'],
  ])('%s echoes a listed one and varies by it', async (path, vary) => {
    const answer = await ask(`${await listen(listed)}${path}`, 'GET', { origin })
    expect(answer.headers['access-control-allow-origin']).toBe(origin)
    expect(answer.headers.vary).toBe(vary)
  })

  it.each([
    'https://evil.example',
    'https://app.example.evil.example',
    'http://app.example',
    'null',
    '*',
  ])('does not allow %s', async (foreign) => {
    const url = await listen(listed)
    for (const path of ['/json', '/error', '/straight']) {
      const answer = await ask(`${url}${path}`, 'GET', { origin: foreign })
      expect(answer.headers['access-control-allow-origin']).toBeUndefined()
      expect(answer.headers.vary).toBe('Origin')
    }
    const answer = await ask(`${url}/json`, 'OPTIONS', { ...preflight, origin: foreign })
    expect(answer.statusCode).toBe(204)
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
    expect(answer.headers.vary).toBe('Origin')
  })

  it('a preflight of a listed one is allowed', async () => {
    const answer = await ask(`${await listen(listed)}/json`, 'OPTIONS', preflight)
    expect(answer.headers['access-control-allow-origin']).toBe(origin)
    expect(answer.headers.vary).toBe('Origin')
  })
})

describe('without a Node response', () => {
  it('the headers are on the Response', async () => {
    const engine = await appWith([origin]).request('/engine', { headers: { origin } })
    expect(engine.headers.get('access-control-allow-origin')).toBe(origin)
    expect(engine.headers.get('access-control-expose-headers')).toContain('Upload-Offset')
    expect(engine.headers.get('vary')).toBe('Accept, Origin')
    const missing = await appWith('*').request('/nowhere', { headers: { origin } })
    expect(missing.headers.get('access-control-allow-origin')).toBe('*')
  })
})

describe('corsHeaders', () => {
  it('can be used where Hono is not', () => {
    expect(corsHeaders('*', undefined)['Access-Control-Allow-Origin']).toBe('*')
    expect(corsHeaders([origin], origin)).toMatchObject({
      'Access-Control-Allow-Origin': origin,
      Vary: 'Origin',
    })
    expect(corsHeaders([origin], undefined)).toEqual({ Vary: 'Origin' })
  })
})

describe('mergeVary', () => {
  it.each([
    [null, 'Origin'],
    ['', 'Origin'],
    ['Accept', 'Accept, Origin'],
    ['accept, origin', 'accept, origin'],
    ['*', '*'],
  ])('%j becomes %j', (present, merged) => {
    expect(mergeVary(present, 'Origin')).toBe(merged)
  })
})
