import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { fromBytes, openFile } from '../../../src/media/bytes.ts'
import {
  createInspector,
  type Inspector,
  type InspectorOptions,
  isInspectionFailure,
} from '../../../src/media/inspect.ts'
import { ended } from '../../support/alive.ts'
import { buildPng } from '../../support/images.ts'

const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url))
const open: Inspector[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((inspector) => inspector.close()))
})

const start = (options: Partial<InspectorOptions> = {}): Inspector => {
  const inspector = createInspector({ maxImagePixels: 1_000_000, ...options })
  open.push(inspector)
  return inspector
}

describe('a file that the inspecting process cannot open', () => {
  it('is found to be what it is where it can, in a few reads', async () => {
    const inspector = start()
    for (const name of await readdir(fixtures)) {
      const file = path.join(fixtures, name)
      const job = { size: (await stat(file)).size, name, declaredType: null }
      const source = await openFile(file)
      let reads = 0
      const read = (start: number, length: number) => {
        reads++
        return source.read(start, length)
      }
      const local = await inspector.inspect({ ...job, path: file })
      expect(await inspector.inspect({ ...job, read }), name).toEqual(local)
      expect(reads, name).toBeLessThanOrEqual(2)
      await source.close()
    }
  })

  it('is looked into at its end in a few reads, however far that is', async () => {
    const mp4 = await readFile(path.join(fixtures, 'audio-only.mp4'))
    // The film's description behind its media data, as cameras write it.
    const ftyp = mp4.subarray(0, mp4.readUInt32BE(0))
    const moov = mp4.subarray(mp4.indexOf('moov') - 4)
    const gap = Buffer.alloc(5_000_000)
    gap.writeUInt32BE(gap.length)
    gap.write('mdat', 4)
    const bytes = Buffer.concat([ftyp, gap, moov])
    const asked: number[] = []
    const read = async (start: number, length: number) => {
      asked.push(length)
      return fromBytes(bytes).read(start, length)
    }
    const job = { size: bytes.length, name: 'a.mp4', declaredType: null, read }
    expect((await start().inspect(job)).mimeType).toBe('audio/mp4')
    expect(asked.length).toBeLessThanOrEqual(4)
    expect(asked.reduce((sum, length) => sum + length, 0)).toBeLessThan(300_000)
  })

  it('is not to blame where its bytes cannot be had, at the first read or later', async () => {
    const inspector = start()
    const png = buildPng(30, 20)
    const job = { size: png.length, name: 'a.png', declaredType: null }
    for (const good of [0, 1]) {
      let left = good
      const read = async (start: number, length: number) => {
        if (left-- === 0) throw new Error('the storage is away')
        return fromBytes(png).read(start, length)
      }
      await expect(inspector.inspect({ ...job, size: 300_000, read })).rejects.toMatchObject({
        reason: 'unavailable',
        cause: { message: 'the storage is away' },
      })
    }
    const read = (start: number, length: number) => fromBytes(png).read(start, length)
    expect((await inspector.inspect({ ...job, read })).mimeType).toBe('image/png')
  })

  it('is not to blame for a storage that does not answer in time', async () => {
    const inspector = start({ timeoutMs: 3000 })
    const job = { size: 10, name: '', declaredType: null, read: () => new Promise<never>(() => {}) }
    await expect(inspector.inspect(job)).rejects.toMatchObject({ reason: 'unavailable' })
  })
})

describe('with a child that misbehaves', () => {
  const childModule = new URL('../../support/inspect-child.mjs', import.meta.url)
  const job = { size: 10, declaredType: null, read: async () => new Uint8Array(1) }

  it('a message that is none, and impossible questions, are the end of nothing', async () => {
    const inspector = start({ childModule, processes: 1, timeoutMs: 5000 })
    const found = await inspector.inspect({ ...job, name: 'asks' })
    // Every question was answered: the odd ones with no bytes, the good one with one.
    expect(found.mode).toBe('0,0,0,1')
    const nonsense = inspector.inspect({ ...job, name: 'null' })
    await expect(nonsense).rejects.toMatchObject({ reason: 'unavailable' })
    expect(await ended(Number(found.mimeType.split('/')[1]))).toBe(true)
    expect((await inspector.inspect({ ...job, name: 'a' })).mimeType).toMatch(/^pid/)
  })

  it('one that hangs by itself has a bad file, though it was given bytes', async () => {
    const inspector = start({ childModule, processes: 1, timeoutMs: 400 })
    const hangs = inspector.inspect({ ...job, name: 'hang' })
    await expect(hangs).rejects.toSatisfy(isInspectionFailure)
  })
})
