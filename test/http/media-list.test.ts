import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Actor, anonymous } from '../../src/auth/actor.ts'
import type { Database, OpenDatabase } from '../../src/db/database.ts'
import { type MediaRoutesDeps, mediaPath, mediaRoutes } from '../../src/http/media.ts'
import { createOnError } from '../../src/http/on-error.ts'
import type { MediaAccess } from '../../src/media/access.ts'
import { addUpChanges } from '../../src/media/counts.ts'
import { mediaTypes } from '../../src/media/file-types.ts'
import { type MediaRecord, mediaUrl } from '../../src/media/record.ts'
import { createMediaRepo } from '../../src/media/repo.ts'
import type { Env } from '../../src/protocols/env.ts'
import { databaseKinds, openTestDatabase } from '../support/database.ts'
import { compare, files, insertLibrary, keys, micros, sorted } from '../support/media-library.ts'

const staff: Actor = { kind: 'user', id: 1, username: 'staff', role: 'staff', tokenId: 1 }

const databases = [
  ...databaseKinds.map((kind) => ({ kind, changes: 'as they were noted' })),
  { kind: 'postgres' as const, changes: 'added up' },
]

describe.each(databases)('GET /api/media/files, $kind, changes $changes', ({ kind, changes }) => {
  let open: OpenDatabase
  let statements = 0
  let actor: Actor = staff
  let app: Hono<Env>
  /** Everything, as the API shows it, in the order of the ids. */
  let all: MediaRecord[]

  beforeAll(async () => {
    open = await openTestDatabase(kind)
    await insertLibrary(open.db)
    if (changes === 'added up') await addUpChanges(open.db)
    app = await listApp()
    all = (await list('limit=1000&ordering=id')).results
  })
  afterAll(() => open.close())

  async function listApp(): Promise<Hono<Env>> {
    const counted = (db: Database): Database =>
      new Proxy(db, {
        get(target, name) {
          if (name === 'select' || name === 'execute') statements += 1
          if (name === 'transaction')
            return (work: (tx: Database) => Promise<unknown>, how: object) =>
              target.transaction((tx) => work(counted(tx)), how)
          return Reflect.get(target, name, target)
        },
      })
    const db = counted(open.db)
    // The list needs nothing else; whatever it touched would throw.
    const deps = {
      authenticate: async (c, next) => {
        c.set('actor', actor)
        await next()
      },
      repo: createMediaRepo(db),
      origin: () => 'http://test',
      access: { urlOf: mediaUrl } as MediaAccess,
      now: () => new Date(),
    } as Partial<MediaRoutesDeps> as MediaRoutesDeps
    const root = new Hono<Env>({ strict: false })
    root.onError(createOnError({ warn() {}, error() {} }))
    return root.route(mediaPath, mediaRoutes(deps))
  }

  async function get(query: string, init?: RequestInit): Promise<Response> {
    return app.request(`http://test${mediaPath}?${query}`, init)
  }

  async function list(query: string) {
    const answer = await get(query)
    expect(answer.status, query).toBe(200)
    type Page = { count: number; next: string; previous: string; results: MediaRecord[] }
    return (await answer.json()) as Page
  }

  const ids = (records: MediaRecord[]) => records.map(({ id }) => id).sort((a, b) => a - b)
  const encode = (text: string) => encodeURIComponent(text)

  it('shows every record once, newest first, ten at a time', async () => {
    expect(all.map(({ name }) => name)).toEqual(files.map(({ name }) => name))
    const first = await list('')
    expect(first.count).toBe(files.length)
    expect(first.results).toHaveLength(10)
    const newest = all.toSorted(
      (a, b) => compare(micros(b.created_at), micros(a.created_at)) || b.id - a.id,
    )
    expect(first.results).toEqual(newest.slice(0, 10))
  })

  it('asks the database twice at the most, and once for an empty page', async () => {
    statements = 0
    await list('search=p&ordering=user__username')
    expect(statements).toBe(2)
    statements = 0
    await list('offset=1000')
    expect(statements).toBe(1)
  })

  type Filter = [query: string, holds: (record: MediaRecord) => boolean]
  const within = (record: MediaRecord, from: string, end: string) =>
    micros(record.created_at) >= micros(from) && micros(record.created_at) < micros(end)
  const huge = '9'.repeat(30)
  const filters: Filter[] = [
    ...mediaTypes.map((type): Filter => [`type=${type}`, (r) => r.type === type]),
    ['type=image,pdf', (r) => r.type === 'image' || r.type === 'pdf'],
    ['type=image,, video', (r) => r.type === 'image' || r.type === 'video'],
    ['user_id=1', (r) => r.user?.id === 1],
    ['user_id=0', () => false],
    [`user_id=${2 ** 31}`, () => false],
    [`user_id=${huge}`, () => false],
    ['size_min=500', (r) => r.size >= 500],
    ['size_max=500', (r) => r.size <= 500],
    ['size_min=8&size_max=2048', (r) => r.size >= 8 && r.size <= 2048],
    [`size_min=${2 ** 40}`, (r) => r.size >= 2 ** 40],
    [`size_min=${huge}`, () => false],
    [`size_min=-${huge}`, () => true],
    [`size_max=${huge}`, () => true],
    ['size_max=-1', () => false],
    ['size_min=9223372036854775807', () => false],
    ['size_min=9223372036854775808', () => false],
    ['size_max=-9223372036854775808', () => false],
    ['width_min=100', (r) => (r.width ?? 0) >= 100],
    ['width_max=299', (r) => r.width != null && r.width <= 299],
    ['width_min=3000000000', () => false],
    ['width_max=3000000000', (r) => r.width != null],
    [`width_max=${huge}`, (r) => r.width != null],
    ['height_min=201', (r) => (r.height ?? 0) >= 201],
    ['height_max=200', (r) => r.height != null && r.height <= 200],
    ['id_min=3', (r) => r.id >= 3],
    ['id_max=3', (r) => r.id <= 3],
    ['id_min=%2B3&id_max=+4', (r) => r.id === 3 || r.id === 4],
    ['created_date=2026-03-04', (r) => r.created_at.startsWith('2026-03-04')],
    ['created_date=2024-02-29', (r) => r.created_at.startsWith('2024-02-29')],
    ['updated_date=2026-06-01', (r) => r.updated_at.startsWith('2026-06-01')],
    ['created_from=2026-03-05', (r) => r.created_at >= '2026-03-05'],
    ['created_to=2026-03-04', (r) => r.created_at < '2026-03-05'],
    ['created_to=9999-12-31', () => true],
    ['created_from=0001-01-01', () => true],
    [
      'created_from=2026-03-04T12:00:00Z&created_to=2026-03-04T12:00:00',
      (r) => within(r, '2026-03-04T12:00:00Z', '2026-03-04T12:00:00.000001Z'),
    ],
    [
      `created_from=${encode('2026-03-04T14:00:00.000001+02:00')}`,
      (r) => within(r, '2026-03-04T12:00:00.000001Z', '9999-01-01T00:00:00Z'),
    ],
    [
      'created_to=2026-03-04T14:00:00+02:00',
      (r) => micros(r.created_at) <= micros('2026-03-04T12:00:00Z'),
    ],
    ['created_to=2026-03-04T23:59:59.999999Z', (r) => r.created_at < '2026-03-05'],
    ['updated_from=2026-06-01T12:00:00.5Z', (r) => r.updated_at >= '2026-06-01T12:00:00.5'],
    ['updated_to=2024-12-31', (r) => r.updated_at < '2025-01-01'],
    ['search=REPORT', (r) => /report/i.test(r.name)],
    ['search=report,DRAFT', (r) => r.name === 'report draft'],
    ['search="report%20draft"', (r) => r.name === 'report draft'],
    ['search="draft%20report"', () => false],
    [`search=${encode('ÄPFEL')}`, (r) => r.name.toLowerCase().startsWith('äpfel')],
    ['search=%25', (r) => r.name.includes('%')],
    ['search=_', (r) => r.name.includes('_')],
    [`search=${encode('\\')}`, (r) => r.name.includes('\\')],
    [`search=${encode('%_done\\ok')}`, (r) => r.name.includes('%_done\\ok')],
    ["search=o'b", (r) => r.name.includes("o'b")],
    ['search=ban%00ana', (r) => r.name === 'banana.txt'],
    ['search=1', (r) => String(r.id).includes('1') || r.name.includes('1')],
    ['search=12', (r) => String(r.id).includes('12')],
    [`search=${encode("'; drop table media_files; --")}`, () => false],
    ['search=%20,%20', () => true],
    ['type=image&width_min=100&search=apple', (r) => r.name === 'apple.png'],
    ['a[]=1&unknown=2&type=&size_min=', () => true],
  ]

  it.each(filters)('%s', async (query, holds) => {
    const { count, results } = await list(`${query}&limit=1000`)
    const expected = ids(all.filter(holds))
    expect(ids(results)).toEqual(expected)
    expect(count).toBe(expected.length)
  })

  it.each(Object.keys(keys))('ordering=%s, both ways, nulls last, ties by -id', async (name) => {
    const key = keys[name] ?? expect.fail()
    for (const descending of [false, true]) {
      const { results } = await list(`limit=1000&ordering=${descending ? '-' : ''}${name}`)
      const expected = sorted(all, key, descending).map(({ id }) => id)
      expect(results.map(({ id }) => id)).toEqual(expected)
    }
  })

  it('sorts by several keys and passes over what it does not know', async () => {
    const { results } = await list('limit=1000&ordering=foo, -size ,constructor,name;--,type')
    const expected = all.toSorted(
      (a, b) => b.size - a.size || compare(a.type, b.type) || b.id - a.id,
    )
    expect(results).toEqual(expected)
  })

  it('repeats and skips nothing from page to page, whatever the order', async () => {
    for (const ordering of ['size', '-user__last_name', 'mode', 'name']) {
      const seen: number[] = []
      let url: string | null = `http://test${mediaPath}?ordering=${ordering}&limit=5&x[]=%20`
      while (url !== null) {
        const { results, next } = await list(new URL(url).search.slice(1))
        seen.push(...results.map(({ id }) => id))
        url = next
      }
      expect(seen).toHaveLength(all.length)
      expect(new Set(seen).size).toBe(all.length)
    }
  })

  it('links to the pages around, absolute and with every other parameter', async () => {
    const { next, previous } = await list('offset=5&limit=5&search=&x=%C3%A4+b&a[]=1&ordering=id')
    const rest = 'limit=5&offset=10&ordering=id&search=&x=%C3%A4+b'
    expect(next).toBe(`http://test/api/media/files?a%5B%5D=1&${rest}`)
    const first = 'limit=5&ordering=id&search=&x=%C3%A4+b'
    expect(previous).toBe(`http://test/api/media/files?a%5B%5D=1&${first}`)
  })

  it('gives an empty page past the end, however far', async () => {
    for (const offset of ['12', '9007199254740993', '18446744073709551616', huge]) {
      expect(await list(`offset=${offset}`)).toMatchObject({ count: 12, next: null, results: [] })
    }
  })

  it('is the same at the path with a slash at its end', async () => {
    const answer = await app.request(`http://test${mediaPath}/?limit=1`)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      count: 12,
      next: `http://test${mediaPath}/?limit=1&offset=1`,
    })
  })

  it('answers a wrong filter with the messages of all of them', async () => {
    const answer = await get('size_min=abc&created_date=2026-02-30&type=foo&updated_to=x')
    expect(answer.status).toBe(400)
    expect(await answer.json()).toEqual({
      size_min: ['Enter a number.'],
      created_date: ['Enter a valid date.'],
      type: ['Select a valid choice. foo is not one of the available choices.'],
      updated_to: ['Enter a valid date/time.'],
    })
  })

  it('bears every parameter full of anything', async () => {
    const values = ['\'"`;--', '%00', '%ED%A0%80', '%E0%A4%A', '\\', '1e999', huge, '[]', '{}', '(']
    const names = 'search ordering type user_id size_min created_date created_from limit offset'
    for (const name of names.split(' ')) {
      for (const value of values) {
        const answer = await get(`${name}=${value}`)
        expect([200, 400], `${name}=${value}`).toContain(answer.status)
      }
    }
    const terms = Array.from({ length: 1000 }, (_, index) => `w${index}`).join(',')
    expect((await list(`search=${terms}`)).count).toBe(0)
  })

  it('is for staff and admin', async () => {
    const cases = [
      [anonymous, 401, 'Authentication credentials were not provided.'],
      [{ ...staff, role: 'user' }, 403, 'You do not have permission to perform this action.'],
      [{ ...staff, role: 'admin' }, 200, undefined],
    ] as const
    for (const [who, status, detail] of cases) {
      actor = who
      // Who asks is settled before what is asked.
      const answer = await get(status === 200 ? '' : 'size_min=abc')
      expect(answer.status).toBe(status)
      if (detail) expect(await answer.json()).toEqual({ detail })
    }
    actor = staff
  })
})
