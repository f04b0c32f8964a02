import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { s3Objects } from '../../src/db/schema-s3.ts'
import { openDiskStorage } from '../../src/storage/disk.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { type DatabaseKind, openTestDatabase } from '../support/database.ts'
import { createBucket, hasS3 } from '../support/s3.ts'
import { openTestS3Storage } from '../support/s3-storage.ts'

/** Every backend, and how a test gets a fresh one. A new backend is one line here. */
const backends: Record<string, () => Promise<{ storage: Storage; remove(): Promise<void> }>> = {
  'disk, synced': () => onDisk('power'),
  'disk, unsynced': () => onDisk('process'),
  ...(hasS3 && { 's3, Postgres': () => onS3('postgres'), 's3, embedded': () => onS3('embedded') }),
}

async function onDisk(durability: 'power' | 'process') {
  const root = await mkdtemp(path.join(tmpdir(), 'landfall-storage-'))
  const storage = await openDiskStorage({ root, durability })
  return { storage, remove: () => rm(root, { recursive: true }) }
}

const databases = new Map<DatabaseKind, OpenDatabase>()

async function onS3(kind: DatabaseKind) {
  const database = databases.get(kind) ?? (await openTestDatabase(kind))
  databases.set(kind, database)
  const opened = await openTestS3Storage(await createBucket(), database.db)
  return {
    storage: opened.storage,
    async remove() {
      await opened.close()
      await database.db.delete(s3Objects)
    },
  }
}

afterAll(async () => {
  for (const database of databases.values()) await database.close()
})

async function write(storage: Storage, key: string, offset: number, ...parts: Uint8Array[]) {
  const appender = await storage.append(key, offset)
  await appender.write(parts)
  await appender.sync()
  await appender.close()
}

