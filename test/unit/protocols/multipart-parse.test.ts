import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { type FormFile, parseForm } from '../../../src/protocols/multipart/parse.ts'
import { BOUNDARY, field, file, form, formType } from '../../support/multipart.ts'

/** A request body that is written to by hand. */
function request(): PassThrough & { headers: { 'content-type': string } } {
  return Object.assign(new PassThrough(), { headers: { 'content-type': formType } })
}

async function readAll(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

/** Handlers that keep everything. */
function collecting() {
  const fields: [string, string][] = []
  const files: [string, string][] = []
  return {
    fields,
    files,
    onField: (name: string, value: string) => void fields.push([name, value]),
    onFile: async ({ filename, body }: FormFile) => {
      files.push([filename, await readAll(body)])
    },
  }
}

const fault = (reason: string) => expect.objectContaining({ name: 'Fault', reason })

describe('parseForm', () => {
  it('gives fields and files as they come, and resolves when the file has been taken', async () => {
    const incoming = request()
    const handlers = collecting()
    const done = parseForm(incoming, handlers)
    incoming.end(form(field('name', 'before'), file('a.bin', 'bytes'), field('x', 'after')))
    await done
    expect(handlers.fields).toEqual([
      ['name', 'before'],
      ['x', 'after'],
    ])
    expect(handlers.files).toEqual([['a.bin', 'bytes']])
  })

  it('is not done before the body has ended, even after the last delimiter', async () => {
    const incoming = request()
    const handlers = collecting()
    let settled = false
    const done = parseForm(incoming, handlers).finally(() => {
      settled = true
    })
    incoming.write(form(file('a.bin', 'bytes')))
    await vi.waitFor(() => expect(handlers.files).toHaveLength(1))
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate)
    expect(settled).toBe(false)
    incoming.end()
    await done
  })

  it('makes the sender wait while nobody takes the file', async () => {
    const incoming = request()
    let body: Readable | undefined
    const done = parseForm(incoming, {
      onField() {},
      onFile: (taken) => {
        body = taken.body
        return once(taken.body, 'end').then(() => {})
      },
    })
    incoming.write(file('a.bin', '').subarray(0, -2))
    let written = 0
    while (incoming.write(Buffer.alloc(64 * 1024))) {
      written += 64
      await new Promise((resolve) => setImmediate(resolve))
      if (written > 10_000) expect.fail('the body was read without end')
    }
    body?.resume()
    incoming.end(`\r\n--${BOUNDARY}--\r\n`)
    await done
  })

  it('lets go of the file and rejects when the sender is gone', async () => {
    const incoming = request()
    const handlers = collecting()
    const done = parseForm(incoming, handlers)
    incoming.write(file('a.bin', 'bytes'))
    await new Promise((resolve) => setImmediate(resolve))
    incoming.destroy()
    await expect(done).rejects.toEqual(fault('client-gone'))
    expect(handlers.files).toEqual([])
  })

  it('rejects with what a handler throws, and leaves the rest of the body unread', async () => {
    const incoming = request()
    const refusal = new Fault('type-not-accepted')
    const done = parseForm(incoming, { onField() {}, onFile: () => Promise.reject(refusal) })
    incoming.write(file('a.bin', 'bytes'))
    await expect(done).rejects.toBe(refusal)
    expect(incoming.isPaused()).toBe(true)
    expect(incoming.listenerCount('data')).toBe(0)
    expect(incoming.destroyed).toBe(false)
  })

  it('gives a file that is whole all the time it takes to be finished', async () => {
    const incoming = request()
    let finished = false
    const handlers = {
      onField() {},
      async onFile(taken: FormFile) {
        await readAll(taken.body)
        await taken.rest()
        // Longer than the parser has for making up its mind about the end of a body.
        await new Promise((resolve) => setTimeout(resolve, 60))
        finished = true
      },
    }
    const done = parseForm(incoming, handlers, { settleMs: 10 })
    incoming.end(form(file('a.bin', 'bytes')))
    await done
    expect(finished).toBe(true)
  })

  it('tells a file when all that follows it is there, and well-formed', async () => {
    const incoming = request()
    let settled = false
    let size: number | undefined
    const done = parseForm(incoming, {
      onField() {},
      async onFile(taken) {
        await readAll(taken.body)
        size = taken.size()
        await taken.rest()
        settled = true
      },
    })
    incoming.write(Buffer.concat([file('a.bin', 'bytes'), field('x', 'after')]))
    await vi.waitFor(() => expect(size).toBe(5))
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate)
    expect(settled).toBe(false)
    incoming.end(`--${BOUNDARY}--\r\n`)
    await done
    expect(settled).toBe(true)
  })

  it.each([
    ['ends too early', ''],
    ['is malformed', `--${BOUNDARY}\r\nno header`],
  ])('tells a file that what follows it %s', async (_, rest) => {
    const incoming = request()
    let told: unknown
    let read = false
    const done = parseForm(
      incoming,
      {
        onField() {},
        async onFile(taken) {
          await readAll(taken.body)
          read = true
          await taken.rest().catch((error: unknown) => {
            told = error
          })
        },
      },
      { settleMs: 50 },
    )
    incoming.write(Buffer.concat([file('a.bin', 'bytes'), field('x', 'y')]))
    await vi.waitFor(() => expect(read).toBe(true))
    incoming.end(rest)
    await expect(done).rejects.toEqual(fault('bad-request'))
    expect(told).toEqual(fault('bad-request'))
  })

  it('cuts a body that stands still', async () => {
    const incoming = request()
    const done = parseForm(incoming, collecting(), { idleMs: 50 })
    incoming.write(`--${BOUNDARY}\r\nContent-`)
    await expect(done).rejects.toEqual(fault('body-idle'))
  })

  it('does not blame the sender for a file that is taken slowly', async () => {
    const incoming = request()
    const handlers = collecting()
    const slow = async (taken: FormFile) => {
      await new Promise((resolve) => setTimeout(resolve, 200))
      await handlers.onFile(taken)
    }
    const done = parseForm(incoming, { onField() {}, onFile: slow }, { idleMs: 50, settleMs: 50 })
    const bytes = 'x'.repeat(2_000_000)
    const body = form(file('a.bin', bytes))
    for (let at = 0; at < body.length; at += 65_536) incoming.write(body.subarray(at, at + 65_536))
    incoming.end()
    await done
    expect(handlers.files[0]?.[1]).toHaveLength(bytes.length)
  })

  it('comes to an end on every body, however mangled', async () => {
    const noise = fc.oneof(
      fc.constantFrom('\r\n', '--', `--${BOUNDARY}`, `\r\n--${BOUNDARY}\r\n`, '"', ':', '\0', ';'),
      fc.constantFrom('Content-Disposition: form-data; name="f"; filename="b"\r\n\r\n', '\r\n\r\n'),
      fc.string({ maxLength: 5 }),
    )
    const good = form(field('name', 'x'), file('a.bin', 'some bytes'), field('y', 'z')).toString()
    const edits = fc.array(fc.tuple(fc.nat(good.length), fc.nat(20), noise), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(edits, fc.integer({ min: 1, max: 200 }), async (changes, step) => {
        let text = good
        for (const [at, drop, put] of changes)
          text = text.slice(0, at) + put + text.slice(at + drop)
        const incoming = request()
        const handlers = collecting()
        const done = parseForm(incoming, handlers, { settleMs: 20 }).then(
          () => 'parsed',
          (error: unknown) => error,
        )
        const bytes = Buffer.from(text)
        for (let at = 0; at < bytes.length; at += step)
          incoming.write(bytes.subarray(at, at + step))
        incoming.end()
        const outcome = await done
        if (outcome !== 'parsed') expect(outcome).toEqual(fault('bad-request'))
      }),
      { numRuns: 500 },
    )
  })
})
