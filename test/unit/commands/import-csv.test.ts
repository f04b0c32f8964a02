import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCsv } from '../../../src/commands/import-csv.ts'
import { idOfPath, uuidOf } from '../../../src/commands/import-source.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-csv-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function write(name: string, text: string | Uint8Array): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, text)
  return file
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('the CSV of files', () => {
  it('may have a byte order mark, CRLF, empty lines, and columns in any order', async () => {
    const text = [
      '\ufeffcreated_at,path,name,username',
      '2026-03-04T05:06:07.123456+01:00,"a, b","say ""hi""\r\nthere",anna',
      '',
      '2026-03-04 05:06:07,c,,',
    ].join('\r\n')
    const source = await readCsv(await write('files.csv', text), undefined)
    expect(source.total).toBe(2)
    expect(await all(source.files)).toMatchObject([
      {
        path: 'a, b',
        name: 'say "hi"\r\nthere',
        username: 'anna',
        createdAt: '2026-03-04T04:06:07.123456Z',
        updatedAt: '2026-03-04T04:06:07.123456Z',
        id: null,
        size: null,
        sha256: null,
      },
      { path: 'c', name: 'c', username: null },
    ])
  })

  it('finds owners by the ids of the users', async () => {
    const users = await write('users.csv', 'id,username\n7,anna\n8,bob\n')
    const text =
      'path,name,created_at,user_id\na,a,2026-01-01T00:00:00Z,8\nb,b,2026-01-01T00:00:00Z,\n'
    const source = await readCsv(await write('files.csv', text), users)
    expect(await all(source.files)).toMatchObject([{ username: 'bob' }, { username: null }])
  })

  it.each([
    ['path,name\n', 'the column "created_at" is missing'],
    ['path,name,created_at,usrname\n', 'there is no column "usrname"'],
    ['path,name,created_at,name\n', 'a column stands there twice'],
    ['', 'it has no header row'],
    ['path,name,created_at\n"a,b\n', 'Quote Not Closed'],
    [`path,name,created_at\n"${'a'.repeat(1_100_000)}`, 'Max Record Size'],
    ['path,name,created_at,user_id\na,a,2020-01-01T00:00:00Z,7\n', 'user_id needs --users'],
    [Buffer.from('path,name,created_at\nä,,\n', 'latin1'), 'it is not UTF-8'],
    [Buffer.from('path,name,created_at\na,a,ä').subarray(0, -1), 'it is not UTF-8'],
  ])('is refused as a whole: %#', async (text, problem) => {
    await expect(readCsv(await write('bad.csv', text), undefined)).rejects.toThrow(problem)
  })
})

describe('the CSV of users', () => {
  it.each([
    ['username\n""\n', 'username is empty'],
    ['username,is_staff\nanna,maybe\n', 'is_staff is neither true nor false'],
    ['username,last_login\nanna,today\n', 'last_login is not a time'],
    ['username,id\nanna\n', 'more or fewer fields'],
    ['username,password\nanna,x\n', 'there is no column "password"'],
  ])('is refused as a whole: %#', async (text, problem) => {
    const files = await write('files.csv', 'path,name,created_at\n')
    await expect(readCsv(files, await write('users.csv', text))).rejects.toThrow(problem)
  })
})

describe('the id of a file', () => {
  it('is a UUID of version 5 of its path, for ever the same', () => {
    // As Python's uuid.uuid5 makes it.
    expect(idOfPath('2019/a.png')).toBe('65470c9c-3116-59c4-96de-7ccdb139b8c5')
    expect(idOfPath('2019/a.png')).not.toBe(idOfPath('2019/b.png'))
  })

  it('is read with and without dashes, in any case', () => {
    const id = '5230ec1f-59d1-485d-9d79-74b853802e31'
    expect(uuidOf('5230EC1F59D1485D9D7974B853802E31')).toBe(id)
    expect(uuidOf(` ${id} `)).toBe(id)
    expect(uuidOf('1')).toBeNull()
  })
})
