import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rows } from '../../src/db/database.ts'
import { Fault } from '../../src/errors.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import type { MediaRow } from '../../src/media/repo.ts'
import { createThumbnails, thumbnailWidth } from '../../src/media/thumbnails.ts'
import { remains } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let staff: string
let user: string
let now = new Date('2026-03-04T05:06:07.000Z')
/** Thumbnails that were stored since the server began. */
let stored: string[] = []

beforeAll(async () => {
  server = await startServer({
    replaced: {
      now: () => now,
      wrapStorage: (storage) => ({
        ...storage,
        put: (key, bytes) => {
          stored.push(key)
          return storage.put(key, bytes)
        },
      }),
    },
  })
  staff = (await server.accounts.add('staff')).authorization
  user = (await server.accounts.add('user')).authorization
})
afterAll(() => server.close())

interface Call {
  body?: string
  headers?: Record<string, string>
  /** An Authorization value; null for none. Default: a member of staff. */
  as?: string | null
}

function call(method: string, to: string, { body, headers, as = staff }: Call = {}) {
  return fetch(`${server.url}/api/media/files${to}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      ...(as === null ? {} : { Authorization: as }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
  })
}

async function upload(name: string, bytes: Uint8Array): Promise<MediaRecord> {
  const body = new FormData()
  body.append('f', new Blob([bytes]), name)
  const answer = await fetch(`${server.url}/api/media/files`, {
    method: 'POST',
    body,
    headers: { Authorization: staff },
  })
  expect(answer.status).toBe(201)
  return (await answer.json()) as MediaRecord
}

const one = async (id: number) => (await (await call('GET', `/${id}`)).json()) as MediaRecord
const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#369' } })
    .png()
    .toBuffer()

describe('one record', () => {
  let record: MediaRecord
  beforeAll(async () => {
    record = await upload('note.txt', Buffer.from('text'))
  })

  it('is the same under its id, with and without a slash at the end', async () => {
    expect(await one(record.id)).toEqual(record)
    expect(await (await call('GET', `/${record.id}/`)).json()).toEqual(record)
    const answer = await call('HEAD', `/${record.id}`)
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
      const answer = await call(method, `/${id}`, method === 'PATCH' ? { body: '{}' } : {})
      expect([answer.status, await answer.json()]).toEqual([404, { detail: 'Not found.' }])
    }
  })

  it('is refused to those who may not see it, by every method and before anything else', async () => {
    const body = 'not json'
    for (const to of [`/${record.id}`, '/999999', '', `/${record.id}/thumbnail`, '/1/2/3']) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'POST']) {
        const sent = method === 'GET' ? {} : { body }
        const unknown = await call(method, to, { ...sent, as: null })
        expect([unknown.status, await unknown.json()]).toEqual([
          401,
          { detail: 'Authentication credentials were not provided.' },
        ])
        expect(unknown.headers.get('www-authenticate')).toBe('Token')
        const forbidden = await call(method, to, { ...sent, as: user })
        expect([forbidden.status, await forbidden.json()]).toEqual([
          403,
          { detail: 'You do not have permission to perform this action.' },
        ])
      }
    }
    expect(await one(record.id)).toEqual(record)
  })

  it.each([
    ['PUT', '', 'GET, POST, HEAD, OPTIONS'],
    ['DELETE', '', 'GET, POST, HEAD, OPTIONS'],
    ['PUT', '/1', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['POST', '/1', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['DELETE', '/1/thumbnail', 'GET, HEAD, OPTIONS'],
  ])('%s on "%s" is not allowed', async (method, to, allow) => {
    const answer = await call(method, to)
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe(allow)
    expect(await answer.json()).toEqual({ detail: `Method "${method}" not allowed.` })
  })
})

describe('PATCH', () => {
  let record: MediaRecord
  beforeEach(async () => {
    now = new Date('2026-03-04T05:06:07.000Z')
    record = await upload('note.txt', Buffer.from('text'))
    now = new Date('2026-03-04T06:00:00.500Z')
  })
  const patch = (body: string, headers = {}) => call('PATCH', `/${record.id}`, { body, headers })

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
    expect(await one(record.id)).toEqual(changed)
    expect(await (await fetch((changed as MediaRecord).f)).text()).toBe('text')
  })

  it('changes one alone, takes a number for a text, and empties a description', async () => {
    await patch('{"description": 1.5}')
    expect(await one(record.id)).toMatchObject({ name: 'note.txt', description: '1.5' })
    await patch('{"description": " "}')
    expect(await one(record.id)).toMatchObject({ name: 'note.txt', description: '' })
  })

  it('changes nothing where nothing is given', async () => {
    for (const body of ['{}', '{"unknown": 1, "__proto__": {"name": "x"}}']) {
      const answer = await patch(body)
      expect([answer.status, await answer.json()]).toEqual([200, record])
    }
    const bodiless = await call('PATCH', `/${record.id}`)
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
    expect(await one(record.id)).toEqual(record)
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
    const record = await upload('gone.png', await picture(400, 300))
    expect((await call('GET', `/${record.id}/thumbnail?width=80`)).status).toBe(200)
    expect((await call('GET', `/${record.id}/thumbnail?width=640`)).status).toBe(200)
    const [row] = await rows<{ upload_id: string }>(
      server.database.db,
      sql`select upload_id from media_files where id = ${record.id}`,
    )
    const answer = await call('DELETE', `/${record.id}`)
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    const headers = { Authorization: staff, 'Tus-Resumable': '1.0.0' }
    const ended = await fetch(`${server.url}/files/${row?.upload_id}`, { method: 'HEAD', headers })
    expect(ended.status).toBe(410)
    expect((await call('GET', `/${record.id}`)).status).toBe(404)
    expect((await call('DELETE', `/${record.id}`)).status).toBe(404)
    const bytes = await fetch(record.f)
    expect([bytes.status, await bytes.json()]).toEqual([404, { detail: 'Not found.' }])
    expect(await remains(server)).toEqual(before)
  })

  it('is done once when it is asked for many times at once', async () => {
    const record = await upload('raced.txt', Buffer.from('text'))
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call('DELETE', `/${record.id}`)),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([204, ...Array(7).fill(404)])
  })
})

describe('a thumbnail', () => {
  let record: MediaRecord
  let source: Buffer
  beforeAll(async () => {
    source = await picture(1000, 500)
    record = await upload('wide.png', source)
  })
  beforeEach(() => {
    stored = []
  })
  const thumbnail = (query = '', init: Call = {}) =>
    call('GET', `/${record.id}/thumbnail${query}`, init)

  it.each([
    ['', 320],
    ['?width=', 320],
    ['?width=1', 80],
    ['?width=-5', 80],
    ['?width=80', 80],
    ['?width=81', 160],
    ['?width=500', 640],
  ])('%s is a WebP of the next width', async (query, width) => {
    const answer = await thumbnail(query)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('image/webp')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('cache-control')).toMatch(/private/)
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect(answer.headers.get('content-length')).toBe(String(bytes.length))
    expect(await sharp(bytes).metadata()).toMatchObject({
      format: 'webp',
      width,
      height: width / 2,
    })
  })

  it('is never wider than the image', async () => {
    for (const width of ['1280', '9'.repeat(30)]) {
      const bytes = await (await thumbnail(`?width=${width}`)).arrayBuffer()
      expect((await sharp(bytes).metadata()).width).toBeLessThanOrEqual(1280)
    }
  })

  it('is made once, however many ask for it at once, and kept', async () => {
    const fresh = await upload('fresh.png', source)
    const ask = () => call('GET', `/${fresh.id}/thumbnail?width=160`)
    const answers = await Promise.all(Array.from({ length: 10 }, ask))
    const bodies = await Promise.all(answers.map((answer) => answer.arrayBuffer()))
    expect(new Set(bodies.map((body) => Buffer.from(body).toString('base64'))).size).toBe(1)
    await (await ask()).arrayBuffer()
    expect(stored.filter((key) => key.endsWith('.w160.webp'))).toHaveLength(1)
  })

  it('need not be sent again to who has it', async () => {
    const etag = (await thumbnail()).headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[^"]+"$/)
    expect((await thumbnail('?width=80')).headers.get('etag')).not.toBe(etag)
    const again = await thumbnail('', { headers: { 'If-None-Match': etag } })
    expect([again.status, await again.text()]).toEqual([304, ''])
  })

  it('has a HEAD without a body', async () => {
    const answer = await call('HEAD', `/${record.id}/thumbnail`)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  it('does not exist for what is no image, or none that can be shown', async () => {
    const text = await upload('note.txt', Buffer.from('text'))
    const broken = await upload('broken.png', source.subarray(0, 40))
    for (const { id } of [text, broken]) {
      const answer = await call('GET', `/${id}/thumbnail`)
      expect(answer.status).toBe(404)
      expect(await answer.json()).toEqual({ detail: 'This file has no thumbnail.' })
    }
    expect((await call('GET', '/999999/thumbnail')).status).toBe(404)
  })

  it('is refused for a width that is no number', async () => {
    for (const width of ['abc', '1e3', '5.0', '0x10']) {
      const answer = await thumbnail(`?width=${width}`)
      expect([answer.status, await answer.json()]).toEqual([400, { width: ['Enter a number.'] }])
    }
  })

  it('is taken back when its file is deleted while it is being made', async () => {
    const kept = new Map<string, Uint8Array>()
    const thumbnails = createThumbnails({
      storage: {
        size: async (key) => kept.get(key)?.byteLength ?? null,
        put: async (key, bytes) => void kept.set(key, bytes),
        remove: async (key) => void kept.delete(key),
      },
      make: async () => new Uint8Array(3),
      exists: async () => false,
    })
    const row = { type: 'image', storageKey: 'k' } as MediaRow
    expect(await thumbnails.get(row, 80)).toBeNull()
    expect(kept.size).toBe(0)
  })

  it('is tried again after a failure that passes', async () => {
    let tries = 0
    const thumbnails = createThumbnails({
      storage: { size: async () => null, put: async () => {}, remove: async () => {} },
      make: async () => {
        tries += 1
        if (tries === 1) throw new Fault('unavailable')
        return new Uint8Array(3)
      },
      exists: async () => true,
    })
    const row = { type: 'image', storageKey: 'k' } as MediaRow
    await expect(thumbnails.get(row, 80)).rejects.toThrow(Fault)
    expect(await thumbnails.get(row, 80)).toEqual({ storageKey: 'k.w80.webp', size: 3 })
  })
})

describe('thumbnailWidth', () => {
  it('is the next of those that exist', () => {
    expect(
      [undefined, 0n, 80n, 81n, 1280n, 1281n, 2n ** 70n].map((n) => thumbnailWidth(n)),
    ).toEqual([320, 80, 80, 160, 1280, 1280, 1280])
  })
})

describe('the bytes', () => {
  it('are served to whoever knows the key, under any name', async () => {
    const bytes = randomBytes(100_000)
    const record = await upload('data.bin', bytes)
    const { origin, pathname } = new URL(record.f)
    expect(pathname).toMatch(/^\/media\/[\w-]{22}\/data\.bin$/)
    const key = pathname.split('/')[2]
    for (const name of ['/data.bin', '/other', '/', '', '/a%2Fb', '/%E0%A4%A', '/x?token=y']) {
      const answer = await fetch(`${origin}/media/${key}${name}`)
      expect(answer.status, name).toBe(200)
      expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
    }
    const head = await fetch(record.f, { method: 'HEAD' })
    expect(head.headers.get('content-length')).toBe('100000')
    expect(head.headers.get('last-modified')).toBe(new Date(record.created_at).toUTCString())
    const range = await fetch(record.f, { headers: { Range: 'bytes=10-19' } })
    expect([
      range.status,
      Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(10, 20)),
    ]).toEqual([206, true])
    const download = await fetch(`${record.f}?download=1`)
    expect(download.headers.get('content-disposition')).toMatch(/^attachment/)
    await download.body?.cancel()
  })

  it.each(['nobody', 'x'.repeat(500), '%00', '..%2f..%2fetc', "'", '%E0%A4%A'])(
    'are not found under the key %j',
    async (key) => {
      const answer = await fetch(`${server.url}/media/${key}/name`)
      expect([answer.status, await answer.json()]).toEqual([404, { detail: 'Not found.' }])
    },
  )

  it('are only read', async () => {
    const answer = await fetch(`${server.url}/media/key/name`, { method: 'DELETE' })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  it('lie under a path that no name has a part in', async () => {
    await upload('../../../escape.txt', Buffer.from('text'))
    const folder = path.join(server.dataDir, 'files')
    const names = (await readdir(folder, { recursive: true })).join('\n')
    expect(names).not.toContain('escape')
  })
})
