import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Appender, Storage } from '../../src/storage/storage.ts'
import { formPath } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

const written = new EventEmitter()
let total = 0

function watched(appender: Appender): Appender {
  return {
    ...appender,
    async write(buffers) {
      const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
      await appender.write(buffers)
      total += bytes
      written.emit('more')
    },
  }
}

let server: TestServer
beforeAll(async () => {
  const wrapStorage = (storage: Storage): Storage => ({
    ...storage,
    append: async (...args) => watched(await storage.append(...args)),
  })
  server = await startServer({ database: 'embedded', replaced: { wrapStorage } })
})
afterAll(() => server.close())

/** All of them are stored, and what the server does about them after that is done. */
async function stored(bytes: number): Promise<void> {
  while (total < bytes) await once(written, 'more')
  await new Promise(setImmediate)
}

it('what begins as a delimiter and is none belongs to the file, however often it comes', async () => {
  const raw = await openRaw(server.url)
  raw.send(
    `POST ${formPath} HTTP/1.1\r\nHost: landfall.test\r\nAuthorization: ${server.admin}\r\n` +
      'Content-Type: multipart/form-data; boundary=X\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  const send = (piece: string) => raw.send(`${piece.length.toString(16)}\r\n${piece}\r\n`)
  send('--X\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\none\r\n--')
  await stored('one'.length)
  // The parser held back all of the delimiter but its last byte, and gives it out now.
  send(' two three\r')
  await stored('one\r\n-- two three'.length)
  send(' four five\r\n')
  await stored('one\r\n-- two three\r four five'.length)
  send('-- six')
  await stored('one\r\n-- two three\r four five\r\n-- six'.length)
  send('\r\n--X--\r\n')
  raw.send('0\r\n\r\n')
  const { status, body } = await raw.answer()
  expect(status).toBe(201)
  const { f } = JSON.parse(body) as { f: string }
  const text = await (await fetch(server.url + new URL(f).pathname)).text()
  expect(text).toBe('one\r\n-- two three\r four five\r\n-- six')
  raw.socket.destroy()
})
