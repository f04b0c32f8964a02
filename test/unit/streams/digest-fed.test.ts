import { createHash, randomBytes } from 'node:crypto'
import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createDigester,
  type Digester,
  type DigesterOptions,
  startDigestThread,
} from '../../../src/streams/digest.ts'
import type { FromWorker, ToWorker } from '../../../src/streams/digest-messages.ts'

let open: Digester[] = []

afterEach(async () => {
  for (const digester of open) await digester.close()
  open = []
})

function newDigester(options?: DigesterOptions): Digester {
  const digester = createDigester(options)
  open.push(digester)
  return digester
}

const MIB = 1024 * 1024
const hash = (algorithm: string, bytes: Uint8Array) =>
  createHash(algorithm).update(bytes).digest('hex')

/** A digester whose threads can be ended and whose messages are counted. */
function watchedDigester() {
  const threads: Worker[] = []
  const seen = { waiting: 0, most: 0 }
  const digester = newDigester({
    startThread() {
      const thread = startDigestThread()
      threads.push(thread)
      const lengths = new Map<number, number>()
      const post = thread.postMessage.bind(thread)
      thread.postMessage = (message: ToWorker, handedOver?: never) => {
        if (message.kind === 'feed') {
          lengths.set(message.request, message.bytes.byteLength)
          seen.waiting += message.bytes.byteLength
          seen.most = Math.max(seen.most, seen.waiting)
        }
        post(message, handedOver)
      }
      thread.on('message', ({ request }: FromWorker) => {
        seen.waiting -= lengths.get(request) ?? 0
      })
      return thread
    },
  })
  return { digester, threads, seen }
}

describe('a digest of bytes that are handed over', () => {
  it('is that of all of them, with several algorithms at once', async () => {
    const bytes = randomBytes(3_500_000)
    const algorithms = ['sha256', 'md5', 'sha512', 'crc32c']
    const digest = newDigester().openFed({ algorithms })
    await digest.feed([])
    for (let at = 0; at < bytes.length; at += 700_000)
      await digest.feed([
        bytes.subarray(at, at + 1),
        bytes.subarray(at + 1, at + 1),
        bytes.subarray(at + 1, at + 700_000),
      ])
    const { crc32c, ...found } = await digest.finish(bytes.length)
    expect(found).toEqual({
      sha256: hash('sha256', bytes),
      md5: hash('md5', bytes),
      sha512: hash('sha512', bytes),
    })
    expect(crc32c).toMatch(/^[\da-f]{8}$/)
    digest.close()
  })

  it('leaves the bytes to their owner, who may change them at once', async () => {
    const buffer = Buffer.alloc(100_000, 'a')
    const digest = newDigester().openFed({ algorithms: ['sha256'], start: 5000 })
    const feeding = digest.feed([buffer.subarray(10, 60_000)])
    buffer.fill('b')
    await feeding
    expect(buffer.byteLength).toBe(100_000)
    expect((await digest.finish(5000 + 59_990)).sha256).toBe(
      hash('sha256', Buffer.alloc(59_990, 'a')),
    )
  })

  it('goes on from a saved state in another process', async () => {
    const bytes = randomBytes(2_500_000)
    const algorithms = ['sha256', 'md5']
    const first = newDigester().openFed({ algorithms, saves: true })
    await first.feed([bytes.subarray(0, 1_500_000)])
    const saved = await first.save(1_500_000)
    expect(saved?.at).toBe(1_500_000)
    const state = JSON.parse(JSON.stringify(saved))
    const second = newDigester().openFed({ algorithms, state, saves: true })
    await second.feed([bytes.subarray(1_500_000)])
    expect(await second.finish(bytes.length)).toEqual({
      sha256: hash('sha256', bytes),
      md5: hash('md5', bytes),
    })
  })

  it('makes its feeder wait before much more than 4 MiB wait to be digested', async () => {
    const { digester, seen } = watchedDigester()
    const digest = digester.openFed({ algorithms: ['sha512', 'sha256', 'md5'], saves: true })
    const bytes = randomBytes(40 * MIB)
    for (let at = 0; at < bytes.length; at += MIB) await digest.feed([bytes.subarray(at, at + MIB)])
    expect(seen.most).toBeGreaterThan(2 * MIB)
    expect(seen.most).toBeLessThanOrEqual(5 * MIB)
    expect((await digest.finish(bytes.length)).md5).toBe(hash('md5', bytes))
  })

  it('lets a feeder go that waits when it is closed', async () => {
    const digester = newDigester()
    const digest = digester.openFed({ algorithms: ['sha256'], saves: true })
    const waits = digest.feed([Buffer.alloc(64 * MIB)])
    digest.close()
    await waits
    const next = digester.openFed({ algorithms: ['sha256'] })
    await next.feed([Buffer.from('abc')])
    expect((await next.finish(3)).sha256).toBe(hash('sha256', Buffer.from('abc')))
  })

  it('serves many at once', async () => {
    const digester = newDigester()
    const digests = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const digest = digester.openFed({ algorithms: ['sha256'], saves: n % 2 === 0 })
        for (let count = 0; count < n; count++) await digest.feed([Buffer.alloc(30_000, n)])
        const { sha256 } = await digest.finish(30_000 * n)
        digest.close()
        return sha256
      }),
    )
    expect(digests).toEqual(
      Array.from({ length: 40 }, (_, n) => hash('sha256', Buffer.alloc(30_000 * n, n))),
    )
  })
})

