import { eq, sql } from 'drizzle-orm'
import { type Database, type Listener, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploads } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { AcquireOptions, HeldLock, Lock } from './lock.ts'
import type { LocalLock } from './lock-memory.ts'
import * as statements from './lock-statements.ts'
import type { ServerLease } from './server-lease.ts'
import { isUploadId } from './upload.ts'

/** The channel on which servers ask each other for an upload, and say that one is free. */
const CHANNEL = 'landfall_locks'
/** Milliseconds after which a waiter looks by itself: a word may be lost with its connection. */
const LOOK_AGAIN_MS = 1000
/** Of an upload whose row begins in the hands of the server that inserts it. */
const FIRST_EPOCH = 1

export interface PostgresLockDeps {
  db: Database
  listen: Listener
  /** The queue of this process: one request of a server at a time asks the others. */
  local: LocalLock
  lease: ServerLease
  log: { warn(fields: object, message: string): void }
  /** Told how long each successful wait took, in seconds. */
  onWaited?: (seconds: number) => void
  fence: Fence
}

/**
 * Keeps a holder that lost its lease, and may be alive, from changing the bytes of an upload
 * through what it has open. Awaited before the next one gets the lock.
 */
export type Fence = (id: string, isOurs: () => boolean) => Promise<void>

export interface PostgresLock extends Lock {
  /** Gives back what is still held. */
  close(): Promise<void>
}

/**
 * One holder among all servers of a database. The lock is two columns of the upload's row: which
 * server, and an epoch that grows with each change of hands. It counts as long as that server's
 * lease does; no connection is held by it. Who waits asks the holder by NOTIFY and sleeps until it
 * lets go, dies (seen at once on the same machine) or its lease ends.
 *
 * A server that was frozen past its lease may wake and believe that it still holds the lock: its
 * statements name the epoch and change nothing, `isOurs` keeps it from writing more bytes, and what
 * it was about to write goes where nobody reads, since the next holder has fenced it off. Until that
 * is done the epoch is negative, so that it is done by somebody, whoever dies in between.
 */
