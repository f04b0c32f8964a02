import { describe, expect, it } from 'vitest'
import { healthRoutes } from '../../src/http/health.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

const metrics = createMetrics({ process: false })
const up = { ping: async () => {} }
const down = {
  ping: async () => {
    throw new Error('connect ECONNREFUSED 10.0.0.1:5432')
  },
}
const hanging = { ping: () => new Promise<void>(() => {}) }

function app(parts: Record<string, { ping(): Promise<void> }>) {
  return healthRoutes({ parts, metrics, deadlineMs: 50 })
}

describe('health', () => {
  it('is alive whatever is away', async () => {
    const response = await app({ database: down }).request('/healthz')
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it('is ready when database and storage answer', async () => {
    const response = await app({ database: up, storage: up }).request('/readyz/')
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
  })

  it('names the part that is away, or does not answer in time, and says no more', async () => {
    const response = await app({ database: down, storage: up, other: hanging }).request('/readyz')
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'unavailable', unavailable: ['database', 'other'] },
    ])
  })

  it('asks the parts once for all who want to know at a time', async () => {
    let pings = 0
    const counting = {
      ping: async () => {
        pings += 1
      },
    }
    const routes = app({ database: counting })
    await Promise.all(Array.from({ length: 20 }, () => routes.request('/readyz')))
    expect(pings).toBe(1)
    await routes.request('/readyz')
    expect(pings).toBe(2)
  })

  it('gives the metrics as Prometheus reads them', async () => {
    metrics.bytesReceived('tus', 5)
    const response = await app({}).request('/metrics')
    expect(response.headers.get('content-type')).toContain('text/plain')
    expect(await response.text()).toContain('landfall_bytes_received_total{door="tus"} 5')
  })

  it('takes no other method', async () => {
    const response = await app({}).request('/healthz', { method: 'POST' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })
})
