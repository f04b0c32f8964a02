import type { OpenDatabase } from '../db/database.ts'
import type { Lock } from './lock.ts'
import { createMemoryLock } from './lock-memory.ts'
import { createPostgresLock, type Fence } from './lock-postgres.ts'
import { createServerLease, type ServerLease } from './server-lease.ts'

/** The lock that fits a database, and what belongs to it. */
export interface Locks {
  lock: Lock
  /** Absent where the database is this process's own. */
  lease?: ServerLease
  /** Whether this server is the one that does what only one of them has to do. */
  isFirst(): boolean
  close(): Promise<void>
}

export interface LocksOptions {
  log: { warn(fields: object, message: string): void }
  /** Told how long each successful wait took, in seconds. */
  onWaited: (seconds: number) => void
  leaseMs?: number | undefined
  /** As in PostgresLockDeps. Default: nothing has to be done. */
  fence?: Fence
}

/** Leases where other servers may share the database; a queue in memory where none can. */
export function createLocks({ db, listen }: OpenDatabase, options: LocksOptions): Locks {
  const { log, onWaited, leaseMs, fence = async () => {} } = options
  if (listen === undefined)
    return { lock: createMemoryLock({ onWaited }), isFirst: () => true, close: async () => {} }
  const lease = createServerLease({ db, log, leaseMs })
  const lock = createPostgresLock({
    db,
    listen,
    local: createMemoryLock(),
    lease,
    log,
    onWaited,
    fence,
  })
  return { lock, lease, isFirst: () => lease.isFirst(), close: () => lock.close() }
}
