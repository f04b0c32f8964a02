import { describe, expect, it } from 'vitest'
import { fromBytes, readAhead } from '../../../src/media/bytes.ts'
import type { Wanted } from '../../../src/media/inspect-job.ts'
import { createReads, readsMax } from '../../../src/media/inspect-reads.ts'
import { createRemoteBytes } from '../../../src/media/remote-bytes.ts'

const KIB = 1024
const pattern = (length: number) => Buffer.from(Array.from({ length }, (_, n) => n % 251))

describe('reading ahead', () => {
  const counting = (bytes: Uint8Array) => {
    const asked: [number, number][] = []
    const inner = fromBytes(bytes)
    const source = readAhead({
      size: inner.size,
      read(start, length) {
        asked.push([start, length])
        return inner.read(start, length)
      },
    })
    return { asked, source }
  }

  it('gives the same bytes, wherever one asks', async () => {
    const bytes = pattern(300 * KIB)
    const { source } = counting(bytes)
    for (const [start, length] of [
      [0, 10],
      [100_000, 16],
      [100_016, 70_000],
      [99_990, 20],
      [300 * KIB - 3, 10],
      [300 * KIB, 1],
      [-1, 5],
      [0, 0],
      [Number.NaN, 1],
    ] as const) {
      const expected = bytes.subarray(Math.max(0, start), start < 0 ? 0 : start + length)
      expect(Buffer.from(await source.read(start, length)).equals(expected)).toBe(true)
    }
  })

  it('asks once for what stands close together, and never behind the end', async () => {
    const { asked, source } = counting(pattern(200 * KIB))
    for (let at = 100_000; at < 160_000; at += 500) await source.read(at, 16)
    await source.read(180 * KIB, 16)
    expect(asked).toEqual([
      [100_000, 64 * KIB],
      [180 * KIB, 20 * KIB],
    ])
  })
})

describe('the bytes of a file that only the parent can read', () => {
  it('come as asked for, also where answers overtake each other', async () => {
    const bytes = pattern(400 * KIB)
    const asked: Wanted[] = []
    const remote = createRemoteBytes((wanted) => asked.push(wanted))
    const file = remote.open(bytes.length)
    const both = Promise.all([file.read(0, 4), file.read(200 * KIB, 4)])
    for (const { read, start, length } of asked.toReversed())
      remote.given({ read, bytes: bytes.subarray(start, start + length) })
    expect((await both).map((found) => Buffer.from(found))).toEqual([
      bytes.subarray(0, 4),
      bytes.subarray(200 * KIB, 200 * KIB + 4),
    ])
  })

  it('are an error where the storage fails, and after they were closed', async () => {
    const asked: Wanted[] = []
    const remote = createRemoteBytes((wanted) => asked.push(wanted))
    const file = remote.open(1000)
    const failing = expect(file.read(0, 10)).rejects.toThrow('could not be read')
    remote.given({ read: asked[0]?.read ?? 0, bytes: null })
    await failing
    const pending = expect(file.read(0, 10)).rejects.toThrow('could not be read')
    await file.close()
    await pending
    const next = remote.open(1000)
    // A parser that lives on must not be given bytes of the next file.
    await expect(file.read(500, 10)).rejects.toThrow('closed')
    expect(asked).toHaveLength(2)
    const good = next.read(0, 10)
    // An answer that nobody waits for any more.
    remote.given({ read: asked[1]?.read ?? 0, bytes: new Uint8Array(1) })
    remote.given({ read: asked[2]?.read ?? 0, bytes: pattern(1000) })
    expect(await good).toHaveLength(10)
  })
})

describe('what a parent gives', () => {
  const MIB = KIB * KIB
  const serving = (size: number) => {
    const asked: [number, number][] = []
    const reads = createReads(async (start, length) => {
      asked.push([start, length])
      return new Uint8Array(length)
    }, size)
    return { asked, reads }
  }

  it('is nothing but bytes of the file, whatever a child asks for', async () => {
    const { asked, reads } = serving(1000)
    const odd: unknown[] = [-1, 1.5, Number.NaN, '5', 5n, null, {}, 1000, 2 ** 60]
    for (const start of odd)
      expect(await reads.answer({ read: 1, start, length: 1 } as Wanted)).toHaveLength(0)
    for (const length of odd.slice(0, 7))
      expect(await reads.answer({ read: 1, start: 0, length } as Wanted)).toHaveLength(0)
    expect(asked).toEqual([])
    expect(await reads.answer({ read: 1, start: 990, length: 2 ** 40 })).toHaveLength(10)
  })

  it('ends after so many reads, and after so many bytes', async () => {
    const often = serving(10 * MIB)
    for (let count = 0; count < readsMax + 10; count++)
      await often.reads.answer({ read: count, start: count, length: 1 })
    expect(often.asked).toHaveLength(readsMax)
    const much = serving(1024 * MIB)
    for (let count = 0; count < 100; count++)
      await much.reads.answer({ read: count, start: 0, length: 4 * MIB })
    expect(much.asked.reduce((sum, [, length]) => sum + length, 0)).toBe(24 * MIB)
    expect(much.reads.failure()).toBeUndefined()
  })

  it('is known to be missing: a failure, or an answer that the storage owes', async () => {
    const cause = new Error('no storage')
    const failing = createReads(() => Promise.reject(cause), 10)
    expect(await failing.answer({ read: 1, start: 0, length: 1 })).toBeNull()
    expect(failing.failure()).toBe(cause)
    expect(failing.waits()).toBe(false)
    const hanging = createReads(() => new Promise(() => {}), 10)
    void hanging.answer({ read: 1, start: 0, length: 1 })
    expect(hanging.waits()).toBe(true)
  })
})
