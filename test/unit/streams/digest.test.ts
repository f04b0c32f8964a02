import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  createDigester,
  type Digester,
  type DigesterOptions,
  startDigestThread,
} from '../../../src/streams/digest.ts'

let folder: string
let open: Digester[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-digest-'))
})
afterEach(async () => {
  for (const digester of open) await digester.close()
  open = []
})
afterAll(() => rm(folder, { recursive: true }))

function newDigester(options?: DigesterOptions): Digester {
  const digester = createDigester(options)
  open.push(digester)
  return digester
}

async function store(bytes: Uint8Array): Promise<string> {
  const file = path.join(folder, randomBytes(8).toString('hex'))
  await writeFile(file, bytes)
  return file
}

const hash = (algorithm: string, bytes: Uint8Array) =>
  createHash(algorithm).update(bytes).digest('hex')

describe('a digest', () => {
  it('follows a file that grows, with several algorithms at once', async () => {
    const bytes = randomBytes(3_500_000)
    const file = await store(bytes.subarray(0, 0))
    const algorithms = ['sha256', 'md5', 'sha512', 'crc32c']
    const digest = newDigester().open({ path: file, algorithms })
    for (let at = 0; at < bytes.length; at += 700_000) {
      await appendFile(file, bytes.subarray(at, at + 700_000))
      digest.follow(at + 700_000)
    }
    const { crc32c, ...found } = await digest.finish(bytes.length)
    expect(found).toEqual({
      sha256: hash('sha256', bytes),
      md5: hash('md5', bytes),
      sha512: hash('sha512', bytes),
    })
    expect(crc32c).toMatch(/^[\da-f]{8}$/)
    digest.close()
  })

  it('takes nothing before its start and nothing past its end', async () => {
    const bytes = randomBytes(10_000)
    const file = await store(bytes)
    const digest = newDigester().open({ path: file, algorithms: ['sha256'], start: 1000 })
    expect(await digest.finish(9000)).toEqual({
      sha256: hash('sha256', bytes.subarray(1000, 9000)),
    })
  })

  it('of nothing needs no file', async () => {
    const digest = newDigester().open({ path: path.join(folder, 'none'), algorithms: ['sha256'] })
    expect(await digest.finish(0)).toEqual({ sha256: hash('sha256', Buffer.alloc(0)) })
  })

  it('goes on from a saved state in another process, without reading what is in it', async () => {
    const bytes = randomBytes(2_500_000)
    const file = await store(bytes)
    const algorithms = ['sha256', 'md5']
    const first = newDigester().open({ path: file, algorithms, saves: true })
    const saved = await first.save(1_500_000)
    expect(saved?.at).toBe(1_500_000)
    // Whoever read these bytes again would come to another digest.
    await writeFile(file, Buffer.concat([Buffer.alloc(1_500_000), bytes.subarray(1_500_000)]))
    const state = JSON.parse(JSON.stringify(saved))
    const second = newDigester().open({ path: file, algorithms, state, saves: true })
    expect(await second.finish(bytes.length)).toEqual({
      sha256: hash('sha256', bytes),
      md5: hash('md5', bytes),
    })
  })

  it('can be saved and gone on with any number of times', async () => {
    const bytes = randomBytes(1_000_000)
    const file = await store(bytes)
    const digest = newDigester().open({ path: file, algorithms: ['sha256'], saves: true })
    for (const upTo of [0, 1, 1, 63, 64, 65, 500_000])
      expect((await digest.save(upTo))?.at).toBe(upTo)
    expect((await digest.finish(bytes.length)).sha256).toBe(hash('sha256', bytes))
  })

  it.each([
    ['of another build', (state: string) => Buffer.from(state, 'base64').fill(7, 0, 4)],
    ['cut off', (state: string) => Buffer.from(state, 'base64').subarray(0, 20)],
    ['of another algorithm', () => undefined],
  ])('begins again where the state is one %s', async (_name, broken) => {
    const bytes = randomBytes(300_000)
    const file = await store(bytes)
    const digester = newDigester()
    const job = { path: file, algorithms: ['sha256'], saves: true }
    const saved = await digester.open(job).save(100_000)
    const state = broken(saved?.states.sha256 ?? '')?.toString('base64')
    const states: Record<string, string> = state === undefined ? { md5: 'AAAA' } : { sha256: state }
    const digest = digester.open({ ...job, state: { at: 100_000, states } })
    expect((await digest.finish(bytes.length)).sha256).toBe(hash('sha256', bytes))
  })

  it('has no state to save where the algorithm has none, and its digest is right', async () => {
    const bytes = randomBytes(100_000)
    const algorithms = ['sha256', 'sha512-256']
    const digest = newDigester().open({ path: await store(bytes), algorithms, saves: true })
    expect(await digest.save(50_000)).toBeNull()
    expect(await digest.finish(bytes.length)).toEqual({
      sha256: hash('sha256', bytes),
      'sha512-256': hash('sha512-256', bytes),
    })
  })
})

