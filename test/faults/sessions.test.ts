import { afterEach, describe, expect, it } from 'vitest'
import { databaseKinds } from '../support/database.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { sessionClient } from '../support/sessions.ts'
import { tusClient } from '../support/tus.ts'

const authorization = `Token ${ADMIN_KEY}`
const died = { status: 0, body: {}, headers: new Headers() }

let home: Home
afterEach(() => home.remove())

const clientOf = (server: ServerProcess) => sessionClient(server.url, authorization)

async function recordsOf(server: ServerProcess): Promise<string[]> {
  const headers = { Authorization: authorization }
  const answer = await fetch(`${server.url}/api/media/files?ordering=name`, { headers })
  const { results } = (await answer.json()) as { results: { name: string }[] }
  return results.map(({ name }) => name)
}

/** Kills the server while a form adds `b.txt` beside `a.txt`, and starts it again. */
async function killWhileAdding(kind: (typeof databaseKinds)[number], at: string) {
  home = await createHome(kind)
  // The step is passed by `a.txt` once before.
  const dying = await home.start({ CRASH_AT: `${at}:2` })
  const token = await clientOf(dying).open()
  expect((await clientOf(dying).add(token, 'a.txt', 'first')).status).toBe(200)
  const lost = await clientOf(dying)
    .add(token, 'b.txt', 'second')
    .catch(() => died)
  expect(lost.status).toBe(0)
  expect((await dying.ended).signal).toBe('SIGKILL')
  return { token, server: await home.start() }
}

describe.each(databaseKinds)('kill -9 with the %s database', (kind) => {
  it.each(['complete', 'inspected'])('at %s: the file is in its session, once', async (at) => {
    const { token, server } = await killWhileAdding(kind, at)
    const client = clientOf(server)
    // With Postgres another server could be at work on it for a minute.
    if (kind === 'postgres') await server.sweep({ aheadMs: 120_000 })
    expect(await client.names(token)).toEqual(['a.txt', 'b.txt'])
    expect((await client.add(token, 'b.txt', 'second')).body.error).toMatch(/same name/)
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
    expect(await recordsOf(server)).toEqual(['a.txt', 'b.txt'])
    await server.sweep({ aheadMs: 25 * 3600_000 })
    expect(await home.files()).toHaveLength(2)
    expect(await recordsOf(server)).toEqual(['a.txt', 'b.txt'])
  })

  it.each(kind === 'postgres' ? ['object-created', 'offset-recorded'] : ['offset-recorded'])(
    'at %s: the name is free for whoever sends the file again',
    async (at) => {
      const { token, server } = await killWhileAdding(kind, at)
      const client = clientOf(server)
      if (kind === 'postgres') await server.sweep({ aheadMs: 180_000 })
      expect(await client.names(token)).toEqual(['a.txt'])
      expect((await client.add(token, 'b.txt', 'second')).status).toBe(200)
      expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
      expect(await recordsOf(server)).toEqual(['a.txt', 'b.txt'])
      expect(await home.files()).toHaveLength(2)
    },
  )

  it('at published: the answer to a submission is lost, and comes again', async () => {
    home = await createHome(kind)
    const dying = await home.start({ CRASH_AT: 'published' })
    const token = await clientOf(dying).open()
    for (const name of ['a.txt', 'b.txt']) await clientOf(dying).add(token, name, 'text')
    const lost = await clientOf(dying)
      .json('POST', `/${token}/submit`)
      .catch(() => died)
    expect(lost.status).toBe(0)
    await dying.ended
    const server = await home.start()
    expect(await recordsOf(server)).toEqual(['a.txt', 'b.txt'])
    const again = await clientOf(server).json('POST', `/${token}/submit`)
    expect([again.status, (again.body.files as unknown[]).length]).toEqual([200, 2])
    expect(await recordsOf(server)).toEqual(['a.txt', 'b.txt'])
  })

  it('at state-ended of a removal: the file is gone, and so are its bytes', async () => {
    home = await createHome(kind)
    const dying = await home.start({ CRASH_AT: 'state-ended' })
    const token = await clientOf(dying).open()
    await clientOf(dying).add(token, 'a.txt', 'text')
    await clientOf(dying)
      .call('DELETE', `/${token}/files/a.txt`)
      .catch(() => died)
    await dying.ended
    const server = await home.start()
    expect(await clientOf(server).names(token)).toEqual([])
    expect(await home.files()).toEqual([])
    const { body } = await clientOf(server).json('GET', '/')
    expect(body.sessions).toMatchObject([{ status: 'created', fileCount: 0, totalSize: 0 }])
  })
})

describe('a restart', () => {
  it('goes on with a tus upload into a session, and shows all of it with SESSION_READONLY', async () => {
    home = await createHome('embedded')
    const first = await home.start()
    const token = await clientOf(first).open()
    const begun = await tusClient(first.url, authorization).begin(10, {
      filename: 'large.txt',
      session: token,
    })
    await tusClient(first.url, authorization).patch(begun, 0, 'hello')
    first.kill('SIGKILL')
    await first.ended
    const second = await home.start()
    const tus = tusClient(second.url, authorization)
    const url = second.url + new URL(begun).pathname
    expect((await tus.patch(url, 5, 'world')).status).toBe(204)
    second.kill('SIGKILL')
    await second.ended
    const readonly = await home.start({ SESSION_READONLY: 'true' })
    const client = clientOf(readonly)
    expect(await client.names(token)).toEqual(['large.txt'])
    const path = `/${token}/files/large.txt/`
    expect(await (await client.call('GET', path)).text()).toBe('helloworld')
    expect((await client.call('DELETE', path)).status).toBe(405)
    expect(await client.names(token)).toEqual(['large.txt'])
  })
})
