import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fault, type Reason } from '../../src/errors.ts'
import { describeApi } from '../../src/http/openapi/document.ts'
import type { Env } from '../../src/protocols/env.ts'
import { renderError } from '../../src/protocols/sessions/answer.ts'
import { mediaClient } from '../support/media-client.ts'
import { type ApiDocument, operationsOf, responseOf } from '../support/openapi.ts'
import { startServer, type TestServer } from '../support/server.ts'

const HOUR = 3_600_000

function describedWith(mediaAccess: string): ApiDocument {
  return describeApi({
    version: '0.0.0',
    chunked: { path: '/api/chunked-uploads', fieldName: 'file', checksum: 'md5' },
    resumableHttp: true,
    mediaAccess,
    sessionsReadonly: false,
  }) as ApiDocument
}

const operationOf = (document: ApiDocument, id: string) => {
  const found = operationsOf(document).find(({ operation }) => operation.operationId === id)
  if (found === undefined) throw new Error(`there is no ${id}`)
  return found.operation
}

const shownBy = (document: ApiDocument, id: string, status: number) =>
  responseOf(document, operationOf(document, id), status)?.content?.['application/json']?.example

/** Every media URL that is shown, wherever. */
function mediaUrls(document: ApiDocument): string[] {
  return JSON.stringify(document).match(/https:\/\/files\.example\.org\/media\/[^"\\]+/g) ?? []
}

const bytesOf = ['getBytes', 'getBytesByKey']

describe('the description with another MEDIA_ACCESS', () => {
  it('shows every media URL as records have it', () => {
    const isSigned = (url: string) => /\?expires=\d+&signature=[\w-]{43}(?:&|$)/.test(url)
    expect(mediaUrls(describedWith('public')).filter(isSigned)).toEqual([])
    const signed = mediaUrls(describedWith('signed'))
    expect(signed.length).toBeGreaterThan(8)
    expect(signed.filter((url) => !isSigned(url))).toEqual([])
    // A token opens these; what is handed on has to open without.
    expect(mediaUrls(describedWith('private')).filter(isSigned)).toHaveLength(1)
  })

  it.each(['signed', 'private'])('%s: shows links that end', (access) => {
    const { url, expires_at } = shownBy(describedWith(access), 'shareMediaFile', 201) as {
      url: string
      expires_at: string
    }
    const { searchParams } = new URL(url)
    expect(Number(searchParams.get('expires')) * 1000).toBe(Date.parse(expires_at))
    expect(searchParams.get('download')).toBe('1')
    const plain = shownBy(describedWith('public'), 'shareMediaFile', 201)
    expect(plain).toMatchObject({ url: expect.stringMatching(/\?download=1$/), expires_at: null })
  })

  it.each(bytesOf)('%s is redirected only where URLs are public, and ends only elsewhere', (id) => {
    const statuses = (access: string) =>
      Object.keys(operationOf(describedWith(access), id).responses)
    expect(statuses('public')).toContain('302')
    expect(statuses('public')).not.toContain('410')
    for (const access of ['signed', 'private']) {
      expect(statuses(access)).not.toContain('302')
      expect(statuses(access)).toContain('410')
    }
  })
})

it('every operation that needs database or storage says that they may be away', () => {
  const without = operationsOf(describedWith('private')).filter(
    ({ operation }) => !('503' in operation.responses),
  )
  expect(without.map(({ operation }) => operation.operationId).sort()).toEqual([
    'discoverUploads',
    'getDescription',
    'getMetrics',
    'isAlive',
  ])
})

it('upload sessions say what hinders them in their own words, as they are described', async () => {
  const document = describedWith('public')
  const app = new Hono<Env>()
  const log = { warn: () => {}, error: () => {} }
  const reasons = ['quota-exceeded', 'locked', 'too-many-creations', 'unavailable', 'storage-full']
  app.get('/:reason', (c) =>
    renderError(c, log, new Fault(c.req.param('reason') as Reason, { retryAfterSeconds: 1 })),
  )
  for (const reason of reasons) {
    const answer = await app.request(`/${reason}`)
    const id = reason === 'locked' ? 'submitSession' : 'addSessionFile'
    expect([answer.status, await answer.json()]).toEqual([
      answer.status,
      shownBy(document, id, answer.status),
    ])
  }
})

describe('a server', () => {
  let server: TestServer
  let document: ApiDocument
  let aheadMs = 0

  beforeAll(async () => {
    const now = () => new Date(Date.now() + aheadMs)
    server = await startServer({ env: { MEDIA_ACCESS: 'signed' }, replaced: { now }, replicas: 1 })
    document = (await (await fetch(`${server.url}/openapi.json`)).json()) as ApiDocument
  })
  afterAll(() => server.close())

  it('refuses a link that has ended, and a body that is too large, as it is described', async () => {
    const client = mediaClient(server, server.admin)
    const { id } = await client.upload('a.txt', Buffer.from('a text'))
    const made = await client.call('POST', `/${id}/links`, { body: '{"expires_in":"1h"}' })
    const { url } = (await made.json()) as { url: string }
    aheadMs = 2 * HOUR
    const ended = await fetch(url)
    aheadMs = 0
    expect(ended.status).toBe(410)
    for (const each of bytesOf)
      expect(await ended.clone().json()).toMatchObject(shownBy(document, each, 410) as object)
    const body = JSON.stringify({ download: true, more: 'x'.repeat(1024 * 1024) })
    const large = await client.call('POST', `/${id}/links`, { body })
    expect(large.status).toBe(413)
    for (const each of ['shareMediaFile', 'changeMediaFile'])
      expect(operationOf(document, each).responses).toHaveProperty('413')
  })
})

describe('/openapi.json, compressed', () => {
  /** The byte of RFC 1952 §2.3.1 that says how hard was worked: 2 the most, 4 the least. */
  async function effortAt(url: string, host: string): Promise<number | undefined> {
    const asked = get(`${url}/openapi.json`, {
      headers: { 'Accept-Encoding': 'gzip', Host: host },
    })
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect(answer.headers['content-encoding']).toBe('gzip')
    const bytes = await buffer(answer)
    expect(JSON.parse(gunzipSync(bytes).toString()).openapi).toMatch(/^3\.1/)
    return bytes[8]
  }

  it('costs little where whoever asks can have another made by another Host', async () => {
    const server = await startServer()
    try {
      expect(await effortAt(server.url, 'one.example')).toBe(4)
      expect(await effortAt(server.url, 'two.example')).toBe(4)
    } finally {
      await server.close()
    }
  })

  it('is as small as can be where there is only one (PUBLIC_URL)', async () => {
    const server = await startServer({ env: { PUBLIC_URL: 'https://files.example.org' } })
    try {
      expect(await effortAt(server.url, 'one.example')).toBe(2)
    } finally {
      await server.close()
    }
  })
})