describe('trouble', () => {
  it('is told: a file that is missing, shorter than it should be, an unknown algorithm', async () => {
    const digester = newDigester()
    const file = await store(randomBytes(1000))
    const missing = digester.open({ path: `${file}-none`, algorithms: ['sha256'] })
    await expect(missing.finish(10)).rejects.toThrow(/^digest: ENOENT/)
    const short = digester.open({ path: file, algorithms: ['sha256'], saves: true })
    await expect(short.save(1001)).rejects.toThrow('the file ends before')
    await expect(short.finish(1001)).rejects.toThrow('the file ends before')
    const unknown = digester.open({ path: file, algorithms: ['rot13'] })
    await expect(unknown.finish(10)).rejects.toThrow(/^digest: /)
    // And it is theirs alone.
    const good = digester.open({ path: file, algorithms: ['sha256'] })
    expect((await good.finish(1000)).sha256).toMatch(/^[\da-f]{64}$/)
  })

  it('of the thread is told to whoever waits, and the same digest can be asked for again', async () => {
    const threads: Worker[] = []
    const digester = newDigester({
      startThread() {
        const thread = startDigestThread()
        threads.push(thread)
        return thread
      },
    })
    const bytes = randomBytes(16_000_000)
    const file = await store(bytes)
    const job = { path: file, algorithms: ['sha256'], saves: true }
    const state = (await digester.open(job).save(400_000)) ?? undefined
    const digest = digester.open({ ...job, state })
    await digest.save(600_000)
    // What is left takes many times as long as it takes to say this.
    const pending = expect(digest.finish(bytes.length)).rejects.toThrow('the thread has ended')
    await threads[0]?.terminate()
    await pending
    digest.follow(bytes.length)
    expect((await digest.finish(bytes.length)).sha256).toBe(hash('sha256', bytes))
    const next = digester.open({ path: file, algorithms: ['md5'] })
    expect((await next.finish(bytes.length)).md5).toBe(hash('md5', bytes))
    expect(threads).toHaveLength(2)
    digest.close()
    next.close()
  })
})

describe('a digester', () => {
  it('serves many files at once', async () => {
    const digester = newDigester()
    const files = Array.from({ length: 60 }, (_, n) => randomBytes(n * 40_000))
    const digests = await Promise.all(
      files.map(async (bytes, n) => {
        const digest = digester.open({
          path: await store(bytes),
          algorithms: ['sha256'],
          saves: n % 2 === 0,
        })
        if (n % 2 === 0) await digest.save(Math.floor(bytes.length / 2))
        const found = await digest.finish(bytes.length)
        digest.close()
        return found.sha256
      }),
    )
    expect(digests).toEqual(files.map((bytes) => hash('sha256', bytes)))
  })

  it('that is closed tells whoever waits, and takes no more', async () => {
    const digester = newDigester()
    const file = await store(randomBytes(1_000_000))
    const digest = digester.open({ path: file, algorithms: ['sha256'] })
    const pending = expect(digest.finish(1_000_000)).rejects.toThrow('the thread has ended')
    await digester.close()
    await pending
    digest.follow(1)
    await expect(digest.finish(10)).rejects.toThrow('no more digests')
    const late = digester.open({ path: file, algorithms: ['sha256'] })
    await expect(late.save(10)).rejects.toThrow('no more digests')
    digest.close()
    await digester.close()
  })
})
