import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { readJsonObject } from '../../src/http/json-body.ts'
import { type Listening, listen } from '../../src/http/listen.ts'
import type { Env } from '../../src/protocols/env.ts'
import { createLog } from '../../src/telemetry/log.ts'

let server: Listening
let onFailure: (error: unknown) => void = () => {}

beforeAll(async () => {
  const routes = new Hono<Env>()
  routes.post('/echo', async (c) => {
    const options = { maxBytes: 100, deadlineMs: 200 }
    return c.json(
      await readJsonObject(c, options).catch((error) => {
        onFailure(error)
        throw error
      }),
    )
  })
  const app = createApp({
    log: createLog({ level: 'silent' }),
    corsOrigins: '*',
    requestLog: (_c, next) => next(),
    mounts: [['/', routes]],
    ownOptions: [],
  })
  server = await listen(app, { host: '127.0.0.1', port: 0 })
})
afterAll(() => server.close(100))

function send(text: string): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.write(`POST /echo HTTP/1.1\r\nHost: x\r\n${text}`)
  return socket
}

/** Status and body of the answer, from a connection that the client closes. */
async function answerTo(text: string): Promise<{ status: number; body: string }> {
  const socket = send(text)
  let received = ''
  for await (const chunk of socket) {
    received += chunk
    const [head = '', body = ''] = received.split(/\r\n\r\n(.*)/s)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN)
    if (Buffer.byteLength(body) === length) {
      socket.destroy()
      return { status: Number(head.split(' ')[1]), body }
    }
  }
  throw new Error(`no answer, only ${JSON.stringify(received)}`)
}

const JSON_TYPE = 'Content-Type: application/json; charset=utf-8\r\n'

describe('a JSON body', () => {
  it('is read whatever pieces it comes in', async () => {
    const text = `${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n`
    expect(await answerTo(text)).toEqual({ status: 200, body: '{"a":1}' })
  })

  it.each([
    ['none at all', '\r\n'],
    ['none of another type', 'Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n'],
    ['an empty one', `${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ])('that is %s is an empty object', async (_, text) => {
    expect(await answerTo(text)).toEqual({ status: 200, body: '{}' })
  })

  it('of another type, or of none, is refused', async () => {
    expect(await answerTo('Content-Length: 2\r\n\r\n{}')).toEqual({
      status: 415,
      body: '{"detail":"Unsupported media type \\"\\" in request."}',
    })
  })

  it('that announces too much is refused before it is sent', async () => {
    expect((await answerTo(`${JSON_TYPE}Content-Length: 101\r\n\r\n`)).status).toBe(413)
  })

  it('that grows too large without announcing it is refused', async () => {
    const chunk = `40\r\n${'x'.repeat(64)}\r\n`
    const text = `${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`
    expect((await answerTo(text)).status).toBe(413)
  })

  it('that stops arriving is given up', async () => {
    expect((await answerTo(`${JSON_TYPE}Content-Length: 7\r\n\r\n{"a`)).status).toBe(408)
  })

  it('whose client is gone is no error of ours', async () => {
    const failure = new Promise((resolve) => {
      onFailure = resolve
    })
    const socket = send(`${JSON_TYPE}Content-Length: 7\r\n\r\n{"a`)
    await once(socket, 'connect')
    socket.end()
    socket.destroy()
    expect(await failure).toMatchObject({ reason: 'client-gone' })
  })
})
