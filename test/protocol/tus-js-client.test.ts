import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import * as tus from 'tus-js-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** tus-js-client as it comes from npm, against a real server through a network that can be cut. */
let server: TestServer
let proxy: CuttableProxy
let user: { id: number; authorization: string }
/** Requests as the client sent them: `METHOD` and its tus headers. */
let requests: { method: string; header(name: string): string | undefined }[]

beforeAll(async () => {
  proxy = await startProxy()
  server = await startServer({ env: { PUBLIC_URL: proxy.url } })
  proxy.pointTo(server.url)
})
beforeEach(async () => {
  requests = []
  user = await server.accounts.add('user')
})
afterEach(() => proxy.up())
afterAll(async () => {
  await server.close()
  await proxy.close()
})

interface Listed {
  id: number
  name: string
  size: number
  f: string
}

async function listed(): Promise<Listed[]> {
  const answer = await fetch(`${server.url}/api/media/files?user_id=${user.id}`, {
    headers: { Authorization: server.admin },
  })
  return ((await answer.json()) as { results: Listed[] }).results
}

type Input = ConstructorParameters<typeof tus.Upload>[0]

function upload(input: Input, options: Partial<tus.UploadOptions>) {
  let settle: { resolve(): void; reject(error: Error): void }
  const done = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  const started = new tus.Upload(input, {
    endpoint: `${proxy.url}/files/`,
    headers: { Authorization: user.authorization },
    retryDelays: Array(20).fill(100),
    onBeforeRequest(request) {
      requests.push({
        method: request.getMethod(),
        header: (name) => request.getHeader(name),
      })
    },
    onError: (error) => settle.reject(error),
    onSuccess: () => settle.resolve(),
    ...options,
  })
  started.start()
  return { started, done }
}

async function requireOneRecord(name: string, bytes: Buffer): Promise<void> {
  const results = await listed()
  expect(results).toMatchObject([{ name, size: bytes.length }])
  const stored = await fetch(results[0]?.f ?? '')
  const digest = (of: Buffer) => createHash('sha256').update(of).digest('hex')
  expect(digest(Buffer.from(await stored.arrayBuffer()))).toBe(digest(bytes))
}

const methods = () => requests.map(({ method }) => method)

