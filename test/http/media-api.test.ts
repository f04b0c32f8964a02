import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rows } from '../../src/db/database.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { type MediaClient, mediaClient } from '../support/media-client.ts'
import { remains } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: MediaClient
let staff: string
let user: string
let now = new Date('2026-03-04T05:06:07.000Z')

beforeAll(async () => {
  server = await startServer({ replaced: { now: () => now } })
  staff = (await server.accounts.add('staff')).authorization
  user = (await server.accounts.add('user')).authorization
  client = mediaClient(server, staff)
})
afterAll(() => server.close())

describe('one record', () => {
  let record: MediaRecord
  beforeAll(async () => {
    record = await client.upload('note.txt', Buffer.from('text'))
  })

  it('is the same under its id, with and without a slash at the end', async () => {
    expect(await client.one(record.id)).toEqual(record)
    expect(await (await client.call('GET', `/${record.id}/`)).json()).toEqual(record)
    const answer = await client.call('HEAD', `/${record.id}`)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  it.each([
    '0',
    '999999',
    '9'.repeat(40),
    '-1',
    '%2B1',
    '1e3',
    '0x1',
    'abc',
    '%00',
    '%E0%A4%A',
    '..;',
  ])('is not found under %j, by any method', async (id) => {
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await client.call(method, `/${id}`, method === 'PATCH' ? { body: '{}' } : {})
      expect([answer.status, await answer.json()]).toEqual([404, { detail: 'Not found.' }])
    }
  })

  it('is refused to those who may not see it, by every method and before anything else', async () => {
    const body = 'not json'
    for (const to of [`/${record.id}`, '/999999', '', `/${record.id}/thumbnail`, '/1/2/3']) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'POST']) {
        const sent = method === 'GET' ? {} : { body }
        const unknown = await client.call(method, to, { ...sent, as: null })
        expect([unknown.status, await unknown.json()]).toEqual([
          401,
          { detail: 'Authentication credentials were not provided.' },
        ])
        expect(unknown.headers.get('www-authenticate')).toBe('Token')
        const forbidden = await client.call(method, to, { ...sent, as: user })
        expect([forbidden.status, await forbidden.json()]).toEqual([
          403,
          { detail: 'You do not have permission to perform this action.' },
        ])
      }
    }
    expect(await client.one(record.id)).toEqual(record)
  })

  it.each([
    ['PUT', '', 'GET, POST, HEAD, OPTIONS'],
    ['DELETE', '', 'GET, POST, HEAD, OPTIONS'],
    ['PUT', '/1', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['POST', '/1', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['DELETE', '/1/thumbnail', 'GET, HEAD, OPTIONS'],
  ])('%s on "%s" is not allowed', async (method, to, allow) => {
    const answer = await client.call(method, to)
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe(allow)
    expect(await answer.json()).toEqual({ detail: `Method "${method}" not allowed.` })
  })
})

