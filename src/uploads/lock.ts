/**
 * The right to change one upload. `append` and every other writing function take it as a
 * parameter, so code that does not hold the lock does not compile.
 */
export interface HeldLock {
  readonly id: string
  /** Who we are among the servers of a database, as the row names its holder. Null where alone. */
  readonly owner: string | null
  /**
   * Which holder of this upload we are, where several servers share a database: a statement that
   * names it changes nothing once another server has taken the lock. Null where no other can.
   */
  readonly epoch: number | null
  /**
   * Fires when somebody else waits: the holder stores what it has and lets go. "The Server SHOULD
   * ... release the lock" is how tus resumes after a connection that only seems alive.
   */
  readonly asked: AbortSignal
  /**
   * Whether nobody else can hold it by now. False after a pause longer than the server's lease:
   * then nothing may be written any more, and only a statement with `epoch` can tell.
   */
  isOurs(): boolean
  /** Says that the row names nobody by now, in a statement of ours: `release` needs none. */
  givenBack(): void
  /** Lets go; the longest waiter holds the lock next. Further calls do nothing. */
  release(): void
}

export interface AcquireOptions {
  /** Milliseconds to wait before giving up with `locked`. Default 10,000. */
  timeoutMs?: number
  /** Stops waiting, with `client-gone`. */
  signal?: AbortSignal
}

/** One holder per id; waiters sleep and are served in order of arrival. */
export interface Lock {
  /** Rejects with a Fault: `locked` when the wait runs out, `client-gone` when the signal fires. */
  acquire(id: string, options?: AcquireOptions): Promise<HeldLock>
  /**
   * The lock of an upload whose row the caller is about to insert, with `owner` and `epoch` of this
   * lock in it: no statement of its own.
   */
  begin(id: string): Promise<HeldLock>
}
