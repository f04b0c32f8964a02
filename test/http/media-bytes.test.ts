import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type MediaClient, mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: MediaClient

beforeAll(async () => {
  server = await startServer()
  client = mediaClient(server, server.admin)
})
afterAll(() => server.close())

describe('the bytes', () => {
  it('are served to whoever knows the key, under any name', async () => {
    const bytes = randomBytes(100_000)
    const record = await client.upload('data.bin', bytes)
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
    await client.upload('../../../escape.txt', Buffer.from('text'))
    const folder = path.join(server.dataDir, 'files')
    const names = (await readdir(folder, { recursive: true })).join('\n')
    expect(names).not.toContain('escape')
  })
})