describe('tus-js-client 4', () => {
  it('uploads in four parallel parts that become one record', async () => {
    const bytes = randomBytes(4_000_001)
    const { done } = upload(bytes, {
      parallelUploads: 4,
      metadata: { filename: 'parallel.bin' },
      metadataForPartialUploads: { filename: 'parallel.bin' },
    })
    await done
    const created = requests.filter(({ method }) => method === 'POST')
    const concats = created.map(({ header }) => header('Upload-Concat'))
    expect(concats).toHaveLength(5)
    expect(concats.at(-1)).toMatch(/^final;(?:\S+ ){3}\S+$/)
    await requireOneRecord('parallel.bin', bytes)
  })

  it('resumes four parallel parts after the network was cut', async () => {
    const bytes = randomBytes(24_000_000)
    const before = proxy.total()
    const { done } = upload(bytes, { parallelUploads: 4, metadata: { filename: 'cut.bin' } })
    await proxy.passed(before + 6_000_000)
    proxy.cut()
    await proxy.passed(before + 14_000_000)
    proxy.cut()
    await done
    expect(methods()).toContain('HEAD')
    await requireOneRecord('cut.bin', bytes)
  })

  it('takes up four parallel parts again in another run', async () => {
    const bytes = randomBytes(24_000_000)
    const storage = memoryStorage()
    const options = {
      parallelUploads: 4,
      metadata: { filename: 'again.bin' },
      urlStorage: storage,
      fingerprint: async () => 'again',
    }
    const first = upload(bytes, options)
    await storage.added
    await proxy.passed(proxy.total() + 4_000_000)
    await first.started.abort()
    const second = new Promise<void>((resolve, reject) => {
      const next = new tus.Upload(bytes, {
        endpoint: `${proxy.url}/files/`,
        headers: { Authorization: user.authorization },
        ...options,
        onBeforeRequest(request) {
          requests.push({ method: request.getMethod(), header: (name) => request.getHeader(name) })
        },
        onError: reject,
        onSuccess: () => resolve(),
      })
      next.findPreviousUploads().then(([previous]) => {
        if (previous === undefined) return reject(new Error('nothing to take up'))
        next.resumeFromPreviousUpload(previous)
        next.start()
      }, reject)
    })
    await second
    // Four parts and their whole: nothing was begun anew.
    expect(methods().filter((method) => method === 'POST')).toHaveLength(5)
    await requireOneRecord('again.bin', bytes)
  })

  it('sends bytes along with the creation', async () => {
    const bytes = randomBytes(300_000)
    const { done } = upload(bytes, {
      uploadDataDuringCreation: true,
      metadata: { filename: 'along.bin' },
    })
    await done
    expect(methods()).toEqual(['POST'])
    await requireOneRecord('along.bin', bytes)
  })

  it('streams what has no length yet', async () => {
    const bytes = randomBytes(1_000_000)
    const pieces = Array.from({ length: 10 }, (_, n) => bytes.subarray(n * 100_000, (n + 1) * 1e5))
    const { done } = upload(Readable.from(pieces), {
      uploadLengthDeferred: true,
      chunkSize: 150_000,
      metadata: { filename: 'stream.bin' },
    })
    await done
    expect(requests[0]?.header('Upload-Defer-Length')).toBe('1')
    await requireOneRecord('stream.bin', bytes)
  })

  it('streams along with the creation, of unknown length', async () => {
    const bytes = randomBytes(400_000)
    const { done } = upload(Readable.from([bytes]), {
      uploadLengthDeferred: true,
      uploadDataDuringCreation: true,
      chunkSize: 150_000,
      metadata: { filename: 'both.bin' },
    })
    await done
    await requireOneRecord('both.bin', bytes)
  })

  it('works where only POST gets through', async () => {
    const bytes = randomBytes(500_000)
    const { done } = upload(bytes, {
      overridePatchMethod: true,
      chunkSize: 200_000,
      metadata: { filename: 'override.bin' },
    })
    await done
    expect(methods()).toEqual(['POST', 'POST', 'POST', 'POST'])
    await requireOneRecord('override.bin', bytes)
  })

  it('terminates an upload that runs, and its file when it is finished', async () => {
    const bytes = randomBytes(20_000_000)
    const before = proxy.total()
    const { started } = upload(bytes, { metadata: { filename: 'gone.bin' } })
    await proxy.passed(before + 3_000_000)
    await started.abort(true)
    const gone = await fetch(started.url ?? '', {
      method: 'HEAD',
      headers: { 'Tus-Resumable': '1.0.0', Authorization: user.authorization },
    })
    expect(gone.status).toBe(410)

    const second = upload(Buffer.from('hello'), { metadata: { filename: 'done.txt' } })
    await second.done
    expect(await listed()).toHaveLength(1)
    const { url } = second.started
    await tus.Upload.terminate(url ?? '', { headers: { Authorization: user.authorization } })
    expect(await listed()).toEqual([])
  })

  it('goes on where it was after cuts and an outage', async () => {
    const bytes = randomBytes(30_000_000)
    const before = proxy.total()
    const { done } = upload(bytes, { metadata: { filename: 'resumed.bin' } })
    await proxy.passed(before + 5_000_000)
    proxy.cut()
    await proxy.passed(before + 12_000_000)
    proxy.down()
    await expect
      .poll(() => methods().filter((method) => method === 'HEAD').length)
      .toBeGreaterThan(1)
    proxy.up()
    await done
    const sent = proxy.total() - before
    // What had arrived was not sent again, but for what was on its way at each cut.
    expect(sent).toBeLessThan(bytes.length * 1.6)
    await requireOneRecord('resumed.bin', bytes)
  })
})

function memoryStorage(): tus.UrlStorage & { added: Promise<void> } {
  const stored = new Map<string, tus.PreviousUpload>()
  let next = 0
  let onAdded = () => {}
  const added = new Promise<void>((resolve) => {
    onAdded = resolve
  })
  const withKeys = (isWanted: (fingerprint: string) => boolean) =>
    [...stored]
      .filter(([key]) => isWanted(key.slice(0, key.lastIndexOf(':'))))
      .map(([key, value]) => ({ ...value, urlStorageKey: key }))
  return {
    added,
    findAllUploads: async () => withKeys(() => true),
    findUploadsByFingerprint: async (wanted) => withKeys((found) => found === wanted),
    removeUpload: async (key) => void stored.delete(key),
    async addUpload(fingerprint, value) {
      const key = `${fingerprint}:${next++}`
      stored.set(key, value)
      onAdded()
      return key
    },
  }
}
