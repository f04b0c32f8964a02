import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openAppender, type S3Appender } from '../../../src/storage/s3-append.ts'
import type { Reading } from '../../../src/storage/s3-read.ts'
import { type Body, openSpool, type Spool } from '../../../src/storage/s3-spool.ts'
import type { Turn } from '../../../src/storage/s3-turn.ts'

const PART = 10
const bytes = (text: string) => [Buffer.from(text)]
const full = () => Object.assign(new Error('no space'), { code: 'ENOSPC' })

/** An appender whose parts have ten bytes, with a spool that may be full and a store that keeps lists. */
describe('an appender of a store', () => {
  let folder: string
  let stored: string[]
  let files: { open: number; most: number; refused: (made: number) => boolean }
  let sends: (text: string) => Promise<void>
  let appender: S3Appender

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-spool-'))
    const spool = await openSpool(folder)
    stored = []
    sends = async () => {}
    files = { open: 0, most: 0, refused: () => false }
    appender = await openAppender({ turn, spool: countedSpool(spool), reading: {} as Reading }, 0)
  })
  afterEach(async () => {
    await appender.close()
    expect(files.open).toBe(0)
    await rm(folder, { recursive: true })
  })

  const keep = (kind: string) => async (body: Body, start: number) => {
    const text = (await buffer(body.open())).toString()
    await sends(text)
    stored.push(`${kind} ${start} ${text}`)
  }
  const turn = {
    object: { partSize: PART, multipartsBegun: 0 },
    goBack: async () => ({ parts: [], rest: null }),
    putPart: keep('part'),
    putRest: async (kind: string, body: Body, start: number) => {
      await keep(kind)(body, start)
      return true
    },
    keepPoint: async () => {},
    settled: async () => {},
  } as unknown as Turn

  function countedSpool(spool: Spool): Spool {
    let made = 0
    return {
      async create() {
        const file = await spool.create()
        const number = ++made
        files.most = Math.max(files.most, ++files.open)
        return {
          ...file,
          get size() {
            return file.size
          },
          async write(buffers) {
            if (files.refused(number)) throw full()
            await file.write(buffers)
          },
          async close() {
            files.open--
            await file.close()
          },
        }
      },
    }
  }

  it('sends a part while the next is filled, and has two files at the most', async () => {
    const text = 'abcdefghijklmnopqrstuvwxyz0123456789'
    for (const letter of text) await appender.write(bytes(letter))
    await appender.sync()
    expect(stored).toEqual([
      'part 0 abcdefghij',
      'part 10 klmnopqrst',
      'part 20 uvwxyz0123',
      'tail 30 456789',
    ])
    expect(files.most).toBe(2)
  })

  it('splits a batch that is longer than parts are', async () => {
    await appender.write(bytes('abcdefghijklmnopqrstuvwxyz'))
    await appender.sync(true)
    expect(stored).toEqual(['part 0 abcdefghij', 'part 10 klmnopqrst', 'part 20 uvwxyz'])
  })

  it('is one object where one part is enough, though it is full', async () => {
    await appender.write(bytes('abcdefghij'))
    await appender.sync(true)
    expect(stored).toEqual(['whole 0 abcdefghij'])
  })

  it('stores nothing again that is stored', async () => {
    await appender.write(bytes('abc'))
    await appender.sync()
    await appender.sync()
    await appender.sync(true)
    expect(stored).toEqual(['tail 0 abc'])
  })

  it('takes all of a batch or nothing of it, also where a part ends in it', async () => {
    await appender.write(bytes('abcdefgh'))
    files.refused = (made) => made === 2
    await expect(appender.write(bytes('ijklm'))).rejects.toMatchObject({ code: 'ENOSPC' })
    await appender.sync()
    expect(stored).toEqual(['tail 0 abcdefgh'])
    files.refused = () => false
    await appender.write(bytes('ijklm'))
    await appender.sync()
    expect(stored.slice(1)).toEqual(['part 0 abcdefghij', 'tail 10 klm'])
  })

  it('says at the next write or sync that a part was not stored', async () => {
    sends = async (text) => {
      if (text.startsWith('a')) throw full()
    }
    await appender.write(bytes('abcdefghijkl'))
    await expect(appender.sync()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(stored).toEqual([])
    sends = async () => {}
    await appender.truncate(0)
    await appender.write(bytes('again'))
    await appender.sync()
    expect(stored).toEqual(['tail 0 again'])
  })
})
