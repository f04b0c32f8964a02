import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { appendFiles } from '../../../src/storage/join-files.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-join-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const found = path.join(folder, name)
  await writeFile(found, bytes)
  return found
}

/** Bytes that the threads of this process have read and written, as the kernel counted them. */
async function passed(): Promise<number> {
  const threads = await readdir('/proc/self/task')
  const texts = await Promise.all(
    // A thread may have ended since. Children are counted with the process, but with no thread.
    threads.map((id) => readFile(`/proc/self/task/${id}/io`, 'utf8').catch(() => '')),
  )
  return [...texts.join('').matchAll(/^[rw]char: (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  )
}

const MEBIBYTE = 1024 * 1024
const parts = [randomBytes(3 * MEBIBYTE), randomBytes(1), randomBytes(2 * MEBIBYTE)]
const whole = Buffer.concat(parts)

describe('joining files', () => {
  it.each([
    ['cat', 'to an empty file', ''],
    ['cat', 'to what is there', 'before '],
    ['no-such-program', 'to an empty file', ''],
    ['no-such-program', 'to what is there', 'before '],
    ['false', 'to what is there', 'before '],
  ])('with %s appends them %s', async (program, _where, before) => {
    const target = await file('target', Buffer.from(before))
    const sources = await Promise.all(parts.map((bytes, n) => file(`-part ${n}`, bytes)))
    await appendFiles(target, sources, { sync: true, program })
    expect((await readFile(target)).equals(Buffer.concat([Buffer.from(before), whole]))).toBe(true)
  })

  it('starts over when the program has failed in the middle', async () => {
    const target = await file('target', Buffer.from('before '))
    const sources = await Promise.all(parts.map((bytes, n) => file(`part${n}`, bytes)))
    // It copies, and then says that it could not.
    const program = path.join(folder, 'half')
    await writeFile(program, '#!/bin/sh\nshift; cat -- "$1"; exit 1\n', { mode: 0o755 })
    await appendFiles(target, sources, { sync: false, program })
    expect((await readFile(target)).equals(Buffer.concat([Buffer.from('before '), whole]))).toBe(
      true,
    )
  })

  it.runIf(process.platform === 'linux')(
    'passes no byte of them through this process',
    async () => {
      const target = await file('target', Buffer.alloc(0))
      const part = await file('part', randomBytes(8 * MEBIBYTE))
      const before = await passed()
      await appendFiles(target, Array(4).fill(part), { sync: false })
      expect((await passed()) - before).toBeLessThan(MEBIBYTE)
    },
  )
})
