import {
  addEnded,
  type MetricsSnapshot,
  type RenderedMetrics,
  renderTogether,
} from '../telemetry/metrics.ts'

/** How long a worker may take to tell its figures before those of last time are taken. */
const DEADLINE_MS = 2_000

/** A worker as it is asked for its figures. */
export interface Measured {
  ask(request: number): void
}

/** The figures of all workers, also of those that do not answer or have ended. */
export interface Figures {
  /** One who serves from now on. */
  add(worker: Measured): void
  /** It has ended: what it counted stays in the sums, as far as it was last told. */
  remove(worker: Measured): void
  answered(worker: Measured, request: number, snapshot: MetricsSnapshot): void
  /** Those who ask at the same time share one answer. Null where there is none. */
  render(): Promise<RenderedMetrics | null>
}

export function createFigures({ deadlineMs = DEADLINE_MS } = {}): Figures {
  /** What each told last, and who waits for its answer to which request. */
  const serving = new Map<Measured, { last: MetricsSnapshot; asked: Map<number, () => void> }>()
  let ended: MetricsSnapshot = []
  let adding: Promise<unknown> = Promise.resolve()
  let requests = 0
  let running: Promise<RenderedMetrics | null> | undefined

  function ask(worker: Measured, asked: Map<number, () => void>, request: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        asked.delete(request)
        resolve()
      }
      const timer = setTimeout(done, deadlineMs)
      asked.set(request, done)
      worker.ask(request)
    })
  }

  async function gather(): Promise<RenderedMetrics> {
    const request = ++requests
    await Promise.all([...serving].map(([worker, { asked }]) => ask(worker, asked, request)))
    await adding
    return renderTogether([...[...serving.values()].map(({ last }) => last), ended])
  }

  return {
    add: (worker) => void serving.set(worker, { last: [], asked: new Map() }),
    remove(worker) {
      const gone = serving.get(worker)
      if (gone === undefined) return
      serving.delete(worker)
      for (const done of [...gone.asked.values()]) done()
      adding = adding.then(async () => {
        ended = await addEnded([ended, gone.last])
      })
    },
    answered(worker, request, snapshot) {
      const found = serving.get(worker)
      if (found === undefined) return
      found.last = snapshot
      found.asked.get(request)?.()
    },
    render() {
      running ??= gather()
        .catch(() => null)
        .finally(() => {
          running = undefined
        })
      return running
    },
  }
}