describe.each(Object.keys(backends))('storage on %s', (name) => {
  let storage: Storage
  let remove: () => Promise<void>
  const all = (key: string) => buffer(storage.read(key))

  beforeEach(async () => {
    const made = await backends[name]?.()
    if (!made) throw new Error(`no backend ${name}`)
    ;({ storage, remove } = made)
  })
  afterEach(() => remove())

  it('creates an object once and never empties one that is there', async () => {
    await storage.create('ab/one')
    await write(storage, 'ab/one', 0, Buffer.from('kept'))
    await expect(storage.create('ab/one')).rejects.toMatchObject({ reason: 'unavailable' })
    expect((await all('ab/one')).toString()).toBe('kept')
  })

  it('appends many buffers in order, in several goes', async () => {
    await storage.create('ab/many')
    const parts = Array.from({ length: 3000 }, (_, n) => Buffer.from(`${n},`))
    await write(storage, 'ab/many', 0, ...parts.slice(0, 1500))
    const half = Buffer.concat(parts.slice(0, 1500)).byteLength
    expect(await storage.size('ab/many')).toBe(half)
    await write(storage, 'ab/many', half, ...parts.slice(1500))
    expect((await all('ab/many')).equals(Buffer.concat(parts))).toBe(true)
  })

  it('drops what lies past the offset that an append begins at', async () => {
    await storage.create('ab/cut')
    await write(storage, 'ab/cut', 0, Buffer.from('recorded and not'))
    await write(storage, 'ab/cut', 8, Buffer.from('!'))
    expect((await all('ab/cut')).toString()).toBe('recorded!')
  })

  it('refuses to append where bytes are missing before the offset', async () => {
    await storage.create('ab/hole')
    await expect(storage.append('ab/hole', 5)).rejects.toMatchObject({ reason: 'unavailable' })
    expect(await storage.size('ab/hole')).toBe(0)
  })

  it('truncates while appending and goes on from there', async () => {
    await storage.create('ab/back')
    const appender = await storage.append('ab/back', 0)
    await appender.write([Buffer.from('abcdef')])
    await appender.truncate(2)
    await appender.write([Buffer.from('X')])
    await appender.sync()
    await appender.close()
    expect((await all('ab/back')).toString()).toBe('abX')
  })

  it('reads ranges, inclusive at both ends', async () => {
    await storage.create('ab/range')
    await write(storage, 'ab/range', 0, Buffer.from('0123456789'))
    expect((await buffer(storage.read('ab/range', { start: 2, end: 4 }))).toString()).toBe('234')
    expect(Buffer.from(await storage.readAt('ab/range', 8, 100)).toString()).toBe('89')
    expect(await storage.readAt('ab/range', 100, 10)).toHaveLength(0)
  })

  it('says not-found for an object that is not there, without naming a path', async () => {
    const outcomes = await Promise.allSettled([
      buffer(storage.read('ab/none')),
      storage.append('ab/none', 0),
      storage.readAt('ab/none', 0, 1),
      storage.finalise('ab/none', 0),
    ])
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ reason: { reason: 'not-found', message: 'Not found.' } })
    expect(await storage.size('ab/none')).toBeNull()
  })

  it('removes an object, and again without complaint', async () => {
    await storage.create('ab/gone')
    await storage.remove('ab/gone')
    await storage.remove('ab/gone')
    expect(await storage.size('ab/gone')).toBeNull()
  })

  it('creates in a folder that was removed behind its back', async () => {
    await storage.create('cd/first')
    await storage.remove('cd/first')
    if (storage.localPath)
      await rm(path.dirname(storage.localPath('cd/first')), { recursive: true })
    await storage.create('cd/second')
    expect(await storage.size('cd/second')).toBe(0)
  })

  it('joins objects in order, the same one twice, onto what is there', async () => {
    const parts = [randomBytes(70_000), randomBytes(3), randomBytes(2_500_000)]
    for (const [n, bytes] of parts.entries()) {
      await storage.create(`ab/part${n}`)
      await write(storage, `ab/part${n}`, 0, bytes)
    }
    await storage.create('ab/whole')
    await storage.join('ab/whole', ['ab/part0', 'ab/part1', 'ab/part2', 'ab/part1'])
    const [a, b, c] = parts as [Buffer, Buffer, Buffer]
    expect((await all('ab/whole')).equals(Buffer.concat([a, b, c, b]))).toBe(true)
    await storage.join('ab/whole', ['ab/part1'])
    expect(await storage.size('ab/whole')).toBe(70_000 + 3 + 2_500_000 + 3 + 3)
    expect((await all('ab/part1')).equals(b)).toBe(true)
  })

  it('joins a thousand objects', async () => {
    const keys = Array.from({ length: 1000 }, (_, n) => `ab/piece${n % 7}`)
    for (const key of new Set(keys)) {
      await storage.create(key)
      await write(storage, key, 0, Buffer.from(key.slice(-1)))
    }
    await storage.create('ab/long')
    await storage.join('ab/long', keys)
    expect((await all('ab/long')).toString()).toBe(keys.map((key) => key.slice(-1)).join(''))
  })

  it('says not-found when an object to join is not there', async () => {
    for (const key of ['ab/there', 'ab/target']) await storage.create(key)
    await write(storage, 'ab/there', 0, Buffer.from('x'))
    await expect(storage.join('ab/target', ['ab/there', 'ab/away'])).rejects.toMatchObject({
      reason: 'not-found',
      message: 'Not found.',
    })
  })

  it('finalises only an object of exactly the recorded size', async () => {
    await storage.create('ab/final')
    await write(storage, 'ab/final', 0, Buffer.from('12345'))
    await expect(storage.finalise('ab/final', 4)).rejects.toMatchObject({ reason: 'unavailable' })
    await expect(storage.finalise('ab/final', 6)).rejects.toMatchObject({ reason: 'unavailable' })
    await storage.finalise('ab/final', 5)
    expect((await all('ab/final')).toString()).toBe('12345')
  })

  it('puts a small object over the one before', async () => {
    await storage.put('ef/small', Buffer.from('one, longer'))
    await storage.put('ef/small', Buffer.from('two'))
    expect((await all('ef/small')).toString()).toBe('two')
  })

  it('lists the keys that end in some way, however deep they are', async () => {
    const found = async (ending: string) => {
      const keys: string[] = []
      for await (const key of storage.keys?.(ending) ?? []) keys.push(key)
      return keys.sort()
    }
    expect(await found('.json')).toEqual([])
    for (const key of ['one.json', 'ab/two.json', 'ab/2026/01/three.json', 'ab/two', 'json'])
      await storage.put(key, Buffer.from('{}'))
    await storage.remove('one.json')
    expect(await found('.json')).toEqual(['ab/2026/01/three.json', 'ab/two.json'])
  })

  it('gets what was put, where it is not larger than expected', async () => {
    await storage.put('ef/got', Buffer.from('12345'))
    expect(Buffer.from((await storage.get('ef/got', 5)) ?? '').toString()).toBe('12345')
    expect(await storage.get('ef/got', 4)).toBeNull()
    expect(await storage.get('ef/none', 5)).toBeNull()
  })

  it('refuses keys that would leave its folder', async () => {
    for (const key of ['../up', '/abs', 'a/../../b', '', 'a//b', 'a/./b\0'])
      await expect(storage.create(key)).rejects.toMatchObject({
        cause: { message: 'malformed storage key' },
      })
  })

  it('answers a ping', async () => {
    await storage.ping()
  })
})

