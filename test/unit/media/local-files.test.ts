import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { createLocalFiles } from '../../../src/media/local-files.ts'

let root: string
let folder: string

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'landfall-local-'))
})
beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(root, 'run-')), 'tmp')
})
afterAll(() => rm(root, { recursive: true }))

const bytes = Buffer.alloc(300_000, 'picture')
const object = { storageKey: 'ab/key', size: bytes.length }
const readsOf = (chunks: () => Iterable<Uint8Array>) => ({ read: () => Readable.from(chunks()) })
const whole = readsOf(() => [bytes.subarray(0, 100_000), bytes.subarray(100_000)])
const left = () => readdir(folder).catch(() => [])

describe('an object that is lent', () => {
  it('is the file itself where the storage has files', async () => {
    const localPath = (key: string) => `/files/${key}`
    const files = createLocalFiles({ storage: { ...whole, localPath }, folder, maxBytes: 1 })
    expect(await files.lend(object, async (file) => file)).toBe('/files/ab/key')
    expect(await left()).toEqual([])
  })

  it('is a copy otherwise, which is gone afterwards, however that ends', async () => {
    const files = createLocalFiles({ storage: whole, folder })
    const found = await files.lend(object, async (file) => {
      expect(path.dirname(file)).toBe(folder)
      return readFile(file)
    })
    expect(found?.equals(bytes)).toBe(true)
    expect(await left()).toEqual([])
    const fails = files.lend(object, async () => {
      throw new Fault('file-unreadable')
    })
    await expect(fails).rejects.toMatchObject({ reason: 'file-unreadable' })
    expect(await left()).toEqual([])
  })

  it('is not copied where it is larger than the bound, or has no bytes', async () => {
    const storage = {
      read(): Readable {
        throw new Error('it was read')
      },
    }
    const files = createLocalFiles({ storage, folder, maxBytes: 299_999 })
    expect(await files.lend(object, async () => 'done')).toBeNull()
    expect(await files.lend({ ...object, size: 0 }, async () => 'done')).toBeNull()
  })

  it('that cannot be copied whole is nobody’s work, and leaves nothing', async () => {
    const cause = new Error('reset')
    const cases = [
      [readsOf(() => [bytes.subarray(0, 200_000)]), 'unavailable'],
      [
        readsOf(function* () {
          yield bytes.subarray(0, 200_000)
          throw new Fault('not-found', { cause })
        }),
        'not-found',
      ],
      [
        readsOf(function* () {
          yield bytes.subarray(0, 200_000)
          throw cause
        }),
        'unavailable',
      ],
    ] as const
    for (const [storage, reason] of cases) {
      const files = createLocalFiles({ storage, folder })
      await expect(files.lend(object, async () => 'done')).rejects.toMatchObject({ reason })
      expect(await left()).toEqual([])
    }
  })

  it('is one of two that are there at a time', async () => {
    const files = createLocalFiles({ storage: whole, folder })
    let most = 0
    const work = async () => {
      most = Math.max(most, (await left()).length)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(Array.from({ length: 12 }, () => files.lend(object, work)))
    expect(most).toBeLessThanOrEqual(2)
    expect(await left()).toEqual([])
  })
})

it('removes what a dead process left, and nothing else', async () => {
  await mkdir(folder)
  const stale = 'copy-00000000-0000-4000-8000-000000000000'
  const fresh = 'copy-00000000-0000-4000-8000-000000000001'
  for (const name of [stale, fresh, 'copy-of-mine', 'other']) {
    await writeFile(path.join(folder, name), 'x')
    const age = name === fresh ? 1000 : 2 * 60 * 60 * 1000
    const when = new Date(Date.now() - age)
    await utimes(path.join(folder, name), when, when)
  }
  const files = createLocalFiles({ storage: whole, folder })
  await files.lend(object, async () => {})
  expect((await left()).sort()).toEqual([fresh, 'copy-of-mine', 'other'].sort())
})
