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

  describe('with other bodies', () => {
    const turn = () => new Promise(setImmediate)
    const chunk = Buffer.alloc(64 * 1024)
    function start(signal?: AbortSignal) {
      const body = new PassThrough({ highWaterMark: 2 ** 30 })
      const source = gather(body, signal ? { signal } : {})
      undo.push(async () => source.detach())
      return { body, source }
    }
    /** As much as it takes, 2 MiB at the most; how much that is. */
    async function fill({ body }: { body: PassThrough }): Promise<number> {
      for (let n = 1; n <= 32; n++) {
        body.write(chunk)
        await turn()
        if (body.isPaused()) return n * chunk.length
      }
      return 32 * chunk.length
    }

    it('holds less while all of them hold much, and as much as before after that', async () => {
      const others = Array.from({ length: 20 }, () => start())
      for (const other of others) expect(await fill(other)).toBe(2 ** 20)
      const one = start()
      expect(await fill(one)).toBe(chunk.length)
      // What was given out is still held, until the next batch is asked for or the body let go of.
      for (const { source } of others) await source.next()
      await one.source.next()
      expect(await fill(one)).toBe(chunk.length)
      for (const { source } of others) source.detach()
      await one.source.next()
      expect(await fill(one)).toBe(2 ** 20)
    })

    it('counts nothing of one that has been given out, cut, stopped or let go of', async () => {
      const { body, source } = start()
      for (let n = 0; n < 640; n++) {
        body.write(chunk)
        await source.next()
      }
      source.detach()
      const endings: ((body: PassThrough, stop: AbortController) => void)[] = [
        (each) => each.destroy(),
        (each) => each.end(),
        (_each, stop) => stop.abort(),
        () => {},
      ]
      for (let n = 0; n < 48; n++) {
        const stop = new AbortController()
        const ended = start(stop.signal)
        await fill(ended)
        await ended.source.next()
        await fill(ended)
        endings[n % 4]?.(ended.body, stop)
        await turn()
        // With what was given out still in use, and with everything given out.
        if (n >= 24) await ended.source.next()
        ended.source.detach()
        ended.source.detach()
      }
      for (let n = 0; n < 20; n++) expect(await fill(start())).toBe(2 ** 20)
      expect(await fill(start())).toBe(chunk.length)
    })

    it('leaves nobody waiting when it is let go of', async () => {
      const { source } = start()
      const waiting = source.next()
      source.detach()
      expect(await waiting).toBeNull()
      expect(source.end).toBe('stopped')
    })
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
