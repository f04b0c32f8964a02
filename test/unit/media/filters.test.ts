import { drizzle } from 'drizzle-orm/postgres-js'
import fc from 'fast-check'
import postgres from 'postgres'
import { afterAll, describe, expect, it } from 'vitest'
import { mediaFiles } from '../../../src/db/schema.ts'
import { Fault } from '../../../src/errors.ts'
import { where } from '../../../src/media/conditions.ts'
import { type MediaQuery, parseMediaQuery } from '../../../src/media/filters.ts'
import { orderBy } from '../../../src/media/ordering.ts'

/** Never connects: statements are only written. */
const client = postgres('postgres://nobody@127.0.0.1:1/none')
const db = drizzle(client)
afterAll(() => client.end())

const parse = (query: string) => parseMediaQuery(new URLSearchParams(query))

function statement({ conditions, ordering }: MediaQuery) {
  return db
    .select({ id: mediaFiles.id })
    .from(mediaFiles)
    .where(where(conditions))
    .orderBy(...orderBy(ordering))
    .toSQL()
}

function errorsOf(query: string) {
  try {
    parse(query)
  } catch (error) {
    if (error instanceof Fault && error.status === 400) return error.fields
    throw error
  }
  return null
}

describe('a list request that does not parse', () => {
  it('is answered with the messages of every wrong parameter at once', () => {
    expect(
      errorsOf(
        'size_min=abc&size_max=1&created_date=2026-02-30&type=image,foo,bar&user_id=me' +
          '&updated_from=yesterday&height_max=0x10&id_min=5.0&width_min=1e3',
      ),
    ).toEqual({
      type: ['Select a valid choice. foo is not one of the available choices.'],
      user_id: ['Enter a number.'],
      size_min: ['Enter a number.'],
      width_min: ['Enter a number.'],
      height_max: ['Enter a number.'],
      id_min: ['Enter a number.'],
      created_date: ['Enter a valid date.'],
      updated_from: ['Enter a valid date/time.'],
    })
  })

  it.each([
    ['created_to=2026-02-30', 'created_to', 'Enter a valid date/time.'],
    ['updated_date=2026-03-04T05:06:07Z', 'updated_date', 'Enter a valid date.'],
    ['type=Image', 'type', 'Select a valid choice. Image is not one of the available choices.'],
    [
      'type=constructor',
      'type',
      'Select a valid choice. constructor is not one of the available choices.',
    ],
    ['size_min=5%00', 'size_min', 'Enter a number.'],
    ['id_max=1;drop table users', 'id_max', 'Enter a number.'],
  ])('%s', (query, field, message) => {
    expect(errorsOf(query)).toEqual({ [field]: [message] })
  })

  it('is one with more terms than a statement has room for', () => {
    const terms = Array.from({ length: 1001 }, (_, index) => index).join(',')
    expect(errorsOf(`search=${terms}`)).toEqual({ search: ['Search for at most 1000 terms.'] })
  })
})

describe('a list request', () => {
  it('has no filter where values are empty, names unknown or in brackets', () => {
    const query = 'type=&size_min=&created_from=%20&search=&ordering=&a[]=1&type[]=foo&__proto__=x'
    expect(parse(query)).toEqual(parse(''))
    expect(parse('').conditions).toEqual([])
  })

  it('takes the last of a repeated parameter', () => {
    expect(parse('size_min=x&size_min=5')).toEqual(parse('size_min=5'))
    expect(parse('type=foo&type=').conditions).toEqual([])
  })

  it('takes signs and space as integers have them', () => {
    expect(parse('size_min=%2B5&size_max=+7').conditions).toEqual([
      { on: 'integer', column: 'size', operator: '>=', value: 5n },
      { on: 'integer', column: 'size', operator: '<=', value: 7n },
    ])
  })

  it('is newest first where the ordering names nothing that is known', () => {
    const newest = [{ by: 'created_at', descending: true }]
    for (const ordering of ['', '--id', 'foo,-bar', 'constructor', 'id;drop table users', '-']) {
      expect(parse(`ordering=${ordering}`).ordering).toEqual(newest)
    }
  })

  it('sorts by the known names in their order, each once', () => {
    expect(parse('ordering=size, -name,foo,size,-size').ordering).toEqual([
      { by: 'size', descending: false },
      { by: 'name', descending: true },
    ])
  })

  it('always ends its ordering with the id', () => {
    expect(statement(parse('ordering=size')).sql).toMatch(/"size" asc nulls first, .*"id" desc/)
    expect(statement(parse('ordering=width')).sql).toMatch(/"width" asc nulls last, .*"id" desc/)
    expect(statement(parse('ordering=-id')).sql).toMatch(/order by "media_files"."id" desc$/)
  })

  it('sorts text without regard to case or to the locale of the database', () => {
    const { sql } = statement(parse('ordering=name,user__username'))
    expect(sql).toContain('lower("media_files"."name") collate "C" asc')
    expect(sql).toContain('lower("users"."username") collate "C" asc')
  })

  it('compares with a number past 64 bits as arithmetic says', () => {
    const huge = '99999999999999999999'
    const condition = (query: string) => statement(parse(query)).sql
    expect(condition(`id_min=${huge}`)).toContain('where false')
    expect(condition(`id_max=-${huge}`)).toContain('where false')
    expect(condition(`user_id=${huge}`)).toContain('where false')
    expect(condition(`width_max=${huge}`)).toContain('"width" is not null')
    expect(condition(`width_min=-${huge}`)).toContain('"width" is not null')
    expect(statement(parse('id_max=9223372036854775807')).params).toEqual(['9223372036854775807'])
  })
})

describe('whatever the client sends', () => {
  const names = [
    ['type', 'user_id', 'size_min', 'size_max', 'width_min', 'height_max', 'id_min', 'search'],
    [
      'created_date',
      'created_from',
      'created_to',
      'updated_to',
      'ordering',
      'limit',
      'offset',
      'x',
    ],
  ].flat()
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.bigInt().map(String),
    fc.constantFrom("'; drop table users; --", '%', '_', '\\', '\0', '"', 'image', '2026-02-30'),
    fc.stringMatching(/^[\dTZ:. +-]{0,30}$/),
  )
  const query = fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 8 })

  it('parses or is refused with messages', () => {
    fc.assert(
      fc.property(query, (pairs) => {
        try {
          parseMediaQuery(new URLSearchParams(pairs))
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
          expect((error as Fault).fields).toBeDefined()
        }
      }),
      { numRuns: 500 },
    )
  })

  it('gets into no statement but as a parameter', () => {
    const marked = fc.string({ minLength: 1 }).map((text) => `Q${text}Q`)
    fc.assert(
      fc.property(marked, marked, (search, ordering) => {
        const params = new URLSearchParams({ search, ordering, size_min: '31415926' })
        const { sql, params: values } = statement(parseMediaQuery(params))
        expect(sql).not.toContain('Q')
        expect(sql).not.toContain('31415926')
        expect(values).toContain('31415926')
      }),
    )
  })
})
