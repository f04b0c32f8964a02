import { PassThrough, Writable } from 'node:stream'
import { expect, it, vi } from 'vitest'
import { parseForm } from '../../../src/protocols/multipart/parse.ts'

/** A parser that takes everything and says nothing, as busboy has done on some malformed bodies. */
vi.mock('@fastify/busboy', () => ({
  Busboy: class extends Writable {
    override _write(_chunk: Buffer, _encoding: string, callback: () => void) {
      callback()
    }
    override emit(event: string, ...values: unknown[]) {
      return event === 'finish' ? false : super.emit(event, ...values)
    }
  },
}))

it('calls a body malformed that has ended without a word from the parser', async () => {
  const headers = { 'content-type': 'multipart/form-data; boundary=x' }
  const incoming = Object.assign(new PassThrough(), { headers })
  const handlers = { onField() {}, async onFile() {} }
  const done = parseForm(incoming, handlers, { settleMs: 20 })
  incoming.end('--x\r\n')
  await expect(done).rejects.toMatchObject({
    reason: 'bad-request',
    message: 'Multipart form parse error - the body ended too early',
  })
})
