import { createHash } from 'node:crypto'
import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { eq, sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rows } from '../../src/db/database.ts'
import { mediaFiles, uploads, users } from '../../src/db/schema.ts'
import { createAccounts } from '../support/accounts.ts'
import { chunkedClient } from '../support/chunked.ts'
import { databaseKinds } from '../support/database.ts'
import { createShelf, type Served, type Shelf } from '../support/rebuild.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { tusClient } from '../support/tus.ts'

const admin = `Token ${ADMIN_KEY}`
const MANIFEST = '.manifest.json'

interface Listed {
  count: number
  results: { id: number; f: string; name: string; size: number; user: { username: string } }[]
}

let shelf: Shelf
afterEach(() => shelf.remove())

const list = (server: Served) => server.json<Listed>('/api/media/files?limit=1000&ordering=id')

/** As the port of a server is another one each time. */
const portless = (value: unknown) =>
  JSON.parse(JSON.stringify(value).replace(/127\.0\.0\.1:\d+/g, 'host'))

async function upload(server: Served, name: string, text = name, authorization = admin) {
  const tus = tusClient(server.url, authorization)
  const url = await tus.begin(text.length, { filename: name })
  const answer = await tus.patch(url, 0, text)
  if (answer.status !== 204) throw new Error(`${answer.status} ${await answer.text()}`)
  return new URL(url).pathname
}

async function form(server: Served, name: string, text: string): Promise<{ id: number }> {
  const body = new FormData()
  body.set('f', new File([text], name))
  return server.json('/api/media/files', { method: 'POST', body })
}

const change = (server: Served, id: number, body: object) =>
  server.json(`/api/media/files/${id}`, {
    method: 'PATCH',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  })

const remove = (server: Served, id: number) =>
  fetch(`${server.url}/api/media/files/${id}`, {
    method: 'DELETE',
    headers: { Authorization: admin },
  })

/** What the counters of each user say, and what the rows do. */
async function quotas() {
  return rows<{ username: string; used: string; open: number; held: string }>(
    shelf.database().db,
    sql`select username, used_bytes::text as used, open_uploads as open,
      coalesce((select sum(reserved) from uploads where owner_id = users.id
        and state not in ('rejected', 'expired', 'terminated')), 0)::text as held
    from users order by id`,
  )
}

describe.each(databaseKinds)('landfall rebuild, %s', (kind) => {
  beforeEach(async () => {
    shelf = await createShelf(kind)
  })

  it('brings everything back that was listed, whichever door it came through', async () => {
    const env = { MEDIA_DIGEST: 'sha256', ALLOW_ANONYMOUS_UPLOADS: 'true' }
    const before = await shelf.serve(env)
    const anna = await createAccounts(before.url, admin).add('user', 'anna')
    const tusPath = await upload(before, 'tus.txt', 'by tus', anna.authorization)
    const anonymous = await tusClient(before.url).begin(2, { filename: 'nobody.txt' })
    await tusClient(before.url).patch(anonymous, 0, 'hi')
    const { id } = await form(before, 'form.txt', 'by form')
    await change(before, id, { name: 'Ünamed “1”', description: 'line\nline' })
    const chunked = chunkedClient(before.url, anna.authorization)
    const begun = await chunked.begin('chunk', 5, 'chunked.txt')
    const md5 = createHash('md5').update('chunk').digest('hex')
    expect((await chunked.post(begun.id, { md5 })).status).toBe(200)
    const session = sessionClient(before.url, anna.authorization)
    const token = await session.open()
    await session.add(token, 'a.pdf', pdf('a'))
    await session.add(token, 'b.pdf', pdf('b'))
    expect((await session.json('POST', `/${token}/submit`)).status).toBe(200)
    await remove(before, (await form(before, 'gone.txt', 'gone')).id)
    const listed = await list(before)
    expect(listed.count).toBe(6)
    const tusHead = await tusClient(before.url, admin).head(before.url + tusPath)
    const shown = await chunked.show(begun.id)
    const inSession = await sessionClient(before.url, admin).json('GET', `/${token}/files/`)
    const counters = await quotas()
    await before.landfall.close()

    await shelf.loseDatabase()
    const { code, sum } = await shelf.rebuild('--verify')
    expect([code, sum]).toEqual([
      0,
      {
        dry_run: false,
        manifests: {
          ...{ found: 6, made: 6, already_there: 0, removed_here: 0, not_submitted: 0 },
          ...{ written: 0, newer: 0 },
        },
        ...{ records: 6, users: 1, failed: 0, failures: [] },
      },
    ])

    const after = await shelf.serve(env)
    expect(portless(await list(after))).toEqual(portless(listed))
    for (const { f, size } of listed.results) {
      const bytes = await fetch(f.replace(before.url, after.url))
      expect((await bytes.arrayBuffer()).byteLength).toBe(size)
    }
    const headAgain = await tusClient(after.url, admin).head(after.url + tusPath)
    for (const name of ['upload-offset', 'upload-length', 'upload-metadata', 'landfall-media-file'])
      expect(headAgain.headers.get(name)).toBe(tusHead.headers.get(name))
    expect(portless(await chunkedClient(after.url, admin).show(begun.id))).toEqual(portless(shown))
    const sessionAgain = await sessionClient(after.url, admin).json('GET', `/${token}/files/`)
    expect(portless(sessionAgain.body)).toEqual(portless(inSession.body))
    expect(await quotas()).toEqual(counters)
    // An id that was given out is not given out again.
    expect((await form(after, 'next.txt', 'next')).id).toBeGreaterThan(id + 3)
  })
})