describe('disk storage alone', () => {
  it('removes what a dead process left of a put, and leaves a fresh one', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'landfall-storage-'))
    await mkdir(path.join(root, '.tmp'))
    await writeFile(path.join(root, '.tmp', 'old'), 'x')
    await writeFile(path.join(root, '.tmp', 'new'), 'x')
    const longAgo = new Date(Date.now() - 3_600_000)
    await utimes(path.join(root, '.tmp', 'old'), longAgo, longAgo)
    await openDiskStorage({ root, durability: 'process' })
    expect(await readdir(path.join(root, '.tmp'))).toEqual(['new'])
    await rm(root, { recursive: true })
  })

  it('takes an object out of the hands of whoever has it open', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'landfall-disk-'))
    const storage = await openDiskStorage({ root, durability: 'power' })
    await storage.create('ab/one')
    const old = await storage.append('ab/one', 0)
    await old.write([Buffer.from('hello')])
    await old.sync()
    await storage.detach?.('ab/one', () => true)
    await write(storage, 'ab/one', 5, Buffer.from(' world'))
    // What it had ready when it was stopped.
    await old.write([Buffer.from('WORLD, and more')])
    await old.truncate(1)
    await old.close()
    expect(String(await buffer(storage.read('ab/one')))).toBe('hello world')
    await storage.detach?.('ab/none', () => true)
    expect(await storage.size('ab/none')).toBeNull()
    await rm(root, { recursive: true })
  })

  it('changes nothing for whoever finds, with the object open, that it is not theirs', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'landfall-disk-'))
    const storage = await openDiskStorage({ root, durability: 'process' })
    for (const key of ['ab/one', 'ab/two']) {
      await storage.create(key)
      await write(storage, key, 0, Buffer.from(key))
    }
    const lost = () => false
    const locked = { reason: 'locked' }
    await expect(storage.append('ab/one', 2, lost)).rejects.toMatchObject(locked)
    await expect(storage.join('ab/one', ['ab/two'], lost)).rejects.toMatchObject(locked)
    await expect(storage.detach?.('ab/one', lost)).rejects.toMatchObject(locked)
    expect(String(await buffer(storage.read('ab/one')))).toBe('ab/one')
    expect(await readdir(path.join(root, '.tmp'))).toEqual([])
    await rm(root, { recursive: true })
  })

  it('links a file, not a link to it, under a new key only', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'landfall-storage-'))
    const storage = await openDiskStorage({ root, durability: 'power' })
    await writeFile(path.join(root, 'file'), 'bytes')
    await symlink('file', path.join(root, 'symbolic'))
    await storage.link?.('ab/one', path.join(root, 'symbolic'))
    await rm(path.join(root, 'file'))
    expect((await buffer(storage.read('ab/one'))).toString()).toBe('bytes')
    await writeFile(path.join(root, 'other'), 'other')
    await expect(storage.link?.('ab/one', path.join(root, 'other'))).rejects.toMatchObject({
      reason: 'unavailable',
    })
    await expect(storage.link?.('ab/two', path.join(root, 'none'))).rejects.toMatchObject({
      reason: 'not-found',
    })
    await rm(root, { recursive: true })
  })

  it('says storage-full when there is no room', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'landfall-storage-'))
    const storage = await openDiskStorage({ root, durability: 'process' })
    // The kernel's own full device: every write to it fails with ENOSPC.
    await symlink('/dev/full', path.join(root, 'full'))
    const appender = await storage.append('full', 0)
    await expect(appender.write([Buffer.from('x')])).rejects.toMatchObject({
      reason: 'storage-full',
      status: 507,
    })
    await appender.close()
    await rm(root, { recursive: true })
  })
})
