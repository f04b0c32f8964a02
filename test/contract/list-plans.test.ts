import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addUpChanges } from '../../src/media/counts.ts'
import { parseMediaQuery } from '../../src/media/filters.ts'
import { sortKeys } from '../../src/media/ordering.ts'
import { createMediaRepo } from '../../src/media/repo.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { insertManyMedia } from '../support/many-media.ts'

const FILES = 40_000
/** Files that the statements for a page may look at or sort, in a library of any size. */
const ENOUGH = 2_500

interface Node {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Node[]
}

const { url, drop } = await createPostgresDatabase()
const settings = { max: 1, fetch_types: false, connection: { TimeZone: 'UTC' } }
const client = postgres(url, settings)
const ask = client.unsafe.bind(client)
const db = drizzle(client)
const statements: Parameters<typeof ask>[] = []
/** What the list asks, without what makes a transaction of it. */
const watched = postgres(url, {
  ...settings,
  debug(_connection, text, params) {
    if (text.startsWith('select')) statements.push([text, params])
  },
})
const repo = createMediaRepo(drizzle(watched))

beforeAll(async () => {
  for (const statement of insertManyMedia({ total: FILES, users: 400 })) await ask(statement)
  await addUpChanges(db)
  for (const table of ['media_files', 'media_changes', 'media_counts', 'users'])
    await ask(`vacuum analyze ${table}`)
}, 60_000)
afterAll(async () => {
  await client.end()
  await watched.end()
  await drop()
})

/** What Postgres does for the statements that the list itself makes of a request. */
async function plansOf(query: string): Promise<Node[]> {
  statements.length = 0
  const { rows } = await repo.list(parseMediaQuery(new URLSearchParams(`limit=20&${query}`)))
  expect(rows.length).toBeGreaterThan(0)
  const made = statements.splice(0)
  expect(made).toHaveLength(2)
  const nodes: Node[] = []
  for (const [text, params] of made) {
    const [row] = await ask(`explain (analyze, format json) ${text}`, params)
    nodes.push(...flat(row?.['QUERY PLAN'][0].Plan))
  }
  return nodes
}

const flat = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flat)]

/** Rows that a part of a plan has come by, given on or not. */
const touched = (node: Node) =>
  (node['Actual Rows'] +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0)) *
  node['Actual Loops']

function worst(nodes: Node[], isMeant: (node: Node) => boolean): number {
  return Math.max(0, ...nodes.filter(isMeant).map(touched))
}

const readsFiles = (node: Node) =>
  node['Relation Name'] === 'media_files' || (node['Index Name'] ?? '').startsWith('media_files')
const sortsRows = (node: Node) => /Sort/.test(node['Node Type'])

const filters = [
  ...['type=image', 'type=pdf,video', 'type=other', 'user_id=1', 'user_id=350'],
  ...['size_min=1', 'size_min=200000', 'size_max=200000', 'size_min=20000&size_max=21000'],
  ...['width_min=1', 'width_min=1900', 'width_max=1900', 'height_min=2000', 'height_max=800'],
  ...['id_min=1', 'id_min=20000', 'id_max=20000', 'id_max=300', 'id_min=39990'],
  ...['created_date=2024-06-01', 'created_from=2023-02-01', 'created_from=2025-12-20T10:11:12Z'],
  ...['created_to=2023-03-01', 'created_to=2025-06-01T10:11:12.5Z'],
  ...['updated_date=2024-06-01', 'updated_from=2023-02-01', 'updated_from=2025-12-29'],
  ...['updated_to=2023-03-01', 'updated_to=2025-06-01T10:11:12Z'],
]

describe('a page of 40,000 files', () => {
  it.each(['', 'offset=39000', ...filters])('is found without reading them: %s', async (query) => {
    const nodes = await plansOf(query)
    expect(nodes.filter((node) => node['Node Type'] === 'Seq Scan' && readsFiles(node))).toEqual([])
    expect(worst(nodes, readsFiles)).toBeLessThan(ENOUGH)
    expect(worst(nodes, sortsRows)).toBeLessThan(ENOUGH)
  })

  const orders = sortKeys.flatMap((key) => [`ordering=${key}`, `ordering=-${key}`])
  orders.push('ordering=user__id&offset=80', 'ordering=-user__id&offset=900')
  it.each(orders)('is found without sorting them: %s', async (query) => {
    const nodes = await plansOf(query)
    expect(nodes.filter((node) => node['Node Type'] === 'Seq Scan' && readsFiles(node))).toEqual([])
    expect(worst(nodes, readsFiles)).toBeLessThan(ENOUGH)
    expect(worst(nodes, sortsRows)).toBeLessThan(ENOUGH)
  })

  it.each(['search=report%202024-06-2', 'search=12345', 'search=98f1&ordering=name'])(
    'is found in the index of names and ids: %s',
    async (query) => {
      const nodes = await plansOf(query)
      expect(nodes.some((node) => node['Index Name'] === 'media_files_search')).toBe(true)
      expect(nodes.filter((n) => n['Node Type'] === 'Seq Scan' && readsFiles(n))).toEqual([])
    },
  )

  it('is found the same way before Postgres knows what is in the table', async () => {
    await ask('delete from pg_statistic where starelid = $1::regclass', ['media_files'])
    const orders = ['-size', 'width', 'user__username', 'user__id', '-user__id']
    for (const query of ['', ...orders.map((order) => `ordering=${order}`)]) {
      const nodes = await plansOf(query)
      expect(nodes.filter((n) => n['Node Type'] === 'Seq Scan' && readsFiles(n))).toEqual([])
      expect(worst(nodes, readsFiles)).toBeLessThan(ENOUGH)
    }
  })
})
