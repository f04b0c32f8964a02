import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  BOUNDARY,
  type FormClient,
  field,
  file,
  form,
  formClient,
  formHead,
  formType,
  remains,
} from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { serversOnS3 } from '../support/s3.ts'
import { startServer, type TestServer } from '../support/server.ts'

const MiB = 1024 * 1024

let server: TestServer
let client: FormClient

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_MAX_SIZE: '4MiB', UPLOAD_IDLE_TIMEOUT: '1s' } })
  client = formClient(server, (await server.accounts.add('staff')).authorization)
})
afterAll(() => server.close())

describe('a client that is still sending', () => {
  const endless = [`Content-Type: ${formType}`, `Content-Length: ${3 * MiB}`]

  it.each([
    ['has no token', () => formHead(null, ...endless), 401],
    ['has a bad token', () => formHead('Token nope', ...endless), 401],
    [
      'sends another type',
      () => formHead(client.authorization, 'Content-Type: text/csv', endless[1] ?? ''),
      415,
    ],
    [
      'announces too much',
      () =>
        formHead(client.authorization, `Content-Type: ${formType}`, `Content-Length: ${100 * MiB}`),
      413,
    ],
  ])('reads its answer when it %s', async (_, request, expected) => {
    const before = await remains(server)
    const connection = await openRaw(server.url)
    connection.send(request())
    connection.send(file('a.bin', Buffer.alloc(MiB)))
    const { status, headers, body } = await connection.answer()
    expect(status).toBe(expected)
    expect(JSON.parse(body)).toEqual({ detail: expect.any(String) })
    expect(headers['www-authenticate']).toBe(expected === 401 ? 'Token' : undefined)
    // Nobody waits for the rest.
    await connection.closed
    expect(await remains(server)).toEqual(before)
  })

  it('reads its answer when it may not upload', async () => {
    const before = await remains(server)
    const user = await server.accounts.add('user')
    const connection = await openRaw(server.url)
    connection.send(formHead(user.authorization, ...endless))
    connection.send(file('a.bin', Buffer.alloc(MiB)))
    const { status, body } = await connection.answer()
    expect(status).toBe(403)
    expect(JSON.parse(body)).toEqual({
      detail: 'You do not have permission to perform this action.',
    })
    expect(await remains(server)).toEqual(before)
    connection.reset()
  })

  it('reads its answer when a part of the form is wrong', async () => {
    const before = await remains(server)
    const connection = await openRaw(server.url)
    connection.send(formHead(client.authorization, ...endless))
    connection.send(file('a.bin', Buffer.alloc(MiB)))
    connection.send(field('name', 'x'.repeat(300)))
    connection.send(`--${BOUNDARY}\r\n`)
    expect((await connection.answer()).status).toBe(400)
    expect(await remains(server)).toEqual(before)
    connection.reset()
  })
})

describe('a client that goes away in the middle', () => {
  it('leaves no row, no file and no descriptor, however many there are', async () => {
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = await remains(server)
    const openBefore = descriptors()
    const half = form(file('gone.bin', Buffer.alloc(200_000))).subarray(0, 100_000)
    for (let round = 0; round < 5; round += 1) {
      const connections = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const connection = await openRaw(server.url)
          connection.send(
            formHead(client.authorization, `Content-Type: ${formType}`, 'Content-Length: 200500'),
          )
          connection.send(half.subarray(0, index * 5_000))
          return connection
        }),
      )
      await vi.waitFor(async () => expect((await remains(server)).open.length).toBeGreaterThan(10))
      for (const connection of connections) connection.reset()
      await vi.waitFor(async () => expect(await remains(server)).toEqual(before), 10_000)
    }
    // Connections to a store are kept, as many as were needed at once.
    const few = 5 * server.replicas.length + (serversOnS3 ? 20 : 0)
    await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(openBefore + few))
    expect(server.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('a server that accepts images only', () => {
  let picky: TestServer
  beforeAll(async () => {
    picky = await startServer({
      env: { ACCEPTED_FILE_FORMATS: 'image' },
    })
  })
  afterAll(() => picky.close())

  it('refuses other files by what they say, and by what they are before all of them has come', async () => {
    const refuse = async (name: string, type: string, bytes: Buffer) => {
      const connection = await openRaw(picky.url)
      connection.send(
        formHead(picky.admin, `Content-Type: ${formType}`, `Content-Length: ${100 * MiB}`),
      )
      connection.send(file(name, bytes, { type }))
      const { status, body } = await connection.answer()
      expect(status).toBe(415)
      expect(JSON.parse(body)).toEqual({ detail: 'Files of this type are not accepted here.' })
      expect(await remains(picky)).toMatchObject({ files: 0, open: [], media: 0 })
      connection.reset()
    }
    await refuse('a.pdf', 'application/pdf', Buffer.from('%PDF-1.7\n'))
    await refuse(
      'a.png',
      'image/png',
      Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(8192)]),
    )
  })
})