describe('landfall rebuild', () => {
  beforeEach(async () => {
    shelf = await createShelf('postgres')
  })

  it('makes owners who can do nothing until somebody lets them', async () => {
    const before = await shelf.serve()
    const boss = await createAccounts(before.url, admin).add('admin', 'boss')
    await upload(before, 'a.txt', 'a', boss.authorization)
    await before.landfall.close()
    await shelf.loseDatabase()
    await shelf.rebuild()
    const { db } = shelf.database()
    const [made] = await db.select().from(users).where(eq(users.username, 'boss'))
    expect(made).toMatchObject({ id: boss.id, role: 'user', isActive: false })
    const after = await shelf.serve()
    const me = await fetch(`${after.url}/api/me`, {
      headers: { Authorization: boss.authorization },
    })
    expect(me.status).toBe(401)
    expect((await createAccounts(after.url, admin).add('user')).id).toBeGreaterThan(boss.id)
  })

  it('does nothing a second time, and finds nothing to do where all is well', async () => {
    const server = await shelf.serve()
    const { id } = await form(server, 'a.txt', 'a')
    await change(server, id, { description: 'changed' })
    await upload(server, 'b.txt')
    await server.landfall.close()
    const nothing = { made: 0, written: 0, already_there: 2 }
    expect((await shelf.rebuild()).sum.manifests).toMatchObject(nothing)
    await shelf.loseDatabase()
    expect((await shelf.rebuild()).sum.manifests).toMatchObject({ made: 2, written: 0 })
    expect((await shelf.rebuild()).sum.manifests).toMatchObject(nothing)
    expect(await quotas()).toEqual([{ username: 'admin', used: '6', open: 0, held: '6' }])
  })

  it('takes the change over that the database has lost', async () => {
    const server = await shelf.serve()
    const { id } = await form(server, 'a.txt', 'a')
    await change(server, id, { name: 'new.txt', description: 'new' })
    const listed = await list(server)
    await server.landfall.close()
    const { db } = shelf.database()
    await db.update(mediaFiles).set({ name: 'a.txt', description: '', updatedAt: '2020-01-01' })
    expect((await shelf.rebuild('--dry-run')).sum.manifests).toMatchObject({ newer: 1, written: 0 })
    expect((await shelf.rebuild()).sum.manifests).toMatchObject({ newer: 1, written: 0 })
    expect((await shelf.rebuild()).sum.manifests).toMatchObject({ newer: 0, written: 0 })
    expect(portless(await list(await shelf.serve()))).toEqual(portless(listed))
  })

  it('never takes one user for another of the same name', async () => {
    const before = await shelf.serve()
    const anna = await createAccounts(before.url, admin).add('user', 'anna')
    await upload(before, 'first.txt', 'first', anna.authorization)
    const { db } = shelf.database()
    await db.update(users).set({ username: 'anne' }).where(eq(users.id, anna.id))
    const other = await createAccounts(before.url, admin).add('user', 'anna')
    await upload(before, 'second.txt', 'second', other.authorization)
    await before.landfall.close()
    const owners = async () =>
      rows<{ name: string; username: string; id: number }>(
        shelf.database().db,
        sql`select name, username, users.id from media_files
        join users on users.id = user_id order by media_files.id`,
      )
    const apart = [
      { name: 'first.txt', username: expect.stringMatching(/^anna(\.\d+)?$/), id: anna.id },
      { name: 'second.txt', username: expect.stringMatching(/^anna(\.\d+)?$/), id: other.id },
    ]
    await shelf.loseDatabase()
    expect((await shelf.rebuild()).sum).toMatchObject({ users: 2, failed: 0 })
    expect(await owners()).toEqual(apart)
    // Twice the same, and also where others have the ids and the name by now.
    await shelf.loseDatabase()
    const strangers = shelf.database()
    const made = { role: 'user' as const, createdAt: '2026-01-01T00:00:00Z' }
    await strangers.db
      .insert(users)
      .overridingSystemValue()
      .values([
        { ...made, id: anna.id, username: 'bob' },
        { ...made, id: 1_000, username: 'anna' },
      ])
    expect((await shelf.rebuild()).sum.failed).toBe(0)
    const names = (await owners()).map(({ username }) => username)
    expect(new Set(names).size).toBe(2)
    for (const name of names) expect(name).toMatch(/^anna\.\d/)
    await strangers.db.execute(sql`delete from media_files`)
    await strangers.db.execute(sql`delete from uploads`)
    expect((await shelf.rebuild()).sum).toMatchObject({ users: 0, failed: 0 })
    expect((await owners()).map(({ username }) => username)).toEqual(names)
  })

  it('changes nothing in a dry run, and says what it would', async () => {
    const server = await shelf.serve()
    await upload(server, 'a.txt')
    await server.landfall.close()
    await shelf.loseDatabase()
    const { sum } = await shelf.rebuild('--dry-run')
    expect([sum.manifests.made, sum.users]).toEqual([1, 1])
    const { db } = shelf.database()
    expect([await db.$count(users), await db.$count(mediaFiles)]).toEqual([0, 0])
  })

  it('names what it cannot make and makes the rest', async () => {
    const server = await shelf.serve({ MEDIA_DIGEST: 'sha256' })
    const paths: string[] = []
    for (const name of ['missing', 'longer', 'changed', 'cut', 'moved', 'good'])
      paths.push(await upload(server, `${name}.txt`, 'twelve bytes'))
    await server.landfall.close()
    const [missing = '', longer = '', changed = '', cut = '', moved = ''] = paths.map(fileOf)
    await rm(missing)
    await appendFile(longer, '!')
    await writeFile(changed, 'TWELVE BYTES')
    await truncate(cut + MANIFEST, 100)
    // A manifest speaks of the bytes beside it and of no others.
    await writeFile(`${moved}.copy${MANIFEST}`, await readFile(moved + MANIFEST))
    await shelf.loseDatabase()
    const { code, sum, stderr } = await shelf.rebuild('--verify')
    expect(code).toBe(1)
    const problems = sum.failures.map(({ key, problem }) => [key, problem]).sort()
    expect(problems).toEqual(
      [
        [keyOf(missing), 'bytes-missing'],
        [keyOf(longer), 'size-differs'],
        [keyOf(changed), 'digest-differs'],
        [keyOf(cut), 'unreadable'],
        [keyOf(`${moved}.copy`), 'unreadable'],
      ].sort(),
    )
    for (const [key = ''] of problems) expect(stderr).toContain(key)
    expect(sum.manifests).toMatchObject({ found: 7, made: 2 })
    expect((await list(await shelf.serve())).results.map(({ name }) => name).sort()).toEqual([
      'good.txt',
      'moved.txt',
    ])
  })

  it('fills in what a database has lost, beside what it got since', async () => {
    const before = await shelf.serve()
    await upload(before, 'old.txt')
    await before.landfall.close()
    await shelf.loseDatabase()
    // The first record of the new database has the id that the old one had.
    const between = await shelf.serve()
    await upload(between, 'new.txt')
    await between.landfall.close()
    expect((await shelf.rebuild()).sum.manifests).toMatchObject({ made: 1, already_there: 1 })
    const { results } = await list(await shelf.serve())
    expect(results.map(({ name }) => name)).toEqual(['new.txt', 'old.txt'])
  })

  it('publishes what the database forgot was complete', async () => {
    const server = await shelf.serve()
    const at = await upload(server, 'a.txt', 'all of it')
    await server.landfall.close()
    // A database that does not sync comes back from a power cut as it was some seconds before.
    const { db } = shelf.database()
    await db.delete(mediaFiles)
    await db.update(uploads).set({ state: 'receiving', offset: 3, size: null, reserved: 3 })
    await db.update(users).set({ usedBytes: 3, openUploads: 1 })
    expect((await shelf.rebuild()).sum.manifests.made).toBe(1)
    expect(await quotas()).toEqual([{ username: 'admin', used: '9', open: 0, held: '9' }])
    const after = await shelf.serve()
    const head = await tusClient(after.url, admin).head(after.url + at)
    expect(head.headers.get('upload-offset')).toBe('9')
    expect((await list(after)).count).toBe(1)
  })

  it('leaves what was removed, and submits again what was submitted', async () => {
    const failing = { on: true }
    const server = await shelf.serve(
      {},
      {
        wrapStorage: (storage) => ({
          ...storage,
          remove: (key) =>
            failing.on ? Promise.reject(new Error('read-only')) : storage.remove(key),
        }),
      },
    )
    const { id } = await form(server, 'a.txt', 'a')
    expect((await remove(server, id)).status).toBe(204)
    const session = sessionClient(server.url, admin)
    const token = await session.open()
    await session.add(token, 'a.pdf', pdf('a'))
    await session.add(token, 'b.pdf', pdf('b'))
    await session.json('POST', `/${token}/submit`)
    const listed = await list(server)
    const counters = await quotas()
    await server.landfall.close()
    const { db } = shelf.database()
    // As if the commit of the submission had been lost.
    await db.execute(sql`delete from media_files`)
    await db.execute(sql`update uploads set state = 'held' where state = 'promoted'`)
    await db.execute(sql`update upload_sessions set status = 'uploading'`)
    await db.execute(sql`update users set open_uploads = 2`)
    const { code, sum } = await shelf.rebuild()
    expect([code, sum.manifests]).toMatchObject([0, { made: 2, removed_here: 1, not_submitted: 0 }])
    failing.on = false
    const after = await shelf.serve()
    expect(portless(await list(after))).toEqual(portless(listed))
    expect(await quotas()).toEqual(counters)
    const client = sessionClient(after.url, admin)
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
    expect((await shelf.files()).length).toBe(4)
  })

  it('leaves an open session that has a file without a manifest', async () => {
    const server = await shelf.serve()
    const session = sessionClient(server.url, admin)
    const token = await session.open()
    await session.add(token, 'a.pdf', pdf('a'))
    await session.json('POST', `/${token}/submit`)
    await server.landfall.close()
    const { db } = shelf.database()
    await db.execute(sql`delete from media_files`)
    await db.execute(sql`update uploads set state = 'held' where state = 'promoted'`)
    await db.execute(sql`update upload_sessions set status = 'uploading'`)
    await db.execute(sql`update users set open_uploads = 1`)
    const again = await shelf.serve()
    await sessionClient(again.url, admin).add(token, 'b.pdf', pdf('b'))
    await again.landfall.close()
    const { code, sum } = await shelf.rebuild()
    expect([code, sum.manifests]).toMatchObject([0, { made: 0, not_submitted: 1 }])
    const after = await shelf.serve()
    const client = sessionClient(after.url, admin)
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
    expect((await list(after)).count).toBe(2)
    await after.landfall.close()
    // The manifest of the one that was published before is that of its record again.
    expect((await shelf.rebuild()).sum.manifests).toMatchObject({ made: 0, written: 0 })
  })

  describe('that nobody has run before the start', () => {
    /** As it was some seconds before, on a machine that has started since. */
    async function powerCut(state: string, offset: number) {
      const { db } = shelf.database()
      await db.execute(sql`delete from media_files`)
      await db.execute(sql`delete from outbox`)
      await db.execute(sql`update uploads set state = ${state}, size = null, reserved = ${offset},
        "offset" = ${offset}, expires_at = '2020-01-01' where purpose = 'file'`)
      await db.execute(sql`update uploads set state = 'held' where purpose = 'session'`)
      await db.execute(sql`update upload_sessions set status = 'uploading',
        expires_at = '2020-01-01'`)
      const held = sql`(select sum(reserved) from uploads)`
      await db.execute(sql`update users set used_bytes = ${held}, open_uploads = 2`)
      await db.execute(sql`select setval(pg_get_serial_sequence('media_files', 'id'), 1, false)`)
      await rm(path.join(shelf.dataDir, 'boot-id'))
    }

    it.each([
      ['creating', 0],
      ['receiving', 3],
      ['complete', 10],
    ])('the server itself publishes what was %s again', async (state, offset) => {
      const before = await shelf.serve()
      await remove(before, (await form(before, 'gone.txt', 'gone')).id)
      await shelf.database().db.execute(sql`delete from uploads`)
      await upload(before, 'a.txt', 'all of it!')
      const [record] = (await list(before)).results
      await change(before, record?.id ?? 0, { description: 'changed' })
      const session = sessionClient(before.url, admin)
      const token = await session.open()
      await session.add(token, 'b.pdf', pdf('b'))
      await session.json('POST', `/${token}/submit`)
      const [listed, counters] = [await list(before), await quotas()]
      expect(listed.count).toBe(2)
      await before.landfall.close()
      await powerCut(state, offset)
      const after = await shelf.serve()
      expect(portless(await list(after))).toEqual(portless(listed))
      expect(await quotas()).toEqual(counters)
      const { db } = shelf.database()
      const told = await rows<{ event: string }>(db, sql`select event from outbox`)
      expect(told.map(({ event }) => event)).toEqual(['media.created', 'media.created'])
      expect((await form(after, 'next.txt', 'next')).id).toBeGreaterThan(listed.results[1]?.id ?? 0)
    })
  })

  it('gives a manifest to records that have none, and names those whose bytes are gone', async () => {
    const server = await shelf.serve({ MEDIA_MANIFESTS: 'false' })
    const [a, b] = [await upload(server, 'a.txt'), await upload(server, 'b.txt')]
    await server.landfall.close()
    expect((await shelf.files()).some((name) => name.endsWith(MANIFEST))).toBe(false)
    await rm(fileOf(b))
    const { code, sum } = await shelf.rebuild()
    expect([code, sum.manifests.written, sum.failures]).toEqual([
      1,
      1,
      [{ key: keyOf(fileOf(b)).replace(MANIFEST, ''), problem: 'bytes-missing' }],
    ])
    expect(JSON.parse(await readFile(fileOf(a) + MANIFEST, 'utf8'))).toMatchObject({
      landfall_manifest: 1,
      media: { name: 'a.txt', size: 5, digest: null, width: null },
      upload: { id: path.basename(a), door: 'tus', session_token: null },
      owner: { username: 'admin' },
    })
  })

  it('is refused while a server is at work on the database', async () => {
    await shelf.serve()
    await expect(shelf.rebuild()).rejects.toThrow('A server is at work on this database')
  })
})

/** The bytes of an upload, by the path of its URL. */
function fileOf(url: string): string {
  const id = path.basename(url)
  return path.join(shelf.folder, id.slice(0, 2), id)
}

function keyOf(file: string): string {
  return path.relative(shelf.folder, file) + MANIFEST
}
