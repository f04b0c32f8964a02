import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { PIECE, withLibrary } from '../library.ts'
import { startDrfList } from '../peers/drf-list.ts'
import type { Contestant, Results, Sample } from '../rounds.ts'
import { atMost, type Goal, type Row, under } from '../row.ts'
import type { Bench, Scenario } from '../scenario.ts'
import { percentile } from '../statistics.ts'
import { broad, filters, mixed, narrow, orders } from './list-queries.ts'

/** Requests of each kind in each run; the other one is slower, and the ratio needs its median only. */
const OURS = 20
const THEIRS = 2

const OUR_NAME = 'Landfall'
const PEER = 'Django REST framework'

/** Every filter and every order of the listing, twenty files a page, with the count. */
export const list: Scenario = {
  name: 'list',
  title: 'the listing at 1,000,000 records (BENCH_LIST_RECORDS): every filter and order',
  seconds: { full: 1500, quick: 100 },
  async run(bench) {
    const total = Number(process.env.BENCH_LIST_RECORDS ?? (bench.quick ? 50_000 : 1_000_000))
    const queries = [...filters(total), ...orders, ...narrow, ...broad, ...mixed]
    const results = await bench.alternate([
      landfall(bench, total, queries),
      django(bench, total, queries),
    ])
    const records = total.toLocaleString('en')
    const slowest = (of: readonly string[], what: string, goal?: Goal): Row => {
      const times = of.map((query) => ({ query, p95: results.of(OUR_NAME, p95Of(query)) }))
      const worst = times.reduce((a, b) => (Number(b.p95) > Number(a.p95) ? b : a))
      const row = { figure: `list of ${records}: ${what}, slowest p95`, ours: worst.p95 }
      return { ...row, unit: 'ms', note: shown(worst.query), ...(goal && { goal }) }
    }
    return [
      slowest(filters(total), 'filters', under(50)),
      slowest(orders, 'orders', under(50)),
      slowest(narrow, 'searches that find little', under(50)),
      slowest(broad, 'searches that find a great part', under(50)),
      ...queries.map((query) => besideTheirs(results, query, records)),
    ]
  },
}

const p50Of = (query: string) => `${shown(query)} p50`
const p95Of = (query: string) => `${shown(query)} p95`
const shown = (query: string) => `?${query}`

function besideTheirs(results: Results, query: string, records: string): Row {
  return {
    figure: `list of ${records}: ${shown(query)}`,
    ours: results.of(OUR_NAME, p50Of(query)),
    unit: 'ms',
    peer: { name: PEER, value: results.of(PEER, p50Of(query)) },
    goal: atMost(0.5),
    note: `p95 ${Number(results.of(OUR_NAME, p95Of(query))).toFixed(1)}`,
  }
}

function landfall(bench: Bench, total: number, queries: readonly string[]): Contestant {
  return {
    name: OUR_NAME,
    async prepare() {
      const server = await withLibrary(bench, total)
      const address = `${server.origin}/api/media/files`
      return { run: () => ask(address, server.headers, queries, OURS) }
    },
  }
}

function django(bench: Bench, total: number, queries: readonly string[]): Contestant {
  return {
    name: PEER,
    async prepare() {
      const folder = path.join(bench.folder, 'django')
      await mkdir(folder)
      const place = { cache: bench.cache, folder, database: () => bench.database() }
      const server = await startDrfList(place, total, PIECE)
      bench.after(() => server.stop())
      return { run: () => ask(server.list, server.headers, queries, THEIRS) }
    },
  }
}

/** Milliseconds from the request to the last byte of the answer. */
async function ask(
  address: string,
  headers: Record<string, string>,
  queries: readonly string[],
  times: number,
): Promise<Sample> {
  const sample: Sample = {}
  for (const query of queries) {
    const taken: number[] = []
    for (let at = 0; at < times; at++) {
      const began = performance.now()
      const answer = await fetch(`${address}?limit=20&${query}`, { headers })
      await answer.arrayBuffer()
      taken.push(performance.now() - began)
      if (!answer.ok) throw new Error(`${address}?${query} was answered ${answer.status}`)
    }
    sample[p50Of(query)] = percentile(taken, 0.5)
    sample[p95Of(query)] = percentile(taken, 0.95)
  }
  return sample
}
