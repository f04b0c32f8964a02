import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { asc } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../src/commands/program.ts'
import { mediaFiles, tokens, uploads, users } from '../../src/db/schema.ts'
import { outbox } from '../../src/db/schema-events.ts'
import { Fault } from '../../src/errors.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { databaseKinds } from '../support/database.ts'
import { buildInterlacedPng } from '../support/images.ts'
import { createImportHome, type ImportHome } from '../support/import.ts'
import { ADMIN_KEY } from '../support/server.ts'

const created_at = '2019-03-04T05:06:07.123456Z'
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')

let home: ImportHome

const records = () => home.database.db.select().from(mediaFiles).orderBy(asc(mediaFiles.name))
const accounts = () => home.database.db.select().from(users).orderBy(asc(users.username))

interface Listing {
  count: number
  results: Record<string, unknown>[]
}

async function served<T>(
  look: (url: string, headers: Record<string, string>) => Promise<T>,
): Promise<T> {
  const landfall = await home.open()
  try {
    const { url } = await landfall.listen()
    return await look(url, { Authorization: `Token ${ADMIN_KEY}` })
  } finally {
    await landfall.close()
  }
}

describe.each(databaseKinds)('an import of CSV files with the %s database', (kind) => {
  beforeEach(async () => {
    home = await createImportHome(kind)
  })
  afterEach(() => home.remove())

  it('makes one record of each file, with its dates, owner, type and bytes', async () => {
    const image = buildInterlacedPng(3)
    await home.put('2019/a.png', image)
    await home.put('b.txt', 'hello')
    const userFile = await home.csv('users.csv', [{ username: 'anna', is_staff: 't' }])
    const csv = await home.csv('files.csv', [
      { path: '2019/a.png', name: 'Anna.png', created_at, username: 'anna', description: 'of, me' },
      { path: 'b.txt', name: '', created_at: '2020-01-01 00:00:00+02', username: '' },
    ])
    const { code, sum, stderr } = await home.run([csv, '--users', userFile])
    expect([code, stderr]).toEqual([0, ''])
    expect(sum.files).toMatchObject({ found: 2, imported: 2, bytes: image.length + 5, failed: 0 })

    expect(await home.database.db.select().from(outbox)).toEqual([])

    await served(async (url, headers) => {
      const answer = await fetch(`${url}/api/media/files?ordering=-created_at`, { headers })
      const { count, results } = (await answer.json()) as Listing
      expect(count).toBe(2)
      expect(results).toMatchObject([
        { name: 'b.txt', user: null, type: 'text', created_at: '2019-12-31T22:00:00Z' },
        {
          name: 'Anna.png',
          description: 'of, me',
          user: { username: 'anna' },
          type: 'image',
          width: 3,
          size: image.length,
          created_at,
          updated_at: created_at,
        },
      ])
      const bytes = await fetch(String(results[1]?.f))
      expect(Buffer.from(await bytes.arrayBuffer()).equals(image)).toBe(true)
    })
    expect(await home.stored()).toHaveLength(2)
    expect((await accounts())[1]).toMatchObject({
      username: 'anna',
      usedBytes: image.length,
      openUploads: 0,
    })
  })

  it('run again imports nothing twice, whatever was renamed, added or removed since', async () => {
    for (const name of ['a', 'b', 'c']) await home.put(name, name)
    const rows = ['a', 'b'].map((name) => ({ path: name, name, created_at, username: '' }))
    await home.run([await home.csv('files.csv', rows)])
    const [, b] = await records()
    await served(async (url, headers) => {
      const gone = await fetch(`${url}/api/media/files/${b?.id}`, { method: 'DELETE', headers })
      expect(gone.status).toBe(204)
      const [a] = await records()
      await fetch(`${url}/api/media/files/${a?.id}`, {
        method: 'PATCH',
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: JSON.stringify({ name: 'renamed' }),
      })
    })
    const more = [...rows, { path: './c', name: 'c', created_at, username: '' }]
    const { code, sum } = await home.run([await home.csv('files.csv', more)])
    expect(code).toBe(0)
    expect(sum.files).toMatchObject({ imported: 1, already_there: 1, removed_here: 1 })
    expect((await records()).map(({ name }) => name)).toEqual(['c', 'renamed'])
    expect(await home.stored()).toHaveLength(2)
  })

  it('makes users with role, names and dates, without tokens, and leaves known ones alone', async () => {
    await home.put('a', 'aaa')
    await home.run([
      await home.csv('files.csv', [{ path: 'no', name: '', created_at, username: '' }]),
      '--users',
      await home.csv('users.csv', [{ username: 'anna', first_name: 'Anna' }]),
    ])
    const user = {
      id: '',
      first_name: '',
      is_staff: 'False',
      is_superuser: 'f',
      is_active: '1',
      date_joined: '',
      last_login: '',
    }
    const userFile = await home.csv('users.csv', [
      { ...user, username: 'anna', first_name: 'Other', is_superuser: 'true', id: '7' },
      { ...user, username: 'boss', is_staff: 't', is_superuser: 'TRUE', id: '8' },
      { ...user, username: 'ötzi', is_staff: 'yes', date_joined: '2001-01-01T00:00:00.000001Z' },
      { ...user, username: 'gone', is_active: '0', last_login: created_at, id: '1' },
    ])
    const rows = ['7', '1'].map((user_id) => ({ path: 'a', name: user_id, created_at, user_id }))
    const csv = await home.csv('files.csv', rows.slice(0, 1))
    const { sum } = await home.run([csv, '--users', userFile])
    expect(sum.users).toEqual({ created: 3, matched: 1 })
    expect(await accounts()).toMatchObject([
      { username: 'admin' },
      { username: 'anna', firstName: 'Anna', role: 'user', usedBytes: 3 },
      { username: 'boss', role: 'admin', isActive: true, lastLogin: null },
      {
        username: 'gone',
        role: 'user',
        isActive: false,
        lastLogin: '2019-03-04 05:06:07.123456+00',
      },
      { username: 'ötzi', role: 'staff', createdAt: '2001-01-01 00:00:00.000001+00' },
    ])
    expect(await home.database.db.select().from(tokens)).toHaveLength(1)
  })
})

