import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
} from 'prom-client'

/** How long a scrape waits for the database before it goes without that figure. */
const COLLECT_DEADLINE_MS = 2_000

export interface MetricsOptions {
  /** Counts unfinished uploads; asked at each scrape. Without it the gauge is absent. */
  openUploads?: () => Promise<number>
  /** Seconds since the oldest event that is not delivered; asked at each scrape. */
  webhookPending?: (() => Promise<number>) | undefined
  /** Memory, CPU, event loop and descriptors of the process. Default true. */
  process?: boolean
}

/** What is measured, in words of no library. All metric names of Landfall are in this file. */
export interface Metrics {
  /** One answered request. `door` and `method` come from short lists, never from the request. */
  requestDone(request: { method: string; status: number; door: string }): void
  /** An upload came to an end, or began: `created`, `published`, `rejected`, `expired`, … */
  uploadEnded(door: string, outcome: string): void
  bytesReceived(door: string, bytes: number): void
  lockWaited(seconds: number): void
  /** From the last byte of an upload to its record. */
  promoted(seconds: number): void
  /** One try to deliver an event; `given_up` where it was the last one. */
  webhookTried(outcome: 'delivered' | 'failed' | 'given_up'): void
  /** The text of `GET /metrics`, and its Content-Type. */
  render(): Promise<RenderedMetrics>
  /** The same as values that can be sent to another process. */
  snapshot(): Promise<MetricsSnapshot>
}

export interface RenderedMetrics {
  contentType: string
  text: string
}

/** Every metric of one process, or of several, at one moment. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** A registry of its own per instance, so that two servers in one process do not mix. */
export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  const registers = [registry]
  if (options.process ?? true) collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'landfall_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'status', 'door'],
    registers,
  })
  const uploads = new Counter({
    name: 'landfall_uploads_total',
    help: 'Uploads by what became of them.',
    labelNames: ['door', 'outcome'],
    registers,
  })
  const received = new Counter({
    name: 'landfall_bytes_received_total',
    help: 'Bytes of uploads that were stored.',
    labelNames: ['door'],
    registers,
  })
  const lockWait = new Histogram({
    name: 'landfall_lock_wait_seconds',
    help: "Time that requests waited for an upload's lock.",
    buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 10],
    registers,
  })
  const promotion = new Histogram({
    name: 'landfall_promotion_seconds',
    help: 'Time from the last byte of an upload to its record.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  })
  const webhooks = new Counter({
    name: 'landfall_webhook_deliveries_total',
    help: 'Tries to deliver an event, by what came of them.',
    labelNames: ['outcome'],
    registers,
  })
  const { openUploads, webhookPending } = options
  if (openUploads)
    addAsked(registry, openUploads, {
      name: 'landfall_open_uploads',
      help: 'Unfinished uploads; absent while the database is away.',
    })
  if (webhookPending)
    addAsked(registry, webhookPending, {
      name: 'landfall_webhook_pending_seconds',
      help: 'Age of the oldest event that is not delivered yet; absent while the database is away.',
    })

  return {
    requestDone({ method, status, door }) {
      requests.inc({ method, status: String(status), door })
    },
    uploadEnded: (door, outcome) => uploads.inc({ door, outcome }),
    bytesReceived: (door, bytes) => received.inc({ door }, bytes),
    lockWaited: (seconds) => lockWait.observe(seconds),
    promoted: (seconds) => promotion.observe(seconds),
    webhookTried: (outcome) => webhooks.inc({ outcome }),
    async render() {
      return { contentType: registry.contentType, text: await registry.metrics() }
    },
    snapshot: () => registry.getMetricsAsJSON(),
  }
}

/**
 * What several processes counted, as one text: counters and histograms are summed, and so are
 * memory and descriptors; what every process asks the database for is not.
 */
export async function renderTogether(
  snapshots: readonly MetricsSnapshot[],
): Promise<RenderedMetrics> {
  const sum = AggregatorRegistry.aggregate([...snapshots])
  return { contentType: sum.contentType, text: await sum.metrics() }
}

/**
 * What has only ever grown (counters and histograms) in one snapshot: of a process that has ended,
 * so that no sum goes back, which Prometheus would take for a restart.
 */
export async function addEnded(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const grown = snapshots.map((metrics) =>
    metrics.filter(({ type }) => ['counter', 'histogram'].includes(String(type))),
  )
  return AggregatorRegistry.aggregate(grown).getMetricsAsJSON()
}

/** A figure that the database knows. */
function addAsked(
  registry: Registry,
  ask: () => Promise<number>,
  words: { name: string; help: string },
): void {
  new Gauge({
    ...words,
    registers: [registry],
    // Each process answers for all.
    aggregator: 'max',
    async collect() {
      // The last figure must not stand for a database that no longer answers.
      this.remove()
      const figure = await inTime(ask())
      if (figure !== undefined) this.set(figure)
    },
  })
}

async function inTime(work: Promise<number>): Promise<number | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), COLLECT_DEADLINE_MS)
  })
  try {
    return await Promise.race([work, late])
  } catch {
    return undefined // readyz says that the database is away; the other figures are still wanted
  } finally {
    clearTimeout(timer)
  }
}
