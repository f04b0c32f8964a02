import { createHash } from 'node:crypto'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { uploads } from '../../src/db/schema.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { filesIn } from '../support/folder.ts'
import { file, form, formClient } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { userOf } from '../support/sessions.ts'
import { BODY_TYPE, encode, tusClient } from '../support/tus.ts'

/** Longer than a row may stand at its creation and a body may be silent. */
const LONG_MS = 130_000

let ahead = 0
const now = () => new Date(Date.now() + ahead)
let beforeObject: (() => Promise<void>) | undefined

function wrapStorage(storage: Storage): Storage {
  return {
    ...storage,
    async create(...args) {
      await beforeObject?.()
      await storage.create(...args)
    },
  }
}

describe.each(['embedded', 'postgres'] as const)('bytes that come with a creation, %s', (kind) => {
  let server: TestServer

  beforeAll(async () => {
    server = await startServer({
      database: kind,
      env: { USER_MAX_BYTES: '5000' },
      replaced: { now, wrapStorage },
    })
  })
  afterAll(() => server.close())
  afterEach(() => {
    ahead = 0
    beforeObject = undefined
  })

  const states = async () =>
    (await server.database.db.select({ state: uploads.state }).from(uploads)).map(
      ({ state }) => state,
    )

  it('are not swept while they come, however long a body with a checksum takes', async () => {
    const body = Buffer.from('slow but sound')
    const sum = createHash('sha1').update(body).digest('base64')
    const raw = await openRaw(server.url)
    raw.send(
      `POST /files/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${server.admin}\r\nTus-Resumable: 1.0.0\r\n` +
        `Content-Type: ${BODY_TYPE}\r\nUpload-Length: ${body.length}\r\n` +
        `Upload-Checksum: sha1 ${sum}\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    raw.send(body.subarray(0, 4))
    await expect.poll(states).toContain('receiving')
    ahead = LONG_MS
    await server.landfall.sweep()
    raw.send(body.subarray(4))
    expect((await raw.answer()).status).toBe(201)
  })

  it('go into a session without a length before their end', async () => {
    const client = await userOf(server)
    const session = await client.open()
    const tus = tusClient(server.url, client.authorization)
    const answer = await tus.create(
      {
        'Upload-Defer-Length': '1',
        'Upload-Metadata': encode({ filename: 'a.txt', session }),
        'Content-Type': BODY_TYPE,
      },
      'half',
    )
    expect([answer.status, answer.headers.get('upload-offset')]).toEqual([201, '4'])
    const url = answer.headers.get('location') ?? ''
    const last = await tus.patch(url, 4, ' and half', { 'Upload-Length': '13' })
    expect(last.status).toBe(204)
    expect(await client.names(session)).toEqual(['a.txt'])
  })

  it('in a form are 413 where they are more than the quota', async () => {
    const sender = formClient(server, server.admin)
    const answer = await sender.post(form(file('large.bin', Buffer.alloc(6_000))))
    expect(answer.status).toBe(413)
  })

  it('leave no object where their row was swept before it was made', async () => {
    const before = await filesIn(path.join(server.dataDir, 'files'))
    beforeObject = async () => {
      ahead = LONG_MS
      // A server whose lease has ended meanwhile: nobody would sweep it from under one that is alive.
      await server.database.db.update(uploads).set({ lockOwner: null })
      await server.landfall.sweep()
      ahead = 0
    }
    const headers = { 'Upload-Length': '5', 'Content-Type': BODY_TYPE }
    const answer = await tusClient(server.url, server.admin).create(headers, 'bytes')
    expect(answer.status).toBe(410)
    expect(await filesIn(path.join(server.dataDir, 'files'))).toEqual(before)
  })

  // The embedded database has one server: what has been silent for so long there, nobody sends.
  if (kind === 'postgres')
    it('are not swept from a server that is alive, before the first of them is recorded', async () => {
      beforeObject = async () => {
        ahead = LONG_MS
        await server.landfall.sweep()
        ahead = 0
      }
      const headers = { 'Upload-Length': '5', 'Content-Type': BODY_TYPE }
      const answer = await tusClient(server.url, server.admin).create(headers, 'bytes')
      expect(answer.status).toBe(201)
    })
})
