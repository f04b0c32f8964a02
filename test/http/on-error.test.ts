import { DrizzleQueryError } from 'drizzle-orm/errors'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import { requestLog } from '../../src/http/request-log.ts'
import type { Env } from '../../src/protocols/env.ts'
import { createLog } from '../../src/telemetry/log.ts'

const lines: string[] = []
const log = createLog({ destination: { write: (line) => lines.push(line) } })

async function answerTo(error: unknown) {
  lines.length = 0
  const routes = new Hono<Env>().get('/broken', () => {
    throw error
  })
  const app = createApp({
    log,
    corsOrigins: '*',
    requestLog: requestLog({ log, metrics: { requestDone: () => {} } }),
    mounts: [['/', routes]],
    ownOptions: [],
  })
  const response = await app.request('/broken')
  return { response, text: await response.text() }
}

const sql = new DrizzleQueryError(
  'select "hash" from "tokens" where "hash" = $1',
  ['c0ffee'],
  Object.assign(new Error('syntax error at /srv/landfall/data'), { code: '42601' }),
)

describe('an error', () => {
  it('that nobody expected is answered with a generic text and an id, and logged in full', async () => {
    const { response, text } = await answerTo(sql)
    expect(response.status).toBe(500)
    const requestId = response.headers.get('x-request-id')
    expect(JSON.parse(text)).toEqual({
      detail: 'There was an internal server error. Please try again.',
      request_id: requestId,
    })
    expect(text).not.toMatch(/select|tokens|srv|syntax|at .*\.ts/)
    const logged = JSON.parse(lines[0] ?? '{}')
    expect(logged).toMatchObject({ level: 'error', requestId })
    expect(JSON.stringify(logged)).toContain('syntax error')
    expect(JSON.stringify(logged)).not.toContain('c0ffee')
  })

  it('of a database that is away is 503 with a time to come back', async () => {
    const away = new DrizzleQueryError(
      'select 1',
      [],
      Object.assign(new Error('x'), { code: '57P01' }),
    )
    const { response, text } = await answerTo(away)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(JSON.parse(text)).toEqual({
      detail: 'The service is briefly unavailable: try again in a moment.',
    })
    expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ level: 'warn' })
  })

  it('about fields is answered field by field', async () => {
    const { response, text } = await answerTo(
      new Fault('bad-request', { fields: { name: ['This field may not be blank.'] } }),
    )
    expect(response.status).toBe(400)
    expect(JSON.parse(text)).toEqual({ name: ['This field may not be blank.'] })
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it('of a client without a token names the challenge and has CORS headers', async () => {
    const { response } = await answerTo(new Fault('not-authenticated'))
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Token')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })

  it('with a reason that means nothing to a client is as unexpected as any', async () => {
    const { response, text } = await answerTo(new Fault('internal', { text: 'at /srv/landfall' }))
    expect(response.status).toBe(500)
    expect(text).not.toContain('/srv')
  })

  it('for a path that nobody serves is 404', async () => {
    const app = createApp({
      log,
      corsOrigins: '*',
      requestLog: requestLog({ log, metrics: { requestDone: () => {} } }),
      mounts: [],
      ownOptions: [],
    })
    const response = await app.request('/nothing')
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: 'Not found.' })
    expect(response.headers.get('x-request-id')).toMatch(/^[\w-]{16}$/)
  })
})
