import { afterAll, beforeAll, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import type { MediaRecord } from '../../src/media/record.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { mediaClient } from '../support/media-client.ts'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.ts'
import { serversOnS3 } from '../support/s3.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, encode, type TusClient, tusClient } from '../support/tus.ts'

let server: TestServer
let opened: OpenDatabase
let proxy: PostgresProxy
let drop: () => Promise<void>
let client: TusClient

beforeAll(async () => {
  const database = await createPostgresDatabase()
  drop = database.drop
  proxy = await startPostgresProxy(database.url)
  opened = await openPostgres({ url: proxy.url, migrate: false })
  // Its lease is renewed by a statement now and then: not while we count.
  server = await startServer({ replaced: { database: opened, leaseMs: 3_600_000 } })
  client = tusClient(server.url, server.admin)
  // The first request of a minute notes that its token was used.
  await small('first')
})
afterAll(async () => {
  await server.close()
  await proxy.close()
  await drop()
})

async function small(name: string): Promise<void> {
  const headers = { 'Upload-Length': '5', 'Content-Type': BODY_TYPE }
  const named = { 'Upload-Metadata': encode({ filename: `${name}.txt` }) }
  const answer = await client.create({ ...headers, ...named }, 'bytes')
  expect(answer.status).toBe(201)
  expect(answer.headers.get('upload-offset')).toBe('5')
}

/** The statements of what is done, once all that it began has ended. */
async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  const before = proxy.statements()
  await work()
  return proxy.statements() - before
}

// A store has statements of its own for its objects.
it.skipIf(serversOnS3)(
  'a small file in one request takes four statements: who, the row, all there, the record',
  async () => {
    expect(await statementsOf(() => small('one'))).toBe(4)
    expect(await statementsOf(() => small('two'))).toBe(4)
  },
)

it('small files of one user at the same time share what would make them wait', async () => {
  const names = Array.from({ length: 24 }, (_, n) => `together-${n}`)
  const taken = await statementsOf(() => Promise.all(names.map(small)))
  expect(taken).toBeLessThan(serversOnS3 ? Infinity : 4 * names.length)
  const answer = await mediaClient(server, server.admin).call('GET', '?search=together-&limit=100')
  const { results } = (await answer.json()) as { results: MediaRecord[] }
  expect(results.map(({ name }) => name).sort()).toEqual(names.map((name) => `${name}.txt`).sort())
})
