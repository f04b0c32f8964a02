import { describe, expect, it } from 'vitest'
import { createMetrics } from '../../../src/telemetry/metrics.ts'

const bare = { process: false }

describe('the metrics', () => {
  it('counts what they are told', async () => {
    const metrics = createMetrics(bare)
    metrics.requestDone({ method: 'PATCH', status: 204, door: 'tus' })
    metrics.requestDone({ method: 'PATCH', status: 204, door: 'tus' })
    metrics.uploadEnded('tus', 'published')
    metrics.bytesReceived('tus', 1000)
    metrics.bytesReceived('tus', 24)
    metrics.lockWaited(0.2)
    metrics.promoted(0.02)
    const { text, contentType } = await metrics.render()
    expect(contentType).toContain('text/plain')
    for (const line of [
      'landfall_http_requests_total{method="PATCH",status="204",door="tus"} 2',
      'landfall_uploads_total{door="tus",outcome="published"} 1',
      'landfall_bytes_received_total{door="tus"} 1024',
      'landfall_lock_wait_seconds_bucket{le="0.5"} 1',
      'landfall_lock_wait_seconds_bucket{le="0.1"} 0',
      'landfall_promotion_seconds_bucket{le="0.025"} 1',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
  })

  it('asks for the open uploads at each scrape', async () => {
    let open = 3
    const metrics = createMetrics({ ...bare, openUploads: async () => open })
    expect((await metrics.render()).text).toContain('landfall_open_uploads 3\n')
    open = 4
    expect((await metrics.render()).text).toContain('landfall_open_uploads 4\n')
  })

  it('goes without the open uploads while the database is away', async () => {
    let away = false
    const openUploads = async () => {
      if (away) throw new Error('away')
      return 3
    }
    const metrics = createMetrics({ ...bare, openUploads })
    await metrics.render()
    away = true
    const { text } = await metrics.render()
    expect(text).not.toMatch(/^landfall_open_uploads /m)
    expect(text).toContain('landfall_http_requests_total')
  })

  it('keeps two servers in one process apart', async () => {
    const one = createMetrics()
    const other = createMetrics()
    one.bytesReceived('tus', 5)
    expect((await one.render()).text).toContain('landfall_bytes_received_total{door="tus"} 5')
    expect((await other.render()).text).not.toContain('door="tus"')
    expect((await one.render()).text).toContain('process_cpu_seconds_total')
  })
})
