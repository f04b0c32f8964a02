import { Hono } from 'hono'
import type { Env } from '../protocols/env.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { methods } from './methods.ts'

/** How long a part may take to answer before it counts as away. */
const DEADLINE_MS = 2_000
const NEVER_CACHED = { 'Cache-Control': 'no-store' }

export interface HealthOptions {
  /** What must answer for the server to be of use, by the name that is shown. */
  parts: Record<string, { ping(): Promise<void> }>
  metrics: Pick<Metrics, 'render'>
  /** Milliseconds. Default 2,000. */
  deadlineMs?: number
}

/**
 * `/healthz`: the process is up. `/readyz`: database and storage answer; 503 names those that do
 * not, and nothing else. `/metrics`: for Prometheus. All open to everybody.
 */
export function healthRoutes(options: HealthOptions): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS
  /** Anybody may ask, as often as they like: those who ask while it is found out share the answer. */
  let running: Promise<string[]> | undefined

  async function partsAway(): Promise<string[]> {
    const answers = await Promise.all(
      Object.entries(options.parts).map(async ([name, part]) => {
        return (await answersInTime(part, deadlineMs)) ? [] : [name]
      }),
    )
    return answers.flat()
  }

  app.all('/healthz', methods({ GET: (c) => c.json({ status: 'ok' }, 200, NEVER_CACHED) }))
  app.all(
    '/readyz',
    methods({
      async GET(c) {
        running ??= partsAway().finally(() => {
          running = undefined
        })
        const away = await running
        return away.length === 0
          ? c.json({ status: 'ok' }, 200, NEVER_CACHED)
          : c.json({ status: 'unavailable', unavailable: away }, 503, NEVER_CACHED)
      },
    }),
  )
  app.all(
    '/metrics',
    methods({
      async GET(c) {
        const { contentType, text } = await options.metrics.render()
        return c.body(text, 200, { 'Content-Type': contentType, ...NEVER_CACHED })
      },
    }),
  )
  return app
}

async function answersInTime(part: { ping(): Promise<void> }, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  const answer = part.ping().then(
    () => true,
    () => false,
  )
  const inTime = await Promise.race([answer, late])
  clearTimeout(timer)
  return inTime
}
