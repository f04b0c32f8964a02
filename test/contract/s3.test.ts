import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { eq } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { s3Objects, s3Pieces } from '../../src/db/schema-s3.ts'
import { openTestDatabase } from '../support/database.ts'
import { createBucket, hasS3, type TestBucket } from '../support/s3.ts'
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts'
import { type OpenedS3Storage, openTestS3Storage } from '../support/s3-storage.ts'

const MIB = 1024 * 1024
const bytes = randomBytes(13 * MIB)
const prefix = 'in-here/'

function openGate() {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

describe.skipIf(!hasS3)('storage on S3 alone', () => {
  let database: OpenDatabase
  let bucket: TestBucket
  let proxy: S3Proxy
  let opened: OpenedS3Storage
  /** Another server on the same database and bucket. */
  let other: OpenedS3Storage

  beforeAll(async () => {
    database = await openTestDatabase('postgres')
    proxy = await startS3Proxy()
  })
  afterAll(async () => {
    await proxy.close()
    await database.close()
  })
  beforeEach(async () => {
    proxy.reset()
    bucket = await createBucket(proxy.url)
    opened = await openTestS3Storage(bucket, database.db)
    other = await openTestS3Storage(bucket, database.db)
    proxy.reset()
  })
  afterEach(async () => {
    await opened.close()
    await other.close()
    await database.db.delete(s3Objects)
    bucket.client.destroy()
  })

  const all = (key: string) => buffer(opened.storage.read(key))
  const keys = async () => (await bucket.keys()).map((key) => key.slice(prefix.length)).sort()
  const pieces = (key: string) => database.db.select().from(s3Pieces).where(eq(s3Pieces.key, key))

  /** Creates, writes and syncs as one body does; finishes where `whole`. */
  async function store(key: string, content: Uint8Array, size: number | null = content.byteLength) {
    const { storage } = opened
    await storage.create(key, { size })
    await add(key, 0, content, content.byteLength === size)
  }
  async function add(key: string, offset: number, content: Uint8Array, whole = false) {
    const appender = await opened.storage.append(key, offset)
    try {
      for (let at = 0; at < content.byteLength; at += MIB)
        await appender.write([content.subarray(at, at + MIB)])
      await appender.sync(whole)
    } finally {
      await appender.close()
    }
  }
  /** Nothing is left but these objects. */
  async function expectOnly(...left: string[]) {
    expect(await keys()).toEqual(left)
    expect(await bucket.openMultiparts()).toEqual([])
    expect(await database.db.select().from(s3Objects)).toEqual([])
    expect(await readdir(opened.spoolDir)).toEqual([])
  }

  describe('what it sends', () => {
    it('is one request for a file that one part holds', async () => {
      await opened.storage.create('ab/a', { target: 'ab/a.done', size: 5 })
      expect(proxy.requests).toEqual([])
      await add('ab/a', 0, Buffer.from('hello'), true)
      await opened.storage.finalise('ab/a', 5, 'ab/a.done')
      expect(proxy.requests).toEqual(['PUT ab/a.done'])
      expect((await all('ab/a.done')).toString()).toBe('hello')
      await expectOnly('ab/a.done')
    })

    it('is parts of the same size and the rest, under the final key from the start', async () => {
      await opened.storage.create('ab/b', { target: 'ab/b.done', size: bytes.byteLength })
      await add('ab/b', 0, bytes, true)
      await opened.storage.finalise('ab/b', bytes.byteLength, 'ab/b.done')
      expect(proxy.requests).toEqual([
        'POST ab/b.done?uploads',
        ...Array(3).fill('PUT ab/b.done?partNumber&uploadId'),
        'POST ab/b.done?uploadId',
      ])
      expect((await all('ab/b.done')).equals(bytes)).toBe(true)
      await expectOnly('ab/b.done')
    })

    it('is a copy within the store where nobody said that the last byte had come', async () => {
      await store('ab/c', Buffer.from('hello'), null)
      await opened.storage.finalise('ab/c', 5)
      expect(proxy.requests.filter((name) => !name.includes('.tail.'))).toEqual(['PUT ab/c'])
      expect((await all('ab/c')).toString()).toBe('hello')
      await expectOnly('ab/c')
    })

    it('is the tail as the last part behind others', async () => {
      await store('ab/d', bytes.subarray(0, 7 * MIB), null)
      await opened.storage.finalise('ab/d', 7 * MIB)
      expect((await all('ab/d')).equals(bytes.subarray(0, 7 * MIB))).toBe(true)
      await expectOnly('ab/d')
    })

    it('is an empty object for no bytes', async () => {
      await store('ab/e', Buffer.alloc(0))
      await opened.storage.finalise('ab/e', 0)
      expect(await opened.storage.size('ab/e')).toBe(0)
      expect(await all('ab/e')).toHaveLength(0)
      await expectOnly('ab/e')
    })

    it('has no checksum where none is wanted, and goes on with parts that had one', async () => {
      const plain = await openTestS3Storage(bucket, database.db, { checksums: false })
      for (const [first, then] of [
        [opened, plain],
        [plain, opened],
      ] as const) {
        await first.storage.create('ab/f', { size: 13 * MIB })
        const one = await first.storage.append('ab/f', 0)
        await one.write([bytes.subarray(0, 6 * MIB)])
        await one.sync()
        await one.close()
        const two = await then.storage.append('ab/f', 6 * MIB)
        await two.write([bytes.subarray(6 * MIB)])
        await two.sync(true)
        await two.close()
        await then.storage.finalise('ab/f', 13 * MIB)
        expect((await all('ab/f')).equals(bytes)).toBe(true)
        await opened.storage.remove('ab/f')
      }
      await plain.close()
    })

    it('is refused early where no store could hold it', async () => {
      const size = 5 * 2 ** 40 + 1
      await expect(opened.storage.create('ab/g', { size })).rejects.toMatchObject({
        reason: 'too-large',
      })
      await expectOnly()
    })

    it('is copies where a joined object is large, and parts of the small ones together', async () => {
      const large = bytes.subarray(0, 6 * MIB)
      const small = bytes.subarray(0, 3 * MIB)
      for (const [key, content] of [
        ['l', large],
        ['s', small],
      ] as const) {
        await store(`ab/${key}`, content)
        await opened.storage.finalise(`ab/${key}`, content.byteLength)
      }
      await opened.storage.create('ab/j', { size: null })
      proxy.reset()
      const order = ['l', 's', 's', 'l', 'l', 's', 'l']
      const usual = await openTestS3Storage(bucket, database.db, { usualPartBytes: 8 * MIB })
      await usual.storage.join(
        'ab/j',
        order.map((key) => `ab/${key}`),
      )
      await usual.close()
      const whole = Buffer.concat(order.map((key) => (key === 'l' ? large : small)))
      expect(await opened.storage.size('ab/j')).toBe(whole.byteLength)
      await opened.storage.finalise('ab/j', whole.byteLength)
      expect((await all('ab/j')).equals(whole)).toBe(true)
      expect(proxy.requests.filter((name) => name.startsWith('GET ab/l'))).toHaveLength(1)
      await expectOnly('ab/j', 'ab/l', 'ab/s')
    })
  })

  describe('a body that ends before the object does', () => {
    it('is stored beside the parts, and goes on from there', async () => {
      await store('ab/a', bytes.subarray(0, 6 * MIB), 13 * MIB)
      expect(await opened.storage.size('ab/a')).toBe(6 * MIB)
      await add('ab/a', 6 * MIB, bytes.subarray(6 * MIB, 7 * MIB))
      await add('ab/a', 7 * MIB, bytes.subarray(7 * MIB, 10 * MIB))
      await add('ab/a', 10 * MIB, bytes.subarray(10 * MIB), true)
      await opened.storage.finalise('ab/a', 13 * MIB)
      expect((await all('ab/a')).equals(bytes)).toBe(true)
      await expectOnly('ab/a')
    })

    it('goes back to the sync before the last, by another server too', async () => {
      await opened.storage.create('ab/b', { size: 13 * MIB })
      const appender = await opened.storage.append('ab/b', 0)
      for (const end of [1, 2, 3]) {
        await appender.write([bytes.subarray((end - 1) * MIB, end * MIB)])
        await appender.sync()
      }
      await appender.close()
      expect((await keys()).length).toBe(2)
      const again = await other.storage.append('ab/b', 2 * MIB)
      expect(await other.storage.size('ab/b')).toBe(2 * MIB)
      await again.write([bytes.subarray(2 * MIB)])
      await again.sync(true)
      await again.close()
      await other.storage.finalise('ab/b', 13 * MIB)
      expect((await all('ab/b')).equals(bytes)).toBe(true)
      await expectOnly('ab/b')
    })

    it('keeps that place when what follows fills whole parts and is dropped', async () => {
      await store('ab/c', bytes.subarray(0, 3 * MIB), 13 * MIB)
      const appender = await opened.storage.append('ab/c', 3 * MIB)
      await appender.write([randomBytes(9 * MIB)])
      await appender.sync()
      await appender.truncate(3 * MIB)
      expect(await opened.storage.size('ab/c')).toBe(3 * MIB)
      await appender.write([bytes.subarray(3 * MIB)])
      await appender.sync(true)
      await appender.close()
      // Numbers 1 and 2 are of the parts that were dropped: one full, and its rest.
      const stored = await pieces('ab/c')
      expect(stored.filter(({ kind }) => kind === 'part').map(({ number }) => number)).toEqual([
        3, 4, 5,
      ])
      await opened.storage.finalise('ab/c', 13 * MIB)
      expect((await all('ab/c')).equals(bytes)).toBe(true)
      await expectOnly('ab/c')
    })

    it('keeps no byte that was not synced', async () => {
      await store('ab/d', bytes.subarray(0, 10), 100)
      const appender = await opened.storage.append('ab/d', 10)
      await appender.write([Buffer.from('lost')])
      expect(Buffer.from(await appender.readHead(20))).toEqual(
        Buffer.concat([bytes.subarray(0, 10), Buffer.from('lost')]),
      )
      await appender.close()
      expect(await opened.storage.size('ab/d')).toBe(10)
    })

    it('begins another multipart upload where numbers run short', async () => {
      await store('ab/e', bytes.subarray(0, 5 * MIB + 1), 13 * MIB)
      await database.db.update(s3Objects).set({ nextNumber: 9_999 })
      await add('ab/e', 0, bytes, true)
      await opened.storage.finalise('ab/e', 13 * MIB)
      expect((await all('ab/e')).equals(bytes)).toBe(true)
      await expectOnly('ab/e')
    })
  })

  describe('a server that has lost its turn', () => {
    it('stores nothing any more', async () => {
      await opened.storage.create('ab/a', { size: 100 })
      const late = await opened.storage.append('ab/a', 0)
      await late.write([Buffer.from('late')])
      const appender = await other.storage.append('ab/a', 0)
      for (const work of [() => late.sync(), () => late.sync(true)])
        await expect(work()).rejects.toMatchObject({ reason: 'locked' })
      await late.close()
      await appender.write([Buffer.from('in time')])
      await appender.sync()
      await appender.close()
      expect((await all('ab/a')).toString()).toBe('in time')
    })

    it('changes nothing any more of what another one has not begun to write yet', async () => {
      await store('ab/f', Buffer.from('acknowledged'), 100)
      const late = await opened.storage.append('ab/f', 12)
      await late.write([Buffer.from(' or not')])
      await expect(other.storage.detach?.('ab/f', () => false)).rejects.toMatchObject({
        reason: 'locked',
      })
      await late.sync()
      await other.storage.detach?.('ab/f', () => true)
      await expect(late.truncate(12)).rejects.toMatchObject({ reason: 'locked' })
      await late.close()
      expect(await other.storage.size('ab/f')).toBe(19)
    })

    it('takes no turn from whoever has it', async () => {
      await opened.storage.create('ab/e', { size: 100 })
      const appender = await other.storage.append('ab/e', 0)
      await appender.write([Buffer.from('in time')])
      await expect(opened.storage.append('ab/e', 0, () => false)).rejects.toMatchObject({
        reason: 'locked',
      })
      await appender.sync()
      await appender.close()
      expect((await all('ab/e')).toString()).toBe('in time')
    })

    it('has sent a part that counts nowhere, whenever it lands', async () => {
      await store('ab/b', bytes.subarray(0, 6 * MIB), 13 * MIB)
      const gate = openGate()
      proxy.next(/PUT ab\/b\?partNumber/, { before: gate.passed })
      const late = await opened.storage.append('ab/b', 6 * MIB)
      await late.write([randomBytes(5 * MIB)])
      const lost = expect(late.sync()).rejects.toMatchObject({ reason: 'locked' })
      const sent = () => proxy.requests.filter((name) => name.startsWith('PUT ab/b?partNumber'))
      await vi.waitFor(() => expect(sent()).toHaveLength(2))
      const appender = await other.storage.append('ab/b', 6 * MIB)
      await appender.write([bytes.subarray(6 * MIB)])
      gate.open()
      await lost
      await appender.sync(true)
      await appender.close()
      await late.close()
      await other.storage.finalise('ab/b', 13 * MIB)
      expect((await all('ab/b')).equals(bytes)).toBe(true)
      await expectOnly('ab/b')
    })

    it('does not overwrite the object that was finished meanwhile', async () => {
      await opened.storage.create('ab/c', { size: 7 })
      const gate = openGate()
      proxy.next(/PUT ab\/c$/, { before: gate.passed })
      const late = await opened.storage.append('ab/c', 0)
      await late.write([Buffer.from('too late')])
      await late.truncate(7)
      const lost = expect(late.sync(true)).rejects.toMatchObject({ reason: 'locked' })
      await vi.waitFor(() => expect(proxy.requests).toContain('PUT ab/c'))
      const appender = await other.storage.append('ab/c', 0)
      await appender.write([Buffer.from('in time')])
      await appender.sync(true)
      await appender.close()
      await other.storage.finalise('ab/c', 7)
      gate.open()
      await lost
      await late.close()
      expect((await all('ab/c')).toString()).toBe('in time')
      await expectOnly('ab/c')
    })

    it('has put the object there first: it is replaced by what counts', async () => {
      await opened.storage.create('ab/d', { size: 7 })
      const late = await opened.storage.append('ab/d', 0)
      await late.write([Buffer.from('earlier')])
      await late.sync(true)
      await late.close()
      const appender = await other.storage.append('ab/d', 0)
      await appender.write([Buffer.from('in time')])
      await appender.sync(true)
      await appender.close()
      await other.storage.finalise('ab/d', 7)
      expect((await all('ab/d')).toString()).toBe('in time')
      await expectOnly('ab/d')
    })
  })

  describe('an answer that is lost', () => {
    it.each([
      ['POST ab/a?uploads', /POST ab\/a\?uploads/],
      ['PUT of a part', /PUT ab\/a\?partNumber/],
      ['PUT of a tail', /PUT ab\/a\.tail/],
      ['POST that completes it', /POST ab\/a\?uploadId/],
    ])('to %s changes nothing', async (_, matching) => {
      proxy.next(matching, { loseAnswer: true })
      await store('ab/a', bytes.subarray(0, 6 * MIB), 13 * MIB)
      await add('ab/a', 6 * MIB, bytes.subarray(6 * MIB), true)
      await opened.storage.finalise('ab/a', 13 * MIB)
      expect((await all('ab/a')).equals(bytes)).toBe(true)
      await expectOnly('ab/a')
    })

    it.each([
      ['PUT of the object itself', /PUT ab\/b$/, 5],
      ['copy of the tail', /PUT ab\/b$/, null],
    ])('to the %s changes nothing', async (_, matching, size) => {
      proxy.next(matching, { loseAnswer: true })
      await store('ab/b', Buffer.from('hello'), size)
      await opened.storage.finalise('ab/b', 5)
      expect((await all('ab/b')).toString()).toBe('hello')
      await expectOnly('ab/b')
    })

    it('from a store that keeps no completed uploads is found out by looking', async () => {
      await store('ab/c', bytes)
      await opened.storage.finalise('ab/c', 13 * MIB)
      await opened.storage.create('ab/d', { target: 'ab/c', size: 13 * MIB })
      await add('ab/d', 0, bytes.subarray(0, 13 * MIB), true)
      proxy.next(/POST ab\/c\?uploadId/, { answer: { status: 404, code: 'NoSuchUpload' } })
      await opened.storage.finalise('ab/d', 13 * MIB, 'ab/c')
      expect(await opened.storage.size('ab/c')).toBe(13 * MIB)
      expect(await database.db.select().from(s3Objects)).toEqual([])
    })

    it('does not make an object of another length count', async () => {
      await opened.storage.put('ab/e', Buffer.from('something else'))
      await store('ab/f', Buffer.alloc(0))
      await opened.storage.create('ab/g', { target: 'ab/e', size: 13 * MIB })
      await add('ab/g', 0, bytes, true)
      proxy.next(/POST ab\/e\?uploadId/, { answer: { status: 404, code: 'NoSuchUpload' } })
      await expect(opened.storage.finalise('ab/g', 13 * MIB, 'ab/e')).rejects.toMatchObject({
        reason: 'unavailable',
      })
    })
  })

  describe('finishing', () => {
    it('may be done twice, and by two servers at once', async () => {
      for (const [key, content, size] of [
        ['ab/a', bytes, 13 * MIB],
        ['ab/b', bytes.subarray(0, 7 * MIB), null],
        ['ab/c', Buffer.from('tail'), null],
        ['ab/d', Buffer.from('whole'), 5],
        ['ab/e', Buffer.alloc(0), 0],
      ] as const) {
        await store(key, content, size)
        const finish = (by: OpenedS3Storage) => by.storage.finalise(key, content.byteLength)
        await Promise.all([finish(opened), finish(other), finish(opened)])
        await finish(opened)
        expect((await all(key)).equals(content)).toBe(true)
      }
      await expectOnly('ab/a', 'ab/b', 'ab/c', 'ab/d', 'ab/e')
    })

    it('looks again for an object that is not to be seen for a moment, and not for ever', async () => {
      await store('ab/a', Buffer.from('whole'), 5)
      await opened.storage.finalise('ab/a', 5)
      // As when another server is just finishing it a second time.
      proxy.next(/HEAD ab\/a$/, { answer: { status: 404, code: 'NotFound' } }, 2)
      await opened.storage.finalise('ab/a', 5)
      await opened.storage.remove('ab/a')
      await expect(opened.storage.finalise('ab/a', 5)).rejects.toMatchObject({
        reason: 'not-found',
      })
    })

    it('goes on where it was cut off, at whatever request', async () => {
      for (let n = 0; ; n++) {
        const key = `ab/${n}`
        await store(key, bytes.subarray(0, 7 * MIB), null)
        const before = proxy.requests.length
        let left = n
        const failing = { test: () => left-- === 0 } as unknown as RegExp
        proxy.next(failing, { answer: { status: 403, code: 'AccessDenied' } })
        const cut = await opened.storage.finalise(key, 7 * MIB).then(
          () => false,
          () => true,
        )
        const took = proxy.requests.length - before
        if (!cut && took <= n) break
        await opened.storage.finalise(key, 7 * MIB)
        expect((await all(key)).equals(bytes.subarray(0, 7 * MIB))).toBe(true)
        await opened.storage.remove(key)
        await expectOnly()
      }
    })

    it('ends multipart uploads of this very object only', async () => {
      const Bucket = bucket.name
      const strangers = [`${prefix}ab/ax`, `${prefix}ab/a/b`, 'ab/a', `${prefix}z`]
      for (const Key of strangers) {
        const { UploadId } = await bucket.client.send(
          new CreateMultipartUploadCommand({ Bucket, Key }),
        )
        const Body = Buffer.from('theirs')
        await bucket.client.send(
          new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body }),
        )
      }
      proxy.next(/POST ab\/a\?uploads/, { loseAnswer: true })
      await store('ab/a', bytes)
      expect((await bucket.openMultiparts()).sort()).toEqual(
        [...strangers, `${prefix}ab/a`, `${prefix}ab/a`].sort(),
      )
      await opened.storage.finalise('ab/a', 13 * MIB)
      const ended = proxy.requests.filter((name) => name === 'DELETE ab/a?uploadId')
      expect(ended).toHaveLength(1)
      proxy.next(/POST ab\/a2\?uploads/, { loseAnswer: true })
      await store('ab/a2', bytes)
      await opened.storage.remove('ab/a2')
      expect((await bucket.openMultiparts()).sort()).toEqual(strangers.sort())
    })

    it('lists nothing where nothing can be left', async () => {
      await store('ab/a', bytes)
      await opened.storage.finalise('ab/a', 13 * MIB)
      await store('ab/b', bytes)
      await opened.storage.remove('ab/b')
      expect(proxy.requests.filter((name) => /^GET \?/.test(name))).toEqual([])
    })
  })

  it('removes all that there is of an unfinished object', async () => {
    await opened.storage.create('ab/a', { target: 'ab/a.done', size: 13 * MIB })
    await add('ab/a', 0, bytes.subarray(0, 6 * MIB))
    await add('ab/a', 6 * MIB, bytes.subarray(6 * MIB, 7 * MIB))
    await opened.storage.remove('ab/a')
    await expectOnly()
    await opened.storage.create('ab/b', { target: 'ab/b.done', size: 5 })
    await add('ab/b', 0, Buffer.from('whole'), true)
    await opened.storage.remove('ab/b')
    await expectOnly()
  })

  it('lists keys by their ending', async () => {
    for (const key of ['ab/a.json', 'ab/b', 'cd/c.json'])
      await opened.storage.put(key, Buffer.from('x'))
    const found: string[] = []
    for await (const key of opened.storage.keys?.('.json') ?? []) found.push(key)
    expect(found.sort()).toEqual(['ab/a.json', 'cd/c.json'])
  })

  describe('a store in trouble', () => {
    it('that comes back in time costs nothing', async () => {
      proxy.next(/PUT ab\/a$/, { refuse: true })
      proxy.next(/PUT ab\/a$/, { answer: { status: 503, code: 'SlowDown' } })
      await store('ab/a', Buffer.from('hello'))
      expect(proxy.requests).toHaveLength(3)
    })

    it('that stays away is unavailable, and the body goes on when it is back', async () => {
      await store('ab/b', bytes.subarray(0, 3 * MIB), 13 * MIB)
      const appender = await opened.storage.append('ab/b', 3 * MIB)
      await appender.write([bytes.subarray(3 * MIB, 6 * MIB)])
      proxy.next(/./, { refuse: true }, Number.POSITIVE_INFINITY)
      await expect(appender.sync()).rejects.toMatchObject({
        reason: 'unavailable',
        retryAfterSeconds: 1,
        message: 'The service is briefly unavailable: try again in a moment.',
      })
      proxy.reset()
      await appender.truncate(3 * MIB)
      await appender.write([bytes.subarray(3 * MIB)])
      await appender.sync(true)
      await appender.close()
      await opened.storage.finalise('ab/b', 13 * MIB)
      expect((await all('ab/b')).equals(bytes)).toBe(true)
      await expectOnly('ab/b')
    })

    it.each([
      [507, 'InsufficientStorage', 'storage-full'],
      [400, 'QuotaExceeded', 'storage-full'],
      [403, 'AccessDenied', 'unavailable'],
    ] as const)('that answers %s %s is %s', async (status, code, reason) => {
      proxy.next(/PUT ab\/c$/, { answer: { status, code } })
      const rejected = expect(store('ab/c', Buffer.from('x'), 1)).rejects
      await rejected.toMatchObject({ reason, message: expect.not.stringContaining('secret') })
    })

    it('that does not know conditional writes is written to without', async () => {
      proxy.next(/PUT ab\/d$/, { answer: { status: 501, code: 'NotImplemented' } })
      await store('ab/d', Buffer.from('hello'))
      await opened.storage.finalise('ab/d', 5)
      expect((await all('ab/d')).toString()).toBe('hello')
    })
  })

  describe('reading', () => {
    beforeEach(async () => {
      await store('ab/r', bytes)
      await opened.storage.finalise('ab/r', 13 * MIB)
    })

    it('goes on where the connection broke', async () => {
      proxy.next(/GET ab\/r/, { cutAfter: 3 * MIB + 1 }, 2)
      expect((await all('ab/r')).equals(bytes)).toBe(true)
      proxy.next(/GET ab\/r/, { cutAfter: 100 }, 1)
      const range = { start: 5, end: 2 * MIB }
      const part = await buffer(opened.storage.read('ab/r', range))
      expect(part.equals(bytes.subarray(5, 2 * MIB + 1))).toBe(true)
    })

    it('leaves no request open behind a reader that has gone', async () => {
      const stream = opened.storage.read('ab/r')
      await new Promise((resolve) => stream.once('data', resolve))
      expect(proxy.open()).toBe(1)
      stream.destroy()
      await vi.waitFor(() => expect(proxy.open()).toBe(0))
      const gate = openGate()
      proxy.next(/GET ab\/r/, { before: gate.passed })
      const waiting = opened.storage.read('ab/r').resume()
      await vi.waitFor(() => expect(proxy.open()).toBe(1))
      waiting.destroy()
      await vi.waitFor(() => expect(proxy.open()).toBe(0))
      gate.open()
    })

    it('says at the first byte when there is nothing, and not in the words of the store', async () => {
      proxy.next(/GET ab\/r/, { answer: { status: 403, code: 'AccessDenied' } })
      await expect(all('ab/r')).rejects.toMatchObject({
        reason: 'unavailable',
        message: expect.not.stringContaining('secret'),
      })
    })
  })

  describe('a start', () => {
    const start = (options: Parameters<typeof openTestS3Storage>[2]) =>
      openTestS3Storage(bucket, database.db, options)

    it('says what to mend', async () => {
      await expect(start({ bucket: 'not-there' })).rejects.toThrow(/^S3_BUCKET: there is no bucket/)
      await expect(start({ endpoint: 'http://127.0.0.1:1' })).rejects.toThrow(
        'S3_ENDPOINT: http://127.0.0.1:1 does not answer as an S3 store (ECONNREFUSED)',
      )
      await expect(start({ endpoint: undefined })).rejects.toThrow('S3_REGION: not set')
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong')
      await expect(start({})).rejects.toThrow(/^S3 credentials: .* refuses them/)
      vi.unstubAllEnvs()
    })
  })
})
