import { randomUUID } from 'node:crypto'
import { eq, inArray, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { servers } from '../db/schema.ts'
import { hasEnded, identifyProcess, type ProcessIdentity } from './process-identity.ts'

/**
 * Milliseconds for which a server that is not heard of counts as alive. Less than a request waits
 * for a lock, so that whoever waits behind a dead server gets its turn.
 */
const LEASE_MS = 9_000
/** Renewals in the time of one lease: two may fail. */
const RENEWALS = 3
/** Days after which a dead server is forgotten. Until then its row tells that it is dead. */
const FORGET_DAYS = 7

/** This process among the servers of one database. */
export interface ServerLease {
  readonly id: string
  /**
   * Registers this server and keeps its lease renewed. Once is enough; more calls do nothing.
   *
   * @param serves whether it can be the first: commands that run beside the servers cannot.
   */
  start(serves?: boolean): Promise<void>
  /**
   * A mark of now, for `holdsSince`. Rejects with `unavailable` where the lease cannot be renewed.
   */
  mark(): Promise<number>
  /** Whether the lease has run without a gap since the mark, and runs now. */
  holdsSince(mark: number): boolean
  /** Whether this server is the one that does what only one of them has to do. */
  isFirst(): boolean
  /** Of these servers, those that certainly do not run any more, though their lease may. */
  ended(ids: readonly string[]): Promise<string[]>
  /** Servers of this machine that ended without a word, in this start of the machine. */
  endedHere(): Promise<string[]>
  /** Their leases end now. */
  forget(ids: readonly string[]): Promise<void>
  /**
   * No more renewals. The lease is given back.
   *
   * @param now false: it runs out, so that what is still held stays protected. Default true.
   */
  close(now?: boolean): Promise<void>
}

export interface ServerLeaseOptions {
  db: Database
  log: { warn(fields: object, message: string): void }
  /** Default 9,000. */
  leaseMs?: number | undefined
}

/**
 * One row for each server, renewed by one small statement a few times per lease, however many locks
 * it holds. Time is measured by the monotonic clock here and by the database's clock there; no two
 * clocks are compared, and ours is read before the statement that the database dates: our idea of
 * the lease ends first.
 */
export function createServerLease(options: ServerLeaseOptions): ServerLease {
  const { db, log, leaseMs = LEASE_MS } = options
  let id = lastId()
  let own: Promise<ProcessIdentity> | undefined
  let started: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let validUntil = 0
  /** Counts the gaps: what was held before one may be somebody else's. */
  let gaps = 0
  let first = false
  let closed = false
  let renewing: Promise<void> | undefined

  /** One at a time: the first one that comes through tells whether there was a gap. */
  function renew(): Promise<void> {
    renewing ??= renewNow().finally(() => {
      renewing = undefined
    })
    return renewing
  }

  async function renewNow(): Promise<void> {
    own ??= identifyProcess()
    const { host, pid, pidStart } = await own
    const began = performance.now()
    if (closed) return
    const [row] = await rows<{ first: boolean; lapsed: boolean | null }>(
      db,
      sql`with renewed as (
        insert into servers (id, host, pid, pid_start, leased_until)
        values (${id}::uuid, ${host}, ${pid}, ${pidStart}, now() + ${leaseMs} * interval '1 ms')
        on conflict (id) do update set leased_until = excluded.leased_until
      ) select not exists (
        select from servers where leased_until > now() and id < ${id}::uuid
      ) as first, (select leased_until <= now() from servers where id = ${id}::uuid) as lapsed`,
    )
    // A machine that stood still may have stopped our clock with it: the database tells as well.
    const wasGone = row?.lapsed ?? true
    if (validUntil > 0 && (wasGone || performance.now() > validUntil)) gaps++
    validUntil = began + leaseMs
    first = row?.first ?? false
  }

  function schedule(): void {
    if (closed) return
    timer = setTimeout(() => {
      renew().catch((err) => log.warn({ err }, 'the lease of this server could not be renewed'))
      schedule()
    }, leaseMs / RENEWALS)
    timer.unref()
  }

  async function identitiesOf(ids?: readonly string[]) {
    if (ids?.length === 0) return []
    const which = ids === undefined ? undefined : inArray(servers.id, [...ids])
    return withRetry(() => db.select().from(servers).where(which))
  }

  async function endedOf(found: Awaited<ReturnType<typeof identitiesOf>>): Promise<string[]> {
    own ??= identifyProcess()
    const self = await own
    const ended = await Promise.all(
      found.map(({ host, pid, pidStart }) => hasEnded({ host, pid: pid ?? 0, pidStart }, self)),
    )
    return found.filter((_, at) => ended[at]).map((server) => server.id)
  }

  return {
    get id() {
      return id
    },
    start(serves = false) {
      if (started === undefined && serves) id = randomUUID()
      started ??= withRetry(renew).then(async () => {
        schedule()
        await db
          .delete(servers)
          .where(sql`${servers.leasedUntil} < now() - ${FORGET_DAYS} * interval '1 day'`)
      })
      // A database that is away now is tried again by whoever needs the lease next.
      started.catch(() => {
        started = undefined
      })
      return started
    },
    async mark() {
      if (performance.now() > validUntil) await withRetry(renew)
      return gaps
    },
    holdsSince: (mark) => mark === gaps && performance.now() < validUntil,
    isFirst: () => first,
    ended: async (ids) => endedOf(await identitiesOf(ids)),
    endedHere: async () => endedOf(await identitiesOf()),
    async forget(ids) {
      if (ids.length > 0)
        await withRetry(() => db.delete(servers).where(inArray(servers.id, [...ids])))
    },
    async close(now = true) {
      closed = true
      clearTimeout(timer)
      if (started === undefined) return
      await started.catch(() => {})
      await renewing?.catch(() => {})
      if (!now) return
      // From here on we believe in it no more than the others do.
      validUntil = 0
      // With the database away it runs out by itself.
      await db
        .delete(servers)
        .where(eq(servers.id, id))
        .catch(() => {})
    },
  }
}

/** An id that is never the smallest among servers. */
function lastId(): string {
  return `ffffffff${randomUUID().slice(8)}`
}
