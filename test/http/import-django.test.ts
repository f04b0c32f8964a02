import { randomUUID } from 'node:crypto'
import { asc } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mediaFiles, users } from '../../src/db/schema.ts'
import { createDjango, type Django } from '../support/django.ts'
import { createImportHome, type ImportHome } from '../support/import.ts'
import { ADMIN_KEY } from '../support/server.ts'

let home: ImportHome
let django: Django
beforeEach(async () => {
  home = await createImportHome('postgres')
})
afterEach(async () => {
  await home.remove()
  await django.remove()
})

const records = () => home.database.db.select().from(mediaFiles).orderBy(asc(mediaFiles.id))

describe('an import of a Django database', () => {
  it('brings finished uploads with their ids, dates and owners', async () => {
    django = await createDjango()
    const anna = await django.addUser({ username: 'anna', first_name: 'Anna', is_staff: true })
    const root = await django.addUser({
      username: 'root',
      is_superuser: true,
      is_active: false,
      last_login: '2020-02-02T02:02:02.202020Z',
    })
    const [older, newer] = [randomUUID(), randomUUID()] as const
    await home.put('chunked_uploads/2019/03/04/x.done', 'older')
    await home.put('chunked_uploads/2019/03/05/y.done', 'newer!')
    await django.addUpload({
      id: newer,
      file: 'chunked_uploads/2019/03/05/y.done',
      filename: '../näme "y".txt',
      offset: 6,
      created_at: '2019-03-05T00:00:00Z',
      completed_at: null,
      user_id: root,
    })
    await django.addUpload({
      id: older,
      file: 'chunked_uploads/2019/03/04/x.done',
      filename: 'x.txt',
      offset: 5,
      user_id: anna,
    })
    await django.addUpload({
      id: randomUUID(),
      file: 'chunked_uploads/2019/03/04/z.part',
      filename: 'z',
      offset: 1,
      status: 1,
      completed_at: null,
      user_id: anna,
    })

    const { code, sum, stderr } = await home.run(['--from', django.url])
    expect([code, stderr]).toEqual([0, ''])
    expect(sum.files).toMatchObject({ found: 2, imported: 2, bytes: 11, unfinished: 1 })
    expect(sum.users).toEqual({ created: 2, matched: 0 })
    expect(await home.database.db.select().from(users).orderBy(asc(users.id))).toMatchObject([
      { username: 'admin' },
      {
        username: 'anna',
        firstName: 'Anna',
        role: 'staff',
        isActive: true,
        createdAt: '2018-01-02 03:04:05.000006+00',
        usedBytes: 5,
        openUploads: 0,
      },
      {
        username: 'root',
        role: 'admin',
        isActive: false,
        lastLogin: '2020-02-02 02:02:02.20202+00',
      },
    ])
    const found = await records()
    expect(found.map(({ uploadId }) => uploadId).sort()).toEqual([newer, older].sort())
    expect(found.find(({ uploadId }) => uploadId === older)).toMatchObject({
      name: 'x.txt',
      type: 'text',
      createdAt: '2019-03-04 05:06:07.123456+00',
      updatedAt: '2019-03-04 06:07:08.654321+00',
    })
    const again = await home.run(['--from', django.url])
    expect([again.code, again.sum.files.already_there]).toEqual([0, 2])
    expect(await records()).toHaveLength(2)
  })

  it('leaves the URLs of the uploads what they were', async () => {
    django = await createDjango()
    const admin = await django.addUser({ username: 'admin' })
    const id = randomUUID()
    await home.put('a.done', 'aaa')
    await django.addUpload({ id, file: 'a.done', filename: 'a.txt', offset: 3, user_id: admin })
    await home.run(['--from', django.url])
    const landfall = await home.open()
    try {
      const { url } = await landfall.listen()
      const headers = { Authorization: `Token ${ADMIN_KEY}` }
      const get = async (path: string) => (await fetch(url + path, { headers })).json()
      const [record] = await records()
      const upload = {
        id,
        url: `${url}/api/chunked-uploads/${id}`,
        filename: 'a.txt',
        offset: 3,
        created_at: '2019-03-04T05:06:07.123456Z',
        completed_at: '2019-03-04T06:07:08.654321Z',
        status: 2,
        media_file: record?.id,
      }
      expect(await get(`/api/chunked-uploads/${id}/`)).toMatchObject(upload)
      expect(await get(`/api/chunked-uploads/${id.replaceAll('-', '')}`)).toMatchObject(upload)
      expect(await get('/api/chunked-uploads/')).toMatchObject([upload])
      const { file } = (await get(`/api/chunked-uploads/${id}`)) as { file: string }
      expect(await (await fetch(file)).text()).toBe('aaa')
    } finally {
      await landfall.close()
    }
  })

  it('reports files that are missing, cut short or not there at all', async () => {
    django = await createDjango()
    const user_id = await django.addUser({ username: 'anna' })
    await home.put('short.done', 'aa')
    const upload = { filename: 'x', offset: 3, user_id }
    const id = randomUUID()
    await django.addUpload({ ...upload, id, file: 'short.done' })
    await django.addUpload({ ...upload, id: randomUUID(), file: 'missing.done' })
    await django.addUpload({ ...upload, id: randomUUID(), file: null })
    await django.addUpload({ ...upload, id: randomUUID(), file: '../data/lock' })
    const { code, sum } = await home.run(['--from', django.url])
    expect(code).toBe(1)
    expect(sum.problems).toEqual({ 'size-differs': 1, missing: 1, 'bad-row': 1, outside: 1 })
    expect(sum.failures.find(({ problem }) => problem === 'size-differs')?.at).toBe(`upload ${id}`)
    expect(await home.stored()).toEqual([])
  })

  it('reads tables of other names, and of django-chunked-upload', async () => {
    django = await createDjango({ uploads: 'site."Upload"', users: 'people' })
    await django.sql`alter table people drop column first_name, drop column is_superuser`
    await django.sql`alter table site."Upload" rename column created_at to created_on`
    await django.sql`alter table site."Upload" rename column completed_at to completed_on`
    await django.sql`alter table site."Upload" add column upload_id char(32)`
    await django.sql`insert into people (username, password, last_name, email, is_staff, is_active,
      date_joined) values ('anna', '', 'B', '', true, true, now())`
    await django.sql`insert into site."Upload" (id, upload_id, file, filename, "offset", created_on,
      status, user_id) values (gen_random_uuid(), '5230ec1f59d1485d9d7974b853802e31', 'a', 'a', 1,
      '2019-03-04T05:06:07.123456Z', 2, 1)`
    await home.put('a', 'a')
    const tables = ['--table', 'site.Upload', '--users-table', 'people']
    expect((await home.run(['--from', django.url, ...tables])).code).toBe(0)
    const [record] = await records()
    expect(record).toMatchObject({
      uploadId: '5230ec1f-59d1-485d-9d79-74b853802e31',
      createdAt: '2019-03-04 05:06:07.123456+00',
    })
    const [, anna] = await home.database.db.select().from(users).orderBy(asc(users.id))
    expect(anna).toMatchObject({ id: record?.userId, firstName: '', lastName: 'B', role: 'staff' })
  })

  it('of a table that is not there names those that it could be', async () => {
    django = await createDjango({ uploads: 'site_upload' })
    const { code, sum, stderr } = await home.run(['--from', django.url])
    expect([code, sum]).toEqual([1, null])
    expect(stderr).toBe(
      'There is no table drf_chunked_upload_chunkedupload. These have its columns: site_upload.',
    )
  })
})
