/** Items of one statement: bounds its size, and how much has to be done again one by one. */
const MOST = 64

/**
 * Milliseconds after which the next ones go all the same: a connection that hangs is trouble of those
 * whose statement it has, and of nobody else.
 */
const PATIENCE_MS = 2_000

export interface BatchDeps<T, R> {
  /**
   * All of them in one statement, and so one transaction. Answers in the order of the items;
   * undefined, or a rejection of the whole, for what has to go alone.
   */
  together(items: readonly T[]): Promise<readonly (R | undefined)[]>
  alone(item: T): Promise<R>
}

/**
 * Puts statements together that would wait for each other: those that change the same row, which
 * the first one keeps locked until it is on disk. One runs at a time for each key; what comes
 * meanwhile goes together in the next. An item that finds nobody before it waits for nothing.
 */
export function createBatch<T, R>({ together, alone }: BatchDeps<T, R>) {
  interface Waiting {
    item: T
    settle: (result: Promise<R>) => void
  }
  const queues = new Map<unknown, Waiting[]>()

  async function work(key: unknown, queue: Waiting[]): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.splice(0, MOST)
      const [first] = batch
      const run = batch.length === 1 && first ? runAlone(first) : runTogether(batch)
      await noLonger(run, PATIENCE_MS)
    }
    queues.delete(key)
  }

  async function runAlone({ item, settle }: Waiting): Promise<unknown> {
    const result = alone(item)
    settle(result)
    return result
  }

  async function runTogether(batch: readonly Waiting[]): Promise<void> {
    const results = await together(batch.map(({ item }) => item)).catch(() => [])
    const rest: Promise<unknown>[] = []
    for (const [index, waiting] of batch.entries()) {
      const result = results[index]
      if (result === undefined) rest.push(runAlone(waiting))
      else waiting.settle(Promise.resolve(result))
    }
    await Promise.allSettled(rest)
  }

  return (key: unknown, item: T): Promise<R> =>
    new Promise((settle) => {
      const waiting = { item, settle }
      const queue = queues.get(key)
      if (queue) {
        queue.push(waiting)
        return
      }
      const fresh = [waiting]
      queues.set(key, fresh)
      void work(key, fresh)
    })
}

/** Waits for the end of something, whichever it is, but no longer than this. */
function noLonger(run: Promise<unknown>, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    run.then(done, done)
  })
}
