import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { base64Sum, openSpool, type SpoolFile, splitAt } from '../../../src/storage/s3-spool.ts'

const text = (...words: string[]) => words.map((word) => Buffer.from(word))

describe('a file of the spool', () => {
  let folder: string
  let file: SpoolFile

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-spool-'))
    file = await (await openSpool(folder)).create()
  })
  afterEach(async () => {
    await file.close()
    await rm(folder, { recursive: true })
  })

  it('has no name, so that a crash leaves nothing', async () => {
    await file.write(text('bytes'))
    expect(await readdir(folder)).toEqual([])
  })

  it('is sent as often as it takes, with the checksum of its bytes', async () => {
    await file.write(text('one ', 'two ', ''))
    await file.write(text('three'))
    const body = await file.body()
    expect(body).toMatchObject({ size: 13, checksum: base64Sum(crc32('one two three')) })
    for (let n = 0; n < 2; n++) expect((await buffer(body.open())).toString()).toBe('one two three')
    expect(Buffer.from(await file.head(5)).toString()).toBe('one t')
  })

  it('has the checksum of what is left when it was cut back', async () => {
    await file.write(text('one two'))
    await file.truncate(4)
    await file.write(text('three'))
    const body = await file.body()
    expect(body.checksum).toBe(base64Sum(crc32('one three')))
    expect((await buffer(body.open())).toString()).toBe('one three')
    await file.truncate(0)
    expect(await file.body()).toMatchObject({ size: 0, checksum: 'AAAAAA==' })
  })

  it('is made though somebody took the folder away', async () => {
    const spool = await openSpool(path.join(folder, 'inner'))
    await rm(path.join(folder, 'inner'), { recursive: true })
    const made = await spool.create()
    await made.write(text('x'))
    expect(made.size).toBe(1)
    await made.close()
  })

  it('that a crash has left with a name goes away, one that is being made does not', async () => {
    for (const name of ['old', 'new']) await writeFile(path.join(folder, name), '')
    const longAgo = new Date(Date.now() - 3_600_000)
    await utimes(path.join(folder, 'old'), longAgo, longAgo)
    await openSpool(folder)
    expect(await readdir(folder)).toEqual(['new'])
  })
})

it('buffers are split at any byte without a copy', () => {
  const split = (count: number) =>
    splitAt(text('abc', 'de', 'f'), count).map((side) => side.map(String))
  expect(split(0)).toEqual([[], ['abc', 'de', 'f']])
  expect(split(2)).toEqual([['ab'], ['c', 'de', 'f']])
  expect(split(3)).toEqual([['abc'], ['de', 'f']])
  expect(split(6)).toEqual([['abc', 'de', 'f'], []])
  expect(split(9)).toEqual([['abc', 'de', 'f'], []])
})