describe('trouble', () => {
  const job = { algorithms: ['sha256'], saves: true }

  it('is told where bytes are asked for that were not handed over', async () => {
    const digest = newDigester().openFed(job)
    await digest.feed([Buffer.alloc(1000)])
    await expect(digest.save(1001)).rejects.toThrow('not all bytes to digest were handed over')
    await expect(digest.finish(1000)).rejects.toThrow('not all bytes')
  })

  it('is told where the state is one of another build: there is no beginning to go back to', async () => {
    const digester = newDigester()
    const first = digester.openFed(job)
    await first.feed([Buffer.alloc(100_000)])
    const saved = await first.save(100_000)
    const broken = Buffer.from(saved?.states.sha256 ?? '', 'base64').fill(7, 0, 4)
    const state = { at: 100_000, states: { sha256: broken.toString('base64') } }
    const fed = digester.openFed({ ...job, state })
    await fed.feed([Buffer.alloc(10)])
    await expect(fed.save(100_010)).rejects.toThrow('not all bytes')
    const unfed = digester.openFed({ ...job, state })
    await expect(unfed.finish(100_000)).rejects.toThrow('not all bytes')
  })

  it('of the thread fails what it had, never waiting for it and never with a wrong digest', async () => {
    const { digester, threads } = watchedDigester()
    const idle = digester.openFed(job)
    await idle.feed([Buffer.alloc(1000)])
    expect((await idle.save(1000))?.at).toBe(1000)
    const busy = digester.openFed(job)
    const waits = busy.feed([Buffer.alloc(64 * MIB)])
    await threads[0]?.terminate()
    await waits
    for (const [digest, at] of [
      [idle, 1000],
      [busy, 64 * MIB],
    ] as const) {
      await digest.feed([Buffer.alloc(10)])
      await expect(digest.save(at + 10)).rejects.toThrow('not all bytes')
      await expect(digest.finish(at + 10)).rejects.toThrow('not all bytes')
      // As much as comes: nothing is kept of it, and nobody waits.
      for (let count = 0; count < 10; count++) await digest.feed([Buffer.alloc(MIB)])
      digest.close()
    }
    const next = digester.openFed(job)
    await next.feed([Buffer.from('abc')])
    expect((await next.finish(3)).sha256).toBe(hash('sha256', Buffer.from('abc')))
    expect(threads).toHaveLength(2)
  })

  it('nobody waits for a digester that is closed', async () => {
    const digester = createDigester()
    const digest = digester.openFed(job)
    const waits = digest.feed([Buffer.alloc(64 * MIB)])
    await digester.close()
    await waits
    await digest.feed([Buffer.alloc(64 * MIB)])
    await expect(digest.save(1)).rejects.toThrow('no more digests')
  })
})
