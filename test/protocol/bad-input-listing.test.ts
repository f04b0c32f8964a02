import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { expectSound, latin1, leakIn, request, sendRaw, stateOf } from '../support/bad-input.ts'
import { mediaClient } from '../support/media-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const NAMES = ['plain.txt', '100%.txt', 'a_b.txt', 'back\\slash.txt', "o'neil.txt", 'ünï 😀.txt']

let server: TestServer
let before: unknown

beforeAll(async () => {
  server = await startServer()
  const media = mediaClient(server, server.admin)
  for (const name of NAMES) {
    const { id } = await media.upload('a.txt', Buffer.from('text'))
    await media.call('PATCH', `/${id}`, { body: JSON.stringify({ name }) })
  }
  before = await stateOf(server)
})
afterAll(() => server.close())
afterEach(async () => {
  expect(await stateOf(server)).toEqual(before)
  await expectSound(server)
})

/** The answer to a query that is sent exactly so, with what it says of itself checked. */
async function ask(query: string, path = '/api/media/files', echoed = '') {
  const began = performance.now()
  const answer = await sendRaw(server.url, request('GET', `${path}?${query}`, server.admin))
  // What somebody sent may come back to them.
  expect(leakIn(answer.body.replaceAll(JSON.stringify(echoed).slice(1, -1), ''))).toBeNull()
  expect(performance.now() - began).toBeLessThan(5_000)
  return answer
}

async function list(query: string): Promise<MediaRecord[]> {
  const { status, body } = await ask(query)
  expect(status).toBe(200)
  return (JSON.parse(body) as { results: MediaRecord[] }).results
}

const STATEMENTS = [
  `'; drop table media_files; --`,
  `" or 1=1 --`,
  `id; select pg_sleep(5)`,
  `(select case when (1=1) then id else size end)`,
  `id,(select 1/0)`,
  `id) union select hash from tokens --`,
  `id asc nulls first, (select hash from tokens limit 1)`,
  `\\'; vacuum; --`,
  `$1`,
  `\${1}`,
  `created_at::text`,
  `-- `,
  `/* */id`,
  `E'\\x27'`,
]

describe('a statement', () => {
  it.each(STATEMENTS)('%s in ordering orders as nothing does', async (statement) => {
    const ordered = await list(`ordering=${encodeURIComponent(statement)}`)
    const plain = await list('')
    const known = statement.split(',').some((key) => key.trim() === 'id')
    expect(ordered.map(({ id }) => id)).toEqual(
      known ? plain.map(({ id }) => id).sort((a, b) => a - b) : plain.map(({ id }) => id),
    )
  })

  it.each(STATEMENTS)('%s in search is looked for, and not found', async (statement) => {
    expect(await list(`search=${encodeURIComponent(`"${statement}"`)}`)).toEqual([])
  })

  it.each(STATEMENTS)('%s in any filter is refused with words', async (statement) => {
    const names = 'type user_id size_min width_max height_min id_max created_date updated_to'
    for (const name of names.split(' ')) {
      const query = `${name}=${encodeURIComponent(statement)}`
      const { status, body } = await ask(query, undefined, statement.trim())
      expect([name, status]).toEqual([name, 400])
      expect(Object.keys(JSON.parse(body))).toEqual([name])
    }
  })

  it.each(STATEMENTS)('%s for the name of a parameter is nothing', async (statement) => {
    expect(await list(`${encodeURIComponent(statement)}=1`)).toHaveLength(NAMES.length)
  })
})

describe('ordering', () => {
  it.each([
    '__proto__',
    'constructor',
    'toString',
    'user__password',
    'user__tokens__hash',
    'user__role',
    'upload_id',
    'key',
    'storage_key',
    '--id',
    '-',
    '- id',
    '?',
    '*',
    '1',
    'ID',
    'id ',
    '\0',
  ])('by %j shows nothing that is not shown', async (key) => {
    const ids = (await list(`ordering=${encodeURIComponent(key)}`)).map(({ id }) => id)
    const plain = (await list('')).map(({ id }) => id)
    expect(ids).toEqual(key === 'id ' ? plain.toReversed() : plain)
  })

  it('by 5,000 keys, and by one of 50 KB, ends', async () => {
    expect(await list(`ordering=${'id,-id,'.repeat(2_500)}`)).toHaveLength(NAMES.length)
    expect(await list(`ordering=${'x'.repeat(50_000)}`)).toHaveLength(NAMES.length)
  })
})

