import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import type { MediaRow } from '../../src/media/repo.ts'
import { createThumbnails, thumbnailWidth } from '../../src/media/thumbnails.ts'
import { type Call, type MediaClient, mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: MediaClient
/** Objects that were stored whole since the test began. */
let stored: string[] = []

beforeAll(async () => {
  server = await startServer({
    replaced: {
      wrapStorage: (storage) => ({
        ...storage,
        put: (key, bytes) => {
          stored.push(key)
          return storage.put(key, bytes)
        },
      }),
    },
  })
  client = mediaClient(server, server.admin)
})
afterAll(() => server.close())

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#369' } })
    .png()
    .toBuffer()

describe('a thumbnail', () => {
  let record: MediaRecord
  let source: Buffer
  beforeAll(async () => {
    source = await picture(1000, 500)
    record = await client.upload('wide.png', source)
  })
  beforeEach(() => {
    stored = []
  })
  const thumbnail = (query = '', init: Call = {}) =>
    client.call('GET', `/${record.id}/thumbnail${query}`, init)

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
    const fresh = await client.upload('fresh.png', source)
    const ask = () => client.call('GET', `/${fresh.id}/thumbnail?width=160`)
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
    const answer = await client.call('HEAD', `/${record.id}/thumbnail`)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  it('does not exist for what is no image, or none that can be shown', async () => {
    const text = await client.upload('note.txt', Buffer.from('text'))
    const broken = await client.upload('broken.png', source.subarray(0, 40))
    for (const { id } of [text, broken]) {
      const answer = await client.call('GET', `/${id}/thumbnail`)
      expect(answer.status).toBe(404)
      expect(await answer.json()).toEqual({ detail: 'This file has no thumbnail.' })
    }
    expect((await client.call('GET', '/999999/thumbnail')).status).toBe(404)
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

  it('does not exist for an image that the inspector refuses', async () => {
    const thumbnails = createThumbnails({
      storage: { size: async () => null, put: async () => {}, remove: async () => {} },
      make: () => Promise.reject(new Fault('file-unreadable')),
      exists: async () => true,
    })
    expect(await thumbnails.get({ type: 'image', storageKey: 'k' } as MediaRow, 80)).toBeNull()
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
