import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { eq } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { servers, uploads } from '../../src/db/schema.ts'
import { createLocks, type Locks } from '../../src/uploads/locks.ts'
import { identifyProcess } from '../../src/uploads/process-identity.ts'
import { createUploadsRepo } from '../../src/uploads/repo.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { insertUpload } from '../support/upload-rows.ts'

const LEASE_MS = 1500
const { sessions: sessionLimits } = readConfig({})

describe('the lock between servers', () => {
  let dropDatabase: () => Promise<void>
  let url: string
  let databases: OpenDatabase[]
  let opened: Locks[]
  let id: string

  beforeAll(async () => {
    const made = await createPostgresDatabase()
    url = made.url
    dropDatabase = made.drop
    const options = { url, maxConnections: 3, migrate: false }
    databases = [await openPostgres(options), await openPostgres(options)]
  })
  afterAll(async () => {
    for (const database of databases) await database.close()
    await dropDatabase()
  })
  beforeEach(async () => {
    id = randomUUID()
    opened = []
    await insertUpload(databases[0] as OpenDatabase, id)
  })
  afterEach(async () => {
    for (const locks of opened) await locks.close()
  })

  /** One server of two; `leaseMs` as short as a test can wait for. */
  function server(
    n: 0 | 1,
    leaseMs?: number,
    fence?: (id: string) => Promise<void>,
  ): Locks & { db: OpenDatabase['db'] } {
    const database = databases[n] as OpenDatabase
    const log = { warn() {} }
    const locks = createLocks(database, { log, onWaited() {}, leaseMs, ...(fence && { fence }) })
    opened.push(locks)
    return { ...locks, db: database.db }
  }

  const epochOf = async () => {
    const [row] = await (databases[1] as OpenDatabase).db
      .select({ epoch: uploads.lockEpoch })
      .from(uploads)
      .where(eq(uploads.id, id))
    return row?.epoch
  }

  const ownerOf = async () => {
    const [row] = await (databases[0] as OpenDatabase).db
      .select({ owner: uploads.lockOwner })
      .from(uploads)
      .where(eq(uploads.id, id))
    return row?.owner
  }

  it('is held by one server at a time, which is asked to let go when another waits', async () => {
    const [one, two] = [server(0), server(1)]
    const held = await one.lock.acquire(id)
    const waiting = two.lock.acquire(id)
    await once(held.asked, 'abort')
    held.release()
    const next = await waiting
    expect(next.epoch).toBe((held.epoch ?? 0) + 1)
    expect(await ownerOf()).toBe(two.lease?.id)
  })

  it('goes from hand to hand among many requests of two servers, one at a time', async () => {
    const both = [server(0), server(1)]
    let inside = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const held = await (both[n % 2] as Locks).lock.acquire(id, { timeoutMs: 30_000 })
        most = Math.max(most, ++inside)
        await new Promise(setImmediate)
        inside--
        held.release()
      }),
    )
    expect(most).toBe(1)
  })

  it('gives up with `locked` when the wait runs out, and with `client-gone` when told', async () => {
    const [one, two] = [server(0), server(1)]
    const held = await one.lock.acquire(id)
    await expect(two.lock.acquire(id, { timeoutMs: 50 })).rejects.toMatchObject({
      reason: 'locked',
    })
    const gone = new AbortController()
    const waiting = two.lock.acquire(id, { signal: gone.signal })
    gone.abort()
    await expect(waiting).rejects.toMatchObject({ reason: 'client-gone' })
    held.release()
    ;(await two.lock.acquire(id)).release()
  })

  it('is given back when nobody waits', async () => {
    const one = server(0)
    const held = await one.lock.acquire(id)
    expect(await ownerOf()).toBe(one.lease?.id)
    held.release()
    await one.close()
    expect(await ownerOf()).toBeNull()
  })

  it('is given back to whoever asks, where that failed when its holder let go', async () => {
    const [one, two] = [server(0), server(1)]
    ;(await one.lock.acquire(id)).release()
    await one.lease?.start()
    // The statement that gives it back met a database that was away.
    await expect.poll(ownerOf).toBeNull()
    await one.db.update(uploads).set({ lockOwner: one.lease?.id }).where(eq(uploads.id, id))
    const held = await two.lock.acquire(id, { timeoutMs: 5_000 })
    expect(held.isOurs()).toBe(true)
    expect(await ownerOf()).toBe(two.lease?.id)
  })

  it('is free at once when its holder on this machine was killed', async () => {
    const other = await deadServer()
    await (databases[0] as OpenDatabase).db
      .update(uploads)
      .set({ lockOwner: other, lockEpoch: 7 })
      .where(eq(uploads.id, id))
    const held = await server(1).lock.acquire(id, { timeoutMs: 5_000 })
    expect(held.epoch).toBe(8)
  })

  it('waits out the lease of a server elsewhere that is not heard of', async () => {
    const { db } = databases[0] as OpenDatabase
    const lost = randomUUID()
    const leasedUntil = new Date(Date.now() + 1000).toISOString()
    await db.insert(servers).values({ id: lost, host: 'another machine', pid: 1, leasedUntil })
    await db.update(uploads).set({ lockOwner: lost, lockEpoch: 1 }).where(eq(uploads.id, id))
    const two = server(1)
    await expect(two.lock.acquire(id, { timeoutMs: 100 })).rejects.toMatchObject({
      reason: 'locked',
    })
    const held = await two.lock.acquire(id)
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(leasedUntil))
    expect(held.epoch).toBe(2)
  })

  it('fences a server that was paused past its lease: nothing that it records counts', async () => {
    const [one, two] = [server(0), server(1)]
    const held = await one.lock.acquire(id)
    // No more renewals, and no lease: what the others see of a server that is paused.
    await one.lease?.close()
    const taken = await two.lock.acquire(id)
    expect(taken.isOurs()).toBe(true)
    const repo = createUploadsRepo(one.db, { maxBytes: null, maxOpenUploads: 10 }, sessionLimits)
    await expect(repo.change(id, ['receiving'], { offset: 50 }, held)).rejects.toMatchObject({
      reason: 'locked',
    })
    const upload = await repo.get(id)
    if (upload === undefined) throw new Error('the upload is gone')
    await expect(repo.grow(upload, 80, { offset: 80 }, held)).rejects.toMatchObject({
      reason: 'locked',
    })
    const ended = repo.end({ id, lock: held }, ['receiving'], 'terminated', {
      now: new Date().toISOString(),
    })
    await expect(ended).rejects.toMatchObject({ reason: 'locked' })
    expect(await repo.get(id)).toMatchObject({ offset: 0, state: 'receiving', reserved: 0 })
    // Giving back what is not ours any more takes nothing from whoever has it.
    held.release()
    await one.close()
    expect(await ownerOf()).toBe(two.lease?.id)
    expect(await repo.change(id, ['receiving'], { offset: 60 }, taken)).toBe(true)
  })

  it('fences off a server that lost its lease, once, before it is held by another', async () => {
    const fenced: { id: string; epoch: number | undefined }[] = []
    const fence = async (of: string) => void fenced.push({ id: of, epoch: await epochOf() })
    const { db } = databases[0] as OpenDatabase
    const lost = randomUUID()
    const past = new Date(Date.now() - 1000).toISOString()
    await db.insert(servers).values({ id: lost, host: 'elsewhere', pid: 1, leasedUntil: past })
    await db.update(uploads).set({ lockOwner: lost, lockEpoch: 4 }).where(eq(uploads.id, id))
    const [one, two] = [server(0, undefined, fence), server(1, undefined, fence)]
    const held = await one.lock.acquire(id)
    // Negative until it is done.
    expect(fenced).toEqual([{ id, epoch: -5 }])
    expect([held.epoch, await epochOf()]).toEqual([5, 5])
    held.release()
    ;(await two.lock.acquire(id)).release()
    ;(await one.lock.acquire(id)).release()
    expect(fenced).toHaveLength(1)
  })

  it('fences off nobody who is certain to have ended', async () => {
    const fence = () => Promise.reject(new Error('there is nobody'))
    const { db } = databases[0] as OpenDatabase
    const dead = await deadServer()
    const past = new Date(Date.now() - 1000).toISOString()
    await db.update(servers).set({ leasedUntil: past }).where(eq(servers.id, dead))
    await db.update(uploads).set({ lockOwner: dead, lockEpoch: 4 }).where(eq(uploads.id, id))
    expect((await server(0, undefined, fence).lock.acquire(id)).epoch).toBe(5)
  })

  it('leaves the fence to the next one where it fails, or its maker dies over it', async () => {
    let fails = true
    let fences = 0
    const fence = async () => {
      fences++
      if (fails) throw new Error('no room')
    }
    const { db } = databases[0] as OpenDatabase
    // Dead for certain, and in the middle of fencing off the one before.
    const dead = await deadServer()
    await db.update(uploads).set({ lockOwner: dead, lockEpoch: -7 }).where(eq(uploads.id, id))
    const [one, two] = [server(0, undefined, fence), server(1, undefined, fence)]
    await expect(one.lock.acquire(id)).rejects.toThrow('no room')
    expect(await ownerOf()).toBeNull()
    expect(await epochOf()).toBeLessThan(0)
    fails = false
    const held = await two.lock.acquire(id)
    expect(fences).toBe(2)
    expect(await epochOf()).toBe(held.epoch)
  })

  it('is lost to a server whose lease ran out by the clock of the database alone', async () => {
    const one = server(0, LEASE_MS)
    const held = await one.lock.acquire(id)
    const past = new Date(Date.now() - 1000).toISOString()
    // As if machine and monotonic clock had stood still.
    await one.db
      .update(servers)
      .set({ leasedUntil: past })
      .where(eq(servers.id, one.lease?.id ?? ''))
    await expect.poll(() => held.isOurs(), { timeout: 10_000 }).toBe(false)
    expect((await one.lock.acquire(randomUUID())).isOurs()).toBe(true)
  })

  it('tells a server that was paused to write no more, and lets it record if it lost nothing', async () => {
    const one = server(0, LEASE_MS)
    const held = await one.lock.acquire(id)
    expect(held.isOurs()).toBe(true)
    // The whole process stands still, its renewals with it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LEASE_MS + 500)
    expect(held.isOurs()).toBe(false)
    const repo = createUploadsRepo(one.db, { maxBytes: null, maxOpenUploads: 10 }, sessionLimits)
    expect(await repo.change(id, ['receiving'], { offset: 40 }, held)).toBe(true)
    expect(held.isOurs()).toBe(false)
  })

  it('has one server sweep, and another one when that is gone', async () => {
    const both = [server(0, LEASE_MS), server(1, LEASE_MS)]
    // A command that runs beside them takes nothing from them, whatever its id.
    const command = server(0, LEASE_MS)
    await command.lease?.start()
    for (const { lease } of both) await lease?.start(true)
    const ids = both.map(({ lease }) => lease?.id ?? '').sort()
    // Whoever came first has not heard of the other yet: it does with its next renewal.
    await expect
      .poll(() => both.filter((one) => one.isFirst()).map((one) => one.lease?.id))
      .toEqual([ids[0]])
    await both.find(({ lease }) => lease?.id === ids[0])?.close()
    const left = both.find(({ lease }) => lease?.id === ids[1])
    await expect.poll(() => left?.isFirst(), { timeout: 10_000 }).toBe(true)
  })

  /** The row of a server that was killed, and whose lease has long to run. */
  async function deadServer(): Promise<string> {
    const child: ChildProcess = spawn('sleep', ['60'], { stdio: 'ignore' })
    await once(child, 'spawn')
    const { host } = await identifyProcess()
    const stat = await import('node:fs/promises').then((fs) =>
      fs.readFile(`/proc/${child.pid}/stat`, 'utf8'),
    )
    const pidStart = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    const other = randomUUID()
    const leasedUntil = new Date(Date.now() + 3_600_000).toISOString()
    await (databases[0] as OpenDatabase).db
      .insert(servers)
      .values({ id: other, host, pid: child.pid ?? 0, pidStart, leasedUntil })
    return other
  }
})
