import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { rows } from '../../src/db/database.ts'
import { creations, send } from '../support/creations.ts'
import { remains } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { type TusClient, tusClient } from '../support/tus.ts'

let server: TestServer
let aheadMs = 0
afterEach(async () => {
  aheadMs = 0
  await server.close()
})

const MINUTE = 60_000
const location = (answer: Response) => answer.headers.get('location') ?? ''

async function start(env: Record<string, string>) {
  server = await startServer({
    // Counted in the memory of each.
    replicas: 1,
    env,
    replaced: { now: () => new Date(Date.now() + aheadMs) },
  })
  // Staff, so that the form is open to them too.
  const { authorization } = await server.accounts.add('staff')
  return { authorization, tus: tusClient(server.url, authorization) }
}

const countUploads = async () =>
  (await rows<{ n: number }>(server.database.db, sql`select count(*)::int as n from uploads`))[0]?.n

/** One that began before goes on to its end, whatever is refused to new ones. */
async function goesOn(tus: TusClient, url: string): Promise<void> {
  expect((await tus.head(url)).status).toBe(200)
  expect((await tus.patch(url, 0, 'hel')).status).toBe(204)
  expect((await tus.patch(url, 3, 'lo')).headers.get('landfall-media-file')).toMatch(/^\d+$/)
  expect((await tus.head(url)).status).toBe(200)
  expect((await tus.remove(url)).status).toBe(204)
}

describe('USER_MAX_OPEN_UPLOADS', () => {
  it('refuses one more at every door with 429 and Retry-After, and nothing but creations', async () => {
    const { authorization, tus } = await start({ USER_MAX_OPEN_UPLOADS: '2' })
    const token = await sessionClient(server.url, authorization).open()
    const part = location(await tus.create({ 'Upload-Length': '5', 'Upload-Concat': 'partial' }))
    const open = await tus.begin(5)
    const before = await remains(server)
    const ways = creations(token, [part])
    for (const [name, creation] of Object.entries(ways)) {
      const answer = await send(server.url, creation(), authorization)
      expect([name, answer.status]).toEqual([name, 429])
      expect(Number(answer.headers.get('retry-after')), name).toBeGreaterThan(0)
      expect(await answer.text(), name).toContain('unfinished')
    }
    expect(await remains(server)).toEqual(before)
    await goesOn(tus, open)
    expect((await tus.create({ 'Upload-Length': '5' })).status).toBe(201)
  })
})

describe('USER_MAX_CREATIONS', () => {
  it('refuses what is begun too fast at every door with 429 and Retry-After, and nothing else', async () => {
    const { authorization, tus } = await start({ USER_MAX_CREATIONS: '1' })
    const session = sessionClient(server.url, authorization)
    const token = await session.open()
    aheadMs += MINUTE
    const part = location(await tus.create({ 'Upload-Length': '5', 'Upload-Concat': 'partial' }))
    expect((await tus.patch(part, 0, 'parts')).status).toBe(204)
    aheadMs += MINUTE
    const open = await tus.begin(5)
    const before = await countUploads()
    for (const [name, creation] of Object.entries(creations(token, [part]))) {
      const answer = await send(server.url, creation(), authorization)
      expect([name, answer.status]).toEqual([name, 429])
      const wait = Number(answer.headers.get('retry-after'))
      expect(wait > 50 && wait <= 60, name).toBe(true)
      expect(await answer.text(), name).toContain('begun in a short time')
    }
    const another = await session.json('POST', '/')
    expect([another.status, Object.keys(another.body)]).toEqual([429, ['error']])
    expect(await countUploads()).toBe(before)
    await goesOn(tus, open)
    expect(await session.names(token)).toEqual([])
  })

  it('lets the next one through at every door when its time has come', async () => {
    const { authorization, tus } = await start({ USER_MAX_CREATIONS: '1' })
    const token = await sessionClient(server.url, authorization).open()
    aheadMs += MINUTE
    const part = location(await tus.create({ 'Upload-Length': '5', 'Upload-Concat': 'partial' }))
    for (const [name, creation] of Object.entries(creations(token, [part]))) {
      aheadMs += MINUTE
      const first = await send(server.url, creation(), authorization)
      expect([name, first.ok]).toEqual([name, true])
      expect((await tus.create({ 'Upload-Length': '5' })).status, name).toBe(429)
    }
  })

  it('is for each user alone, and counts only what got as far as being begun', async () => {
    const { tus } = await start({ USER_MAX_CREATIONS: '2' })
    const other = tusClient(server.url, (await server.accounts.add('user')).authorization)
    for (let tries = 0; tries < 5; tries++)
      expect((await tus.create({ 'Upload-Length': 'x' })).status).toBe(400)
    for (const client of [tus, other]) {
      const answers = [1, 2, 3].map(() => client.create({ 'Upload-Length': '5' }))
      const statuses = (await Promise.all(answers)).map(({ status }) => status)
      expect(statuses.sort()).toEqual([201, 201, 429])
    }
  })

  it('counts anonymous uploads and sessions by address, which only a trusted proxy tells', async () => {
    const env = { USER_MAX_CREATIONS: '2', ALLOW_ANONYMOUS_UPLOADS: 'true' }
    const from = async (address: string) => {
      const headers = { 'X-Forwarded-For': `203.0.113.1, ${address}`, 'Upload-Length': '5' }
      return (await tusClient(server.url).create(headers)).status
    }
    await start({ ...env, TRUST_PROXY: 'true' })
    expect([await from('192.0.2.1'), await from('192.0.2.1')]).toEqual([201, 201])
    expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([429, 201])
    const session = await sessionClient(server.url, null).call('POST', '/', {
      headers: { 'X-Forwarded-For': '192.0.2.1' },
    })
    expect(session.status).toBe(429)
    await server.close()
    await start(env)
    expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([201, 201])
    expect([await from('192.0.2.3'), await from('192.0.2.4')]).toEqual([429, 429])
  })
})