describe('PATCH', () => {
  let record: MediaRecord
  beforeEach(async () => {
    now = new Date('2026-03-04T05:06:07.000Z')
    record = await client.upload('note.txt', Buffer.from('text'))
    now = new Date('2026-03-04T06:00:00.500Z')
  })
  const patch = (body: string, headers = {}) =>
    client.call('PATCH', `/${record.id}`, { body, headers })

  it('changes name and description, and nothing else', async () => {
    const body = {
      name: ' new 😀 name ',
      description: 'd'.repeat(65_536),
      size: 1,
      id: 5,
      type: 'pdf',
    }
    const answer = await patch(JSON.stringify(body))
    expect(answer.status).toBe(200)
    const changed = await answer.json()
    expect(changed).toEqual({
      ...record,
      name: 'new 😀 name',
      description: body.description,
      f: record.f.replace('note.txt', 'new%20%F0%9F%98%80%20name'),
      updated_at: '2026-03-04T06:00:00.500000Z',
    })
    expect(await client.one(record.id)).toEqual(changed)
    expect(await (await fetch((changed as MediaRecord).f)).text()).toBe('text')
  })

  it('changes one alone, takes a number for a text, and empties a description', async () => {
    await patch('{"description": 1.5}')
    expect(await client.one(record.id)).toMatchObject({ name: 'note.txt', description: '1.5' })
    await patch('{"description": " "}')
    expect(await client.one(record.id)).toMatchObject({ name: 'note.txt', description: '' })
  })

  it('changes nothing where nothing is given', async () => {
    for (const body of ['{}', '{"unknown": 1, "__proto__": {"name": "x"}}']) {
      const answer = await patch(body)
      expect([answer.status, await answer.json()]).toEqual([200, record])
    }
    const bodiless = await client.call('PATCH', `/${record.id}`)
    expect([bodiless.status, await bodiless.json()]).toEqual([200, record])
  })

  it.each([
    ['{"name": ""}', { name: ['This field may not be blank.'] }],
    ['{"name": " \\n "}', { name: ['This field may not be blank.'] }],
    ['{"name": null}', { name: ['This field may not be null.'] }],
    ['{"name": true}', { name: ['Not a valid string.'] }],
    ['{"name": ["x"]}', { name: ['Not a valid string.'] }],
    ['{"name": "a\\u0000b"}', { name: ['Null characters are not allowed.'] }],
    ['{"name": "é\\udc00"}', { name: ['Surrogate characters are not allowed: U+DC00.'] }],
    [
      JSON.stringify({ name: 'x'.repeat(256), description: 'x'.repeat(65_537) }),
      {
        name: ['Ensure this field has no more than 255 characters.'],
        description: ['Ensure this field has no more than 65536 characters.'],
      },
    ],
    ['[]', { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }],
  ])('%.40s is a 400 and changes nothing', async (body, expected) => {
    const answer = await patch(body)
    expect([answer.status, await answer.json()]).toEqual([400, expected])
    expect(await client.one(record.id)).toEqual(record)
  })

  it.each(['{"name": ', '{name: 1}', '{"name": NaN}', '"'])('%s is no JSON', async (body) => {
    const answer = await patch(body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({ detail: expect.stringMatching(/^JSON parse error/) })
  })

  it('takes JSON only', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const answer = await patch('{"name": "x"}', { 'Content-Type': type })
      expect(answer.status).toBe(415)
      expect(await answer.json()).toEqual({
        detail: `Unsupported media type "${type}" in request.`,
      })
    }
    const charset = await patch('{"name": "x"}', {
      'Content-Type': 'Application/JSON; charset=utf-8',
    })
    expect(charset.status).toBe(200)
  })

  it('counts 255 characters as people do', async () => {
    expect((await patch(JSON.stringify({ name: '😀'.repeat(255) }))).status).toBe(200)
    expect((await patch(JSON.stringify({ name: '😀'.repeat(256) }))).status).toBe(400)
  })
})

describe('DELETE', () => {
  it('takes record, bytes and thumbnails away', async () => {
    const before = await remains(server)
    const source = { width: 400, height: 300, channels: 3, background: '#369' } as const
    const bytesOfIt = await sharp({ create: source }).png().toBuffer()
    const record = await client.upload('gone.png', bytesOfIt)
    expect((await client.call('GET', `/${record.id}/thumbnail?width=80`)).status).toBe(200)
    expect((await client.call('GET', `/${record.id}/thumbnail?width=640`)).status).toBe(200)
    const [row] = await rows<{ upload_id: string }>(
      server.database.db,
      sql`select upload_id from media_files where id = ${record.id}`,
    )
    const answer = await client.call('DELETE', `/${record.id}`)
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    const headers = { Authorization: staff, 'Tus-Resumable': '1.0.0' }
    const ended = await fetch(`${server.url}/files/${row?.upload_id}`, { method: 'HEAD', headers })
    expect(ended.status).toBe(410)
    expect((await client.call('GET', `/${record.id}`)).status).toBe(404)
    expect((await client.call('DELETE', `/${record.id}`)).status).toBe(404)
    const bytes = await fetch(record.f)
    expect([bytes.status, await bytes.json()]).toEqual([404, { detail: 'Not found.' }])
    expect(await remains(server)).toEqual(before)
  })

  it('is done once when it is asked for many times at once', async () => {
    const record = await client.upload('raced.txt', Buffer.from('text'))
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => client.call('DELETE', `/${record.id}`)),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([204, ...Array(7).fill(404)])
  })
})
