import { eq, sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { outbox } from '../../src/db/schema-events.ts'
import { createHome, type Home } from '../support/process.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY } from '../support/server.ts'

let receiver: Receiver
let home: Home
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(async () => {
  await home.remove()
  await receiver.close()
})

async function upload(url: string, name: string): Promise<void> {
  const body = new FormData()
  body.append('f', new Blob(['bytes']), name)
  const headers = { Authorization: `Token ${ADMIN_KEY}` }
  const answer = await fetch(`${url}/api/media/files`, { method: 'POST', body, headers })
  expect(answer.status).toBe(201)
}

/** What the outbox has of the one event, before and after a change. */
async function event(change?: { claimEnds: true }) {
  const { db, close } = await home.openDatabase()
  const [row] = await db.select().from(outbox)
  if (row && change) await db.update(outbox).set({ dueAt: sql`now()` }).where(eq(outbox.id, row.id))
  await close()
  return row
}

describe('a server that ends while it delivers', () => {
  it('by kill -9 delivers again, by the same id', async () => {
    home = await createHome('postgres')
    const server = await home.start(receiver.env)
    let answered = () => {}
    const uploaded = new Promise<void>((resolve) => {
      answered = resolve
    })
    // The receiver has it, and the server will never know.
    receiver.answer = () => uploaded.then(() => server.kill('SIGKILL'))
    await upload(server.url, 'a.txt')
    answered()
    const [first] = await receiver.count(1)
    await server.ended
    expect(await event({ claimEnds: true })).toMatchObject({ attempts: 1, deliveredAt: null })
    receiver.answer = (_, response) => response.writeHead(204).end()
    await home.start(receiver.env)
    const [, second] = await receiver.count(2)
    expect(second?.id).toBe(first?.id)
    expect(second?.message).toEqual(first?.message)
  })

  it('by a stop puts it back, and delivers it right after its start', async () => {
    home = await createHome('postgres')
    const server = await home.start({ ...receiver.env, SHUTDOWN_TIMEOUT: '1s' })
    receiver.answer = () => {}
    await upload(server.url, 'a.txt')
    const [first] = await receiver.count(1)
    server.kill('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0 })
    expect(await event()).toMatchObject({ attempts: 0, deliveredAt: null })
    receiver.answer = (_, response) => response.writeHead(204).end()
    await home.start(receiver.env)
    expect((await receiver.count(2))[1]?.id).toBe(first?.id)
  })

  it('by a stop waits for what is about to be answered', async () => {
    home = await createHome('postgres')
    const server = await home.start(receiver.env)
    receiver.answer = (_, response) => {
      server.kill('SIGTERM')
      setTimeout(() => response.writeHead(204).end(), 200)
    }
    await upload(server.url, 'a.txt')
    expect(await server.ended).toMatchObject({ code: 0 })
    expect((await event())?.deliveredAt).not.toBeNull()
    expect(receiver.received).toHaveLength(1)
  })
})
