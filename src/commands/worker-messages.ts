import type { MetricsSnapshot, RenderedMetrics } from '../telemetry/metrics.ts'

/** From a worker to the process that started it. */
export type FromWorker =
  /** It listens. `adminKey`: the key of the admin, where it made one. */
  | { landfall: 'ready'; url: string; adminKey: string | null }
  | { landfall: 'figures'; request: number; snapshot: MetricsSnapshot }
  /** Somebody asks it for /metrics. */
  | { landfall: 'wanted'; request: number }

export type ToWorker =
  | { landfall: 'stop' }
  | { landfall: 'figures-wanted'; request: number }
  /** `rendered`: the figures of all workers; null where they could not be had. */
  | { landfall: 'together'; request: number; rendered: RenderedMetrics | null }

/** Others send messages on the same channel. */
export function isOurs(message: unknown): message is { landfall: string } {
  return typeof message === 'object' && message !== null && 'landfall' in message
}
