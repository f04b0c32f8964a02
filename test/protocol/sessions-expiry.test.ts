import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { remains } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { counted, type SessionClient, userOf } from '../support/sessions.ts'
import { encode, tusClient } from '../support/tus.ts'

const HOUR_MS = 3600_000

describe('a session whose time is up', () => {
  let server: TestServer
  let client: SessionClient
  let now = Date.now()

  beforeAll(async () => {
    server = await startServer({
      env: { SESSION_EXPIRES_AFTER: '2h', UPLOAD_EXPIRES_AFTER: '3h', SESSION_MAX_OPEN: '2' },
      replaced: { now: () => new Date(now) },
    })
    client = await userOf(server)
  })
  afterAll(() => server.close())

  it('takes and shows nothing, loses its files, and makes room for another', async () => {
    const empty = await remains(server)
    const [token, other] = [await client.open(), await client.open()]
    await client.add(token, 'a.txt', 'text')
    const tus = tusClient(server.url, client.authorization)
    const url = await tus.begin(5, { filename: 'half.txt', session: token })
    expect((await client.json('POST', '/')).status).toBe(400)
    now += 2 * HOUR_MS + 1000
    const over = async () => {
      const added = await client.add(token, 'b.txt', 'text')
      const words = {
        uploadSessionToken: token,
        error: 'This upload session has expired or was submitted: it takes no files.',
      }
      expect([added.status, added.body]).toEqual([400, words])
      const submitted = await client.json('POST', `/${token}/submit`)
      expect([submitted.status, submitted.body]).toEqual([400, words])
      const begun = await tus.create({
        'Upload-Length': '5',
        'Upload-Metadata': encode({ filename: 'c.txt', session: token }),
      })
      expect([begun.status, await begun.text()]).toEqual([400, `${words.error}\n`])
      expect(await client.names(token)).toEqual([])
      for (const method of ['GET', 'DELETE'])
        expect((await client.call(method, `/${token}/files/a.txt`)).status).toBe(404)
      const listed = (await client.json('GET', '/')).body.sessions
      expect(listed).toContainEqual(
        expect.objectContaining({ uploadSessionToken: token, status: 'expired', fileCount: 0 }),
      )
    }
    await over()
    await server.landfall.sweep()
    await over()
    expect((await tus.head(url)).status).toBe(410)
    expect(await counted(server, token)).toEqual({ status: 'expired', files: 0, bytes: 0 })
    expect({ ...(await remains(server)), open: [] }).toEqual(empty)
    expect((await client.json('POST', '/')).status).toBe(201)
    expect((await counted(server, other)).status).toBe('expired')

    now += 31 * 24 * HOUR_MS
    await server.landfall.sweep()
    await server.landfall.sweep()
    expect((await client.json('GET', `/${token}/files`)).body.error).toMatch(/^Invalid/)
  })

  it('is one without activity: each file, and each byte of a large one, keeps it open', async () => {
    const token = await client.open()
    const tus = tusClient(server.url, client.authorization)
    const url = await tus.begin(10, { filename: 'large.txt', session: token })
    for (let offset = 0; offset < 10; offset += 5) {
      now += 1.5 * HOUR_MS
      await server.landfall.sweep()
      expect((await tus.patch(url, offset, 'hello')).status).toBe(204)
    }
    now += 1.5 * HOUR_MS
    expect((await client.add(token, 'small.txt', 'text')).status).toBe(200)
    now += 1.5 * HOUR_MS
    await client.add(token, 'wrong.txt', 'text')
    await client.call('DELETE', `/${token}/files/wrong.txt`)
    now += 1.5 * HOUR_MS
    expect((await client.call('DELETE', `/${token}/files/small.txt`)).status).toBe(204)
    now += 1.5 * HOUR_MS
    expect((await client.add(token, 'small.txt', 'text')).status).toBe(200)
    await server.landfall.sweep()
    expect(await client.names(token)).toEqual(['large.txt', 'small.txt'])
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
    now += 100 * HOUR_MS
    await server.landfall.sweep()
    expect(await client.names(token)).toEqual(['large.txt', 'small.txt'])
  })
})
