import { PassThrough, Readable } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Gather, gather } from '../../../src/streams/gather.ts'

async function drain(source: Gather): Promise<string> {
  let text = ''
  for (let batch = await source.next(); batch; batch = await source.next())
    text += Buffer.concat(batch.buffers).toString()
  return text
}

const undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0)) await step()
})

describe('gather', () => {
  it('gives everything in order and says that it is complete', async () => {
    const source = gather(Readable.from([Buffer.from('ab'), Buffer.from('c'), Buffer.from('def')]))
    expect(await drain(source)).toBe('abcdef')
    expect(source.end).toBe('complete')
  })

  it('gives what arrived while the batch before was being written as one batch', async () => {
    const body = new PassThrough()
    const source = gather(body)
    body.write('a')
    const first = await source.next()
    expect(first?.bytes).toBe(1)
    for (const part of ['b', 'c', 'd']) body.write(part)
    await new Promise(setImmediate)
    const second = await source.next()
    expect(Buffer.concat(second?.buffers ?? []).toString()).toBe('bcd')
    expect(second?.buffers).toHaveLength(3)
  })

  it('makes the sender wait above the bound and lets it go on below', async () => {
    const body = new PassThrough({ highWaterMark: 16 })
    const source = gather(body, { highWaterBytes: 32 })
    let accepted = 0
    for (let n = 0; n < 20; n++) {
      body.write(Buffer.alloc(16), () => {
        accepted++
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(body.isPaused()).toBe(true)
    expect(accepted).toBeLessThan(20)
    body.end()
    expect((await drain(source)).length).toBe(320)
    expect(source.end).toBe('complete')
  })

  it('lets a body hold less while all of them hold much, and as much as before after that', async () => {
    const turn = () => new Promise(setImmediate)
    const chunk = Buffer.alloc(64 * 1024)
    const start = () => {
      const body = new PassThrough({ highWaterMark: 2 ** 30 })
      const source = gather(body)
      undo.push(async () => source.detach())
      return { body, source }
    }
    const fill = async (body: PassThrough) => {
      for (let n = 0; n < 16 && !body.isPaused(); n++) {
        body.write(chunk)
        await turn()
      }
    }
    const others = Array.from({ length: 20 }, start)
    for (const { body } of others) await fill(body)
    const { body, source } = start()
    body.write(chunk)
    await turn()
    expect(body.isPaused()).toBe(true)

    // Given out is still held, until the next batch is asked for or the body let go of.
    for (const other of others) await other.source.next()
    await source.next()
    body.write(chunk)
    await turn()
    expect(body.isPaused()).toBe(true)
    for (const other of others) other.source.detach()
    await source.next()
    body.write(chunk)
    await turn()
    expect(body.isPaused()).toBe(false)
    await fill(body)
    expect((await source.next())?.bytes).toBe(2 ** 20)
  })

  it('keeps what arrived when the stream breaks', async () => {
    const body = new PassThrough()
    const source = gather(body)
    body.write('kept')
    await new Promise(setImmediate)
    body.destroy(new Error('reset'))
    expect(await drain(source)).toBe('kept')
    expect(source.end).toBe('cut')
  })

  it('gives out what the stream still holds when it is told to stop', async () => {
    const body = new PassThrough()
    const stop = new AbortController()
    const source = gather(body, { signal: stop.signal })
    body.write('one')
    body.write('two')
    stop.abort()
    expect(await drain(source)).toBe('onetwo')
    expect(source.end).toBe('stopped')
    body.write('three')
    expect(await source.next()).toBeNull()
  })

  it('stops at once when the signal has fired before', async () => {
    const body = new PassThrough()
    body.write('there')
    const source = gather(body, { signal: AbortSignal.abort() })
    expect(await drain(source)).toBe('there')
    expect(source.end).toBe('stopped')
  })

  it('calls a body idle after the idle time, counted from its last byte', async () => {
    vi.useFakeTimers()
    try {
      const body = new PassThrough()
      const source = gather(body, { idleMs: 1000 })
      await vi.advanceTimersByTimeAsync(900)
      body.write('x')
      await vi.advanceTimersByTimeAsync(900)
      expect(source.end).toBeUndefined()
      await vi.advanceTimersByTimeAsync(101)
      expect(await drain(source)).toBe('x')
      expect(source.end).toBe('idle')
    } finally {
      vi.useRealTimers()
    }
  })

  it('does not call a body idle while we are the ones who make it wait', async () => {
    vi.useFakeTimers()
    try {
      const body = new PassThrough()
      const source = gather(body, { idleMs: 1000, highWaterBytes: 4 })
      body.write('full')
      await vi.advanceTimersByTimeAsync(5000)
      expect(source.end).toBeUndefined()
      source.detach()
    } finally {
      vi.useRealTimers()
    }
  })

  it('knows a stream that is over or broken before it begins', async () => {
    const over = Readable.from([])
    over.resume()
    await new Promise((resolve) => over.once('close', resolve))
    expect(gather(over).end).toBe('complete')
    const broken = new PassThrough()
    broken.destroy()
    expect(gather(broken).end).toBe('cut')
  })

  it('takes a body that says aborted before its end for cut: HTTP/2 gives both', async () => {
    const body = new PassThrough()
    const source = gather(body)
    body.write('a')
    expect((await source.next())?.bytes).toBe(1)
    body.emit('aborted')
    body.end()
    expect(await source.next()).toBeNull()
    expect(source.end).toBe('cut')
    const before = Object.assign(new PassThrough(), { aborted: true })
    before.end('half')
    expect(gather(before).end).toBe('cut')
  })
})