describe('an import of CSV files', () => {
  beforeEach(async () => {
    home = await createImportHome('postgres')
  })
  afterEach(() => home.remove())

  it('says of every file that it cannot import why, and leaves nothing of it', async () => {
    await home.put('good', 'good')
    await home.put('short', 'short')
    await mkdir(path.join(home.media, 'folder'))
    const row = { name: 'x', created_at, username: '', size: '', sha256: '', id: '' }
    const csv = await home.csv('files.csv', [
      { ...row, path: 'missing' },
      { ...row, path: 'nul\0' },
      { ...row, path: 'folder' },
      { ...row, path: 'short', size: '6' },
      { ...row, path: 'short', sha256: sha256('long') },
      { ...row, path: '../files.csv' },
      { ...row, path: path.join(home.media, '..', 'files.csv') },
      { ...row, path: 'short', username: 'nobody' },
      { ...row, path: 'short', created_at: 'yesterday' },
      { ...row, path: 'short', created_at: '2019-02-30T00:00:00Z' },
      { ...row, path: 'short', id: '1234' },
      { ...row, path: 'short', size: '-1' },
      { ...row, path: 'short', sha256: 'abc' },
      { ...row, path: '' },
      { ...row, path: path.join(home.media, 'good'), size: '4', sha256: sha256('good') },
    ])
    await writeFile(csv, `${await readFile(csv, 'utf8')}short,x\n`)
    const { code, sum, stderr } = await home.run([csv])
    expect(code).toBe(1)
    expect(sum.problems).toEqual({
      missing: 2,
      'not-a-file': 1,
      'size-differs': 1,
      'digest-differs': 1,
      outside: 2,
      'unknown-user': 1,
      'bad-row': 7,
    })
    expect(sum.files).toMatchObject({ found: 16, imported: 1, failed: 15 })
    expect(sum.failures).toContainEqual({
      at: `${csv} line 2`,
      path: 'missing',
      problem: 'missing',
      text: 'There is no such file.',
    })
    expect(stderr).toContain(`${csv} line 5: short: It has 5 bytes where the source gives 6.`)
    expect(stderr).toContain('15 files were not imported.')
    expect(await records()).toHaveLength(1)
    expect(await home.stored()).toHaveLength(1)
  })

  it('changes nothing in a dry run, which finds the same faults', async () => {
    await home.put('a', 'a')
    await home.put('b', 'b')
    const userFile = await home.csv('users.csv', [{ username: 'anna' }])
    const csv = await home.csv('files.csv', [
      { path: 'a', name: 'a', created_at, username: 'anna', sha256: sha256('a') },
      { path: 'b', name: 'b', created_at, username: 'anna', sha256: sha256('a') },
      { path: 'c', name: 'c', created_at, username: 'anna' },
    ])
    const { code, sum } = await home.run([csv, '--users', userFile, '--dry-run'])
    expect(code).toBe(1)
    expect(sum).toMatchObject({
      dry_run: true,
      files: { imported: 1, bytes: 1, failed: 2 },
      users: { created: 1, matched: 0 },
      problems: { missing: 1, 'digest-differs': 1 },
    })
    expect(await accounts()).toEqual([])
    expect(await home.database.db.select().from(uploads)).toEqual([])
    expect(await home.stored()).toEqual([])
  })

  it('takes files that one user has more of than the quota allows, and counts them', async () => {
    await home.put('a', randomBytes(1000))
    await home.put('b', randomBytes(1000))
    const rows = ['a', 'b'].map((name) => ({ path: name, name, created_at, username: 'anna' }))
    const env = { USER_MAX_BYTES: '1500', USER_MAX_OPEN_UPLOADS: '1' }
    const users = ['--users', await home.csv('users.csv', [{ username: 'anna' }])]
    const { code } = await home.run([await home.csv('files.csv', rows), ...users], { env })
    expect(code).toBe(0)
    expect((await accounts())[1]).toMatchObject({ usedBytes: 2000, openUploads: 0 })
  })

  it('keeps names as they are, however strange, and makes no path of them', async () => {
    const names = [
      'umlaut ä.txt',
      'a "quoted", one\nof two lines.txt',
      '../../etc/passwd',
      'x'.repeat(300),
      '\u202egpj.exe',
      '😀',
      '.',
    ]
    for (const index of names.keys()) await home.put(`dir é/${index} ,".x`, 'x')
    const rows = names.map((name, index) => ({
      path: `dir é/${index} ,".x`,
      name,
      created_at,
      username: '',
    }))
    const { code } = await home.run([await home.csv('files.csv', rows)])
    expect(code).toBe(0)
    expect((await records()).map(({ name }) => name).sort()).toEqual([...names].sort())
    const stored = await home.stored()
    expect(stored.every((file) => /\/files\/[\w-]{2}\/[\w.-]+$/.test(file))).toBe(true)
  })

  it('takes the id that a row gives, and refuses one that is taken', async () => {
    await home.put('a', 'a')
    const id = '5230EC1F59D1485D9D7974B853802E31'
    const row = { path: 'a', name: 'a', created_at, username: '', id }
    await home.run([await home.csv('files.csv', [row])])
    const [found] = await records()
    expect(found?.uploadId).toBe('5230ec1f-59d1-485d-9d79-74b853802e31')
    const changed = ['name', 'created_at'].map((column) => ({
      ...row,
      [column]: column === 'name' ? 'b' : '2020-01-01T00:00:00Z',
    }))
    const { code, sum } = await home.run([await home.csv('files.csv', [...changed, row])])
    expect(code).toBe(1)
    expect([sum.problems, sum.files.already_there]).toEqual([{ taken: 2 }, 1])
  })

  it('gives records the digest that the server gives to all, or that the source gave', async () => {
    await home.put('a', 'aaa')
    await home.put('b', 'bbb')
    const env = { MEDIA_DIGEST: 'sha256' }
    const row = { created_at, username: '', sha256: '' }
    const one = await home.csv('a.csv', [{ ...row, path: 'a', name: 'a' }])
    expect((await home.run([one], { env })).code).toBe(0)
    const other = [{ ...row, path: 'b', name: 'b', sha256: sha256('bbb').toUpperCase() }]
    expect((await home.run([await home.csv('b.csv', other)])).code).toBe(0)
    expect((await records()).map(({ digest }) => digest)).toEqual([
      `sha256:${sha256('aaa')}`,
      `sha256:${sha256('bbb')}`,
    ])
  })

  it('refuses what the server does not take, until it does', async () => {
    await home.put('a', 'no image')
    const csv = await home.csv('files.csv', [{ path: 'a', name: 'a', created_at, username: '' }])
    const env = { ACCEPTED_FILE_FORMATS: 'image' }
    for (const attempt of [1, 2]) {
      const { code, sum } = await home.run([csv], { env })
      expect([attempt, code, sum.problems]).toEqual([attempt, 1, { refused: 1 }])
    }
    expect(await home.database.db.select().from(outbox)).toEqual([])
    expect(await home.stored()).toEqual([])
    expect((await home.run([csv])).code).toBe(0)
    expect(await records()).toHaveLength(1)
  })

  it('links where it is told to, and copies otherwise', async () => {
    await home.put('a', 'a')
    await home.put('b', 'b')
    const row = (name: string) => [{ path: name, name, created_at, username: '' }]
    await home.run([await home.csv('files.csv', row('a')), '--link'])
    await home.run([await home.csv('files.csv', row('b'))])
    const links = await Promise.all((await home.stored()).map(async (file) => stat(file)))
    const original = await stat(path.join(home.media, 'a'))
    expect(links.map(({ ino }) => ino === original.ino).sort()).toEqual([false, true])
  })

  it('fails a file that lies on another file system than the storage', async () => {
    await home.put('a', 'a')
    const csv = await home.csv('files.csv', [{ path: 'a', name: 'a', created_at, username: '' }])
    const wrapStorage = (storage: Storage): Storage => ({
      ...storage,
      link: async () => {
        const cause = Object.assign(new Error('cross-device link'), { code: 'EXDEV' })
        throw new Fault('unavailable', { cause })
      },
    })
    const { code, sum } = await home.run([csv, '--link'], { replaced: { wrapStorage } })
    expect([code, sum.problems]).toEqual([1, { 'not-linked': 1 }])
    expect(await home.database.db.select().from(uploads)).toEqual([])
  })

  it('stops at a full disk, says how far it came, and goes on when there is room', async () => {
    for (const name of ['a', 'b']) await home.put(name, name)
    const rows = ['a', 'b'].map((name) => ({ path: name, name, created_at, username: 'anna' }))
    const args = [
      await home.csv('files.csv', rows),
      '--users',
      await home.csv('users.csv', [{ username: 'anna' }]),
    ]
    const wrapStorage = (storage: Storage): Storage => ({
      ...storage,
      append: async () => {
        throw new Fault('storage-full')
      },
    })
    await expect(home.run(args, { replaced: { wrapStorage } })).rejects.toThrow('no room left')
    expect(await home.stored()).toEqual([])
    expect((await accounts())[1]).toMatchObject({ usedBytes: 0, openUploads: 0 })
    expect((await home.run(args)).sum.files).toMatchObject({ imported: 2 })
  })

  it('beside another one makes one record of each file, and no stray bytes', async () => {
    const names = Array.from({ length: 30 }, (_, index) => String(index))
    for (const name of names) await home.put(name, randomBytes(100_000))
    const rows = names.map((name) => ({ path: name, name, created_at, username: 'anna' }))
    const args = [
      await home.csv('files.csv', rows),
      '--users',
      await home.csv('users.csv', [{ username: 'anna' }]),
    ]
    const runs = await Promise.all([home.run(args), home.run(args)])
    for (const { sum } of runs)
      expect([{}, { overtaken: sum.files.failed }]).toContainEqual(sum.problems)
    // What both took from each other is left for a third.
    expect((await home.run(args)).code).toBe(0)
    expect(await records()).toHaveLength(30)
    expect(await home.stored()).toHaveLength(30)
    expect((await accounts())[1]).toMatchObject({ usedBytes: 3_000_000, openUploads: 0 })
  })

  it('makes the admin first, whom a server on a database with users would not make', async () => {
    const csv = await home.csv('files.csv', [{ path: 'a', name: 'a', created_at, username: '' }])
    await home.put('a', 'a')
    const { stderr, sum } = await home.run([csv], { env: { ADMIN_TOKEN: '' } })
    expect(stderr).toMatch(/Token of the user admin, shown this once:\n {2}lf_/)
    expect(JSON.stringify(sum)).not.toContain('lf_')
    expect((await home.run([csv], { env: { ADMIN_TOKEN: '' } })).stderr).toBe('')
  })
})

describe('the arguments of landfall import', () => {
  it.each([
    [[], 2],
    [['files.csv'], 2],
    [['--media-root', '.'], 2],
    [['files.csv', '--from', 'postgres://x/y', '--media-root', '.'], 2],
    [['--from', 'sqlite:///db.sqlite3', '--media-root', '.'], 2],
    [['--from', 'postgres://x/y', '--users', 'u.csv', '--media-root', '.'], 2],
    [['files.csv', '--table', 'x', '--media-root', '.'], 2],
    [['files.csv', 'more.csv', '--media-root', '.'], 2],
    [['files.csv', '--media-root', '/no/such/folder'], 1],
    [['/no/such/files.csv', '--media-root', '.'], 1],
    [['--from', 'postgres://u:hunter2@127.0.0.1:1/x', '--media-root', '.'], 1],
  ])('%j end with exit code %i', async (args, code) => {
    const noted: string[] = []
    const output = {
      result: (line: string) => noted.push(line),
      note: (l: string) => noted.push(l),
    }
    expect(await run(['import', ...args], { env: {}, output, terminal: false })).toBe(code)
    expect(noted.join('\n')).not.toContain('hunter2')
  })
})
