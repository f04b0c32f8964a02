import { describe, expect, it } from 'vitest'
import { type Server, serve } from '../../../src/commands/serve.ts'
import { readConfig } from '../../../src/config.ts'

/** Starts a server of test doubles; `exited` resolves with the first exit code. */
async function start(server: Partial<Server>, env: Record<string, string> = {}) {
  const printed: string[] = []
  const noted: string[] = []
  const stops: (() => void)[] = []
  let exit = (_code: number) => {}
  const exited = new Promise<number>((resolve) => {
    exit = resolve
  })
  const running = serve(
    {
      listen: async () => ({ url: 'http://127.0.0.1:1', adminKey: null }),
      close: async () => {},
      ...server,
    },
    readConfig({ DATA_DIR: '/srv/landfall', ...env }),
    { result: (line) => printed.push(line), note: (line) => noted.push(line) },
    { on: (_signal, listener) => stops.push(listener), exit },
  )
  await running
  return { printed, noted, stop: () => stops[0]?.(), exited }
}

const never = () => new Promise<never>(() => {})

describe('serve', () => {
  it('says where it serves, what from, and what the embedded database is worth', async () => {
    const { printed } = await start({})
    expect(printed.join('\n')).toMatch(
      /http:\/\/127\.0\.0\.1:1\n.*127\.0\.0\.1:1\/\n.*\/files\/\n.*\/api\/media\/files\n.*\/docs\n.*\/srv\/landfall\n.*not a power cut$/,
    )
    const { printed: other } = await start({}, { DATABASE_URL: 'postgres://u:hunter2@h/d' })
    expect(other.join('\n')).not.toMatch(/power cut|hunter2/)
  })

  it('prints the key of the admin where there is a new one', async () => {
    const listen = async () => ({ url: 'http://127.0.0.1:1', adminKey: 'lf_new' })
    expect((await start({ listen })).printed.join('\n')).toMatch(/shown this once:\n {2}lf_new$/)
  })

  it('closes and exits 0 when it is told to stop', async () => {
    let closed = false
    const close = async () => {
      closed = true
    }
    const { stop, exited } = await start({ close })
    stop()
    expect([await exited, closed]).toEqual([0, true])
  })

  it('exits 1 when closing takes longer than SHUTDOWN_TIMEOUT', async () => {
    const { stop, exited, noted } = await start({ close: never }, { SHUTDOWN_TIMEOUT: '100ms' })
    stop()
    expect(await exited).toBe(1)
    expect(noted.join()).toContain('SHUTDOWN_TIMEOUT')
  })

  it('exits 1 when closing fails', async () => {
    const { stop, exited } = await start({ close: () => Promise.reject(new Error('no')) })
    stop()
    expect(await exited).toBe(1)
  })

  it('exits at once at the second signal', async () => {
    const { stop, exited } = await start({ close: never })
    stop()
    stop()
    expect(await exited).toBe(1)
  })

  it('lets go of what it opened when it cannot listen', async () => {
    let closed = false
    const server = {
      listen: () => Promise.reject(new Error('EADDRINUSE')),
      close: async () => {
        closed = true
      },
    }
    await expect(start(server)).rejects.toThrow('EADDRINUSE')
    expect(closed).toBe(true)
  })
})