describe('search', () => {
  it.each([
    ['%', ['100%.txt']],
    ['_', ['a_b.txt']],
    ['\\', ['back\\slash.txt']],
    ["o'n", ["o'neil.txt"]],
    ['%%', []],
    ['a%b', []],
    ['100\\%', []],
    ['.*', []],
    ['^p', []],
    ['[a-z]', []],
    ['😀', ['ünï 😀.txt']],
    ['ÜNÏ', ['ünï 😀.txt']],
    ['\0plain\0', ['plain.txt']],
  ])('for %j finds names that hold it', async (text, names) => {
    const found = await list(`search=${encodeURIComponent(text)}`)
    expect(found.map(({ name }) => name)).toEqual(names)
  })

  it.each([
    ['bytes that are no UTF-8', '%ff%fe'],
    ['half a character', '%E0%A4%A'],
    ['a surrogate', '%ED%A0%80'],
    ['a percent sign that encodes nothing', '%'],
  ])('for %s is answered', async (_, text) => {
    expect((await ask(`search=${text}`)).status).toBe(200)
  })

  it('for bytes above ASCII as they are is no request', async () => {
    expect((await ask(`search=${latin1('ü')}`)).status).toBe(400)
  })

  it('for a thousand words, a million quotes and a text of 60 KB ends', async () => {
    const words = Array.from({ length: 1_000 }, (_, n) => `w${n}`).join('%20')
    expect(await list(`search=${words}`)).toEqual([])
    expect(await list(`search=${'%22'.repeat(20_000)}`)).toEqual([])
    expect(await list(`search=${"'a%20".repeat(10_000)}`)).toEqual([])
    expect(await list(`search=${'x'.repeat(60_000)}`)).toEqual([])
  })
})

describe('a filter', () => {
  it.each([
    '2026-02-30',
    '2026-13-01',
    '2026-00-10',
    '2023-02-29',
    '0000-01-01',
    '10000-01-01',
    '-2026-01-01',
    '2026-1-1',
    '2026-01-01T25:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:00+25:00',
    'now()',
    'today',
    'infinity',
    '-infinity',
    'epoch',
    '1e9',
    '٢٠٢٦-٠١-٠١',
    '2026-01-01\0',
  ])('%j is no date and no time', async (date) => {
    const value = encodeURIComponent(date)
    const days = 'created_date updated_date'.split(' ')
    const times = 'created_from created_to updated_from updated_to'.split(' ')
    for (const name of [...days, ...times]) {
      const { status, body } = await ask(`${name}=${value}`)
      expect([name, status]).toEqual([name, 400])
      const words = days.includes(name) ? 'Enter a valid date.' : 'Enter a valid date/time.'
      expect(JSON.parse(body)).toEqual({ [name]: [words] })
    }
  })

  it.each(['0001-01-01', '9999-12-31', '9999-12-31T23:59:59.999999Z', '0001-01-01T00:00:00+14:00'])(
    'up to the ends of time, %s, is one',
    async (time) => {
      expect((await ask(`created_from=${encodeURIComponent(time)}`)).status).toBe(200)
      expect((await ask(`created_to=${encodeURIComponent(time)}`)).status).toBe(200)
    },
  )

  it.each([
    'type[]=image',
    'type[$ne]=x',
    'a[]=',
    'a[]=&a[]=',
    'a[b][c]=1',
    'type.x=1',
    '&&&',
    '=',
    'type',
    '[]',
  ])('in brackets, as %s, is a parameter that nobody knows', async (query) => {
    expect(await list(query)).toHaveLength(NAMES.length)
  })

  it('that comes twice counts as its last, ten thousand times over', async () => {
    expect((await ask('id_min=x&id_min=1')).status).toBe(200)
    expect((await ask('id_min=1&id_min=x')).status).toBe(400)
    expect((await ask('id_min=1&'.repeat(5_000))).status).toBe(200)
    expect(await list(Array.from({ length: 5_000 }, (_, n) => `p${n}=x`).join('&'))).toHaveLength(6)
  })

  it('for 5,000 types, and for one of 50 KB, ends', async () => {
    expect(await list(`type=${'image,'.repeat(5_000)}`)).toEqual([])
    const { status, body } = await ask(`type=${'x'.repeat(50_000)}`)
    expect(status).toBe(400)
    expect(body.length).toBeLessThan(60_000)
  })
})

describe('the links between pages', () => {
  it('repeat what was asked for as text in a URL, and as nothing else', async () => {
    const { body } = await ask(
      'limit=1&x=%22%3E%3Cscript%3E&y=%0d%0aSet-Cookie:%20a=b&z=%ff&__proto__=1',
    )
    const { next } = JSON.parse(body) as { next: string }
    expect(next).toMatch(/^http:\/\/test\/api\/media\/files\?[\w%&=.~*+-]+$/)
    expect(
      await fetch(next.replace('http://test', server.url), {
        headers: { Authorization: server.admin },
      }).then((r) => r.status),
    ).toBe(200)
  })

  it('of the other lists bear the same', async () => {
    for (const path of [
      '/api/users',
      '/api/users/1/tokens',
      '/api/chunked-uploads/',
      '/upload-session/',
    ])
      for (const query of [
        'limit=1&offset=18446744073709551616&x=%ff',
        `ordering=${encodeURIComponent(STATEMENTS[0] ?? '')}`,
        'a[]=&limit[]=5',
        '%',
      ])
        expect([path, (await ask(query, path)).status]).toEqual([path, 200])
  })
})
