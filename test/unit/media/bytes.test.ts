import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it } from 'vitest'
import { bounded, fromBytes, openFile } from '../../../src/media/bytes.ts'

const counting = (size: number) => {
  const reads: [start: number, length: number][] = []
  const source = {
    size,
    async read(start: number, length: number) {
      reads.push([start, length])
      return new Uint8Array(Math.max(0, Math.min(length, size - start)))
    },
  }
  return { reads, source }
}

it('gives the bytes that exist, and none for a place that does not', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'landfall-bytes-'))
  const file = path.join(directory, 'a')
  await writeFile(file, 'hello')
  const opened = await openFile(file)
  for (const source of [opened, fromBytes(Buffer.from('hello')), bounded(opened)]) {
    const text = async (start: number, length: number): Promise<string> =>
      Buffer.from(await source.read(start, length)).toString()
    expect(source.size).toBe(5)
    expect(await text(1, 3)).toBe('ell')
    expect(await text(3, 100)).toBe('lo')
    expect(await text(5, 1)).toBe('')
    expect(await text(-1, 2)).toBe('')
    expect(await text(0, -1)).toBe('')
    expect(await text(Number.NaN, 1)).toBe('')
  }
  await opened.close()
  await rm(directory, { recursive: true })
})

it('reads the head once, however often it is asked for', async () => {
  const { reads, source } = counting(10_000_000)
  const limited = bounded(source)
  for (let at = 0; at < 100; at++) await limited.read(at, 16)
  expect(reads).toEqual([[0, 65_536]])
})

it('looks like the end of the file when the budget is used up', async () => {
  const { reads, source } = counting(10_000_000)
  const limited = bounded(source, 100_000)
  expect(await limited.read(200_000, 30_000)).toHaveLength(30_000)
  expect(await limited.read(200_000, 30_000)).toHaveLength(4_464)
  expect(await limited.read(200_000, 30_000)).toHaveLength(0)
  expect(await limited.read(0, 10)).toHaveLength(10)
  expect(reads.reduce((sum, [, length]) => sum + length, 0)).toBe(100_000)
})
