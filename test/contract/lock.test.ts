import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../src/db/database.ts'
import { servers } from '../../src/db/schema.ts'
import type { Lock } from '../../src/uploads/lock.ts'
import { createMemoryLock } from '../../src/uploads/lock-memory.ts'
import { createLocks, type Locks } from '../../src/uploads/locks.ts'
import { openTestDatabase } from '../support/database.ts'
import { insertUpload } from '../support/upload-rows.ts'

const a = randomUUID()
const b = randomUUID()
let database: OpenDatabase
let locks: Locks | undefined

const implementations = {
  memory: (): Lock => createMemoryLock(),
  postgres(): Lock {
    locks = createLocks(database, { log: { warn() {} }, onWaited() {} })
    return locks.lock
  },
}

beforeAll(async () => {
  database = await openTestDatabase('postgres')
  for (const id of [a, b]) await insertUpload(database, id)
})
afterEach(async () => {
  await locks?.close()
  locks = undefined
  // Where a test still holds it, the lease would have to run out.
  await database.db.delete(servers)
})
afterAll(() => database.close())

describe.each(['memory', 'postgres'] as const)('the lock in %s', (name) => {
  const make = () => implementations[name]()

  it('is held by one at a time and handed over in order of arrival', async () => {
    const lock = make()
    const first = await lock.acquire(a)
    const order: number[] = []
    const waiters = [1, 2, 3].map(async (n) => {
      const held = await lock.acquire(a)
      order.push(n)
      held.release()
    })
    expect(order).toEqual([])
    first.release()
    await Promise.all(waiters)
    expect(order).toEqual([1, 2, 3])
  })

  it('does not make different uploads wait for each other', async () => {
    const lock = make()
    await lock.acquire(a)
    const other = await lock.acquire(b)
    expect(other.id).toBe(b)
  })

  it('asks the holder to let go when somebody waits, and not before', async () => {
    const lock = make()
    const held = await lock.acquire(a)
    expect(held.asked.aborted).toBe(false)
    const next = lock.acquire(a)
    expect(held.asked.aborted).toBe(true)
    held.release()
    expect((await next).asked.aborted).toBe(false)
  })

  it('tells a new holder at once that others wait behind it', async () => {
    const lock = make()
    const held = await lock.acquire(a)
    const second = lock.acquire(a)
    const third = lock.acquire(a)
    held.release()
    const now = await second
    expect(now.asked.aborted).toBe(true)
    now.release()
    expect((await third).asked.aborted).toBe(false)
  })

  it('gives up with `locked` when the wait runs out, and leaves the queue', async () => {
    const lock = make()
    const held = await lock.acquire(a)
    await expect(lock.acquire(a, { timeoutMs: 10 })).rejects.toMatchObject({
      reason: 'locked',
      status: 423,
    })
    held.release()
    expect((await lock.acquire(a)).asked.aborted).toBe(false)
  })

  it('stops waiting when the signal fires', async () => {
    const lock = make()
    const held = await lock.acquire(a)
    const gone = new AbortController()
    const waiting = lock.acquire(a, { signal: gone.signal })
    gone.abort()
    await expect(waiting).rejects.toMatchObject({ reason: 'client-gone' })
    await expect(lock.acquire(b, { signal: gone.signal })).rejects.toMatchObject({
      reason: 'client-gone',
    })
    held.release()
    ;(await lock.acquire(a)).release()
  })

  it('takes a second release for nothing', async () => {
    const lock = make()
    const held = await lock.acquire(a)
    const second = lock.acquire(a)
    const third = lock.acquire(a, { timeoutMs: 20 })
    const refused = expect(third).rejects.toMatchObject({ reason: 'locked' })
    held.release()
    held.release()
    await second
    await refused
  })

  it('lets 200 waiters sleep: each is one timer and nothing that runs', async () => {
    const lock = make()
    const held = await lock.acquire(a)
    const before = process.getActiveResourcesInfo()
    const waiters = Array.from({ length: 200 }, () => lock.acquire(a))
    await Promise.resolve()
    const now = process.getActiveResourcesInfo()
    const count = (names: string[], name: string) => names.filter((n) => n === name).length
    expect(count(now, 'Timeout') - count(before, 'Timeout')).toBe(200)
    expect(count(now, 'Immediate')).toBeLessThanOrEqual(count(before, 'Immediate'))
    held.release()
    for (const waiting of waiters) (await waiting).release()
  })
})