export function createPostgresLock(deps: PostgresLockDeps): PostgresLock {
  const { db, local, lease, log } = deps
  /** Ids that other servers have asked for since we hold them. */
  const wanted = new Set<string>()
  /** Wakes the one request of this process that waits for an id in the hands of another server. */
  const sleepers = new Map<string, () => void>()
  /** Held by this server for its next request, which waits already. */
  const kept = new Map<string, number>()
  const releasing = new Set<Promise<unknown>>()
  const givingBack = new Set<string>()
  const inHand = new Set<HeldLock>()
  let listening: Promise<unknown> | undefined

  function onMessage(message: string): void {
    const [word, id = '', owner] = message.split(' ')
    if (word === 'free') sleepers.get(id)?.()
    if (word !== 'ask' || owner !== lease.id) return
    wanted.add(id)
    if (!local.ask(id)) giveBack(id)
  }

  /**
   * Another server asks for what nobody has here. We have let go of it a moment ago, or could not
   * when we wanted to (the database was away): then the row still names us.
   */
  function giveBack(id: string): void {
    if (givingBack.has(id)) return
    givingBack.add(id)
    const done = local
      .acquire(id, { timeoutMs: 0 })
      .then(async (held) => {
        try {
          await db.execute(sql`update uploads set lock_owner = null
            where id = ${id}::uuid and lock_owner = ${lease.id}::uuid and lock_epoch > 0`)
        } finally {
          kept.delete(id)
          held.release()
        }
        free(id)
      })
      // Somebody here has it again, or the waiter asks once more.
      .catch(() => {})
      .finally(() => {
        givingBack.delete(id)
        releasing.delete(done)
      })
    releasing.add(done)
  }

  function say(...words: string[]): void {
    db.execute(sql`select pg_notify(${CHANNEL}, ${words.join(' ')})`).catch((err: unknown) =>
      log.warn({ err }, 'another server could not be told of a lock; it looks again by itself'),
    )
  }

  function free(id: string): void {
    wanted.delete(id)
    say('free', id)
  }

  /** Null while another server that is alive has it in hand. */
  async function take(id: string, isOurs: () => boolean): Promise<{ epoch: number | null } | null> {
    if (!isUploadId(id)) return { epoch: null }
    const [taken] = await withRetry(() => statements.take(db, { id, self: lease.id }))
    if (taken) return fenced(id, taken, isOurs)
    const [row] = await withRetry(() =>
      db.select({ owner: uploads.lockOwner }).from(uploads).where(eq(uploads.id, id)),
    )
    // There is nothing to protect in an upload that does not exist; whoever asked finds that out.
    if (row === undefined) return { epoch: null }
    if (row.owner === null) return take(id, isOurs)
    const ended = await lease.ended([row.owner])
    if (ended.length > 0) {
      await lease.forget(ended)
      return take(id, isOurs)
    }
    say('ask', id, row.owner)
    return null
  }

  /** Null where another server has taken it meanwhile. */
  async function fenced(id: string, taken: statements.Taken, isOurs: () => boolean) {
    const epoch = Number(taken.epoch)
    if (epoch > 0) return { epoch }
    const { owner } = taken
    // What has ended writes no more, unless one before it may, that it did not come to fence off.
    const isGone =
      owner !== null && Number(taken.epochBefore) >= 0 && (await lease.ended([owner])).length > 0
    const mine = sql`id = ${id}::uuid and lock_owner = ${lease.id}::uuid`
    try {
      if (!isGone) await deps.fence(id, isOurs)
    } catch (error) {
      // The next one fences it off.
      await db
        .execute(sql`update uploads set lock_owner = null where ${mine} and lock_epoch = ${epoch}`)
        .catch(() => {})
      throw error
    }
    const done = await withRetry(() =>
      rows(
        db,
        sql`update uploads set lock_epoch = abs(lock_epoch)
          where ${mine} and abs(lock_epoch) = ${-epoch} returning id`,
      ),
    )
    return done.length > 0 ? { epoch: -epoch } : null
  }

  async function takeInTurn(
    id: string,
    until: number,
    isOurs: () => boolean,
    signal?: AbortSignal,
  ) {
    for (let waited = kept.has(id); ; waited = true) {
      if (signal?.aborted) throw new Fault('client-gone')
      const looked = new AbortController()
      const woken = sleep(id, Math.min(LOOK_AGAIN_MS, until - performance.now()), [
        looked.signal,
        ...(signal ? [signal] : []),
      ])
      try {
        const taken = await take(id, isOurs)
        if (taken !== null) return { ...taken, waited }
        if (performance.now() >= until) throw new Fault('locked', { retryAfterSeconds: 1 })
        await woken
      } finally {
        looked.abort()
      }
    }
  }

  /** Listens from before the look on: the word that it is free may come in between. */
  function sleep(id: string, ms: number, signals: AbortSignal[]): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        sleepers.delete(id)
        for (const signal of signals) signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, Math.max(0, ms))
      sleepers.set(id, wake)
      for (const signal of signals) signal.addEventListener('abort', wake, { once: true })
    })
  }

  function letGo(id: string, epoch: number, givenBack: boolean): void {
    kept.delete(id)
    const isWanted = wanted.has(id)
    if (givenBack) {
      if (isWanted) free(id)
      return
    }
    // The next request here would take it again in a moment.
    if (!isWanted && local.isAwaited(id)) {
      kept.set(id, epoch)
      return
    }
    const done = withRetry(() => statements.giveBack(db, { id, self: lease.id, epoch }))
      .then(() => {
        if (isWanted || wanted.has(id)) free(id)
      })
      // It is given back when somebody asks for it, here or elsewhere.
      .catch((err: unknown) => log.warn({ err, upload: id }, 'a lock could not be given back'))
      .finally(() => releasing.delete(done))
    releasing.add(done)
  }

  function listen(): Promise<unknown> {
    // The driver goes on trying. Until then whoever waits here looks once a second, and is heard.
    listening ??= deps.listen(CHANNEL, onMessage).catch((err: unknown) => {
      log.warn({ err }, 'what other servers say of locks is not heard yet')
    })
    return listening
  }

  async function acquire(id: string, options: AcquireOptions = {}): Promise<HeldLock> {
    const began = performance.now()
    const until = began + (options.timeoutMs ?? 10_000)
    const held = await local.acquire(id, options)
    try {
      const isHeld = await leased()
      const { epoch, waited } = await takeInTurn(id, until, isHeld, options.signal)
      kept.delete(id)
      if (waited) deps.onWaited?.((performance.now() - began) / 1000)
      return inOurHands(held, epoch, isHeld)
    } catch (error) {
      const epoch = kept.get(id)
      if (epoch !== undefined) letGo(id, epoch, false)
      held.release()
      throw error
    }
  }

  /** Nobody else can know of it: there is nothing to take, and nobody to wait for. */
  async function begin(id: string): Promise<HeldLock> {
    const held = await local.acquire(id)
    try {
      return inOurHands(held, FIRST_EPOCH, await leased())
    } catch (error) {
      held.release()
      throw error
    }
  }

  async function leased(): Promise<() => boolean> {
    await lease.start()
    await listen()
    const mark = await lease.mark()
    return () => lease.holdsSince(mark)
  }

  function inOurHands(held: HeldLock, epoch: number | null, isHeld: () => boolean): HeldLock {
    const { id, asked } = held
    let ours = true
    let givenBack = false
    const lock: HeldLock = {
      id,
      owner: lease.id,
      epoch,
      asked,
      isOurs: () => ours && isHeld(),
      givenBack() {
        givenBack = true
      },
      release() {
        if (!ours) return
        ours = false
        inHand.delete(lock)
        if (epoch !== null) letGo(id, epoch, givenBack)
        held.release()
      },
    }
    inHand.add(lock)
    return lock
  }

  return {
    acquire,
    begin,
    async close() {
      await Promise.all(releasing)
      // What somebody still has in hand is safe until our lease has run out.
      await lease.close(inHand.size === 0)
    },
  }
}
