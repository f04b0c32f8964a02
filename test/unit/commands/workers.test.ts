import { EventEmitter } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import type { FromWorker, ToWorker } from '../../../src/commands/worker-messages.ts'
import type { WorkerHandle } from '../../../src/commands/worker-process.ts'
import { pauseAfter, serveWithWorkers } from '../../../src/commands/workers.ts'
import { readConfig } from '../../../src/config.ts'

/** A worker of which the test decides when it serves and when it ends. */
function double(pid: number | undefined) {
  const events = new EventEmitter()
  const heard: ToWorker[] = []
  const signalled: string[] = []
  const handle: WorkerHandle = {
    process: { pid, kill: (signal) => signalled.push(signal) },
    isConnected: () => true,
    send: (message) => heard.push(message),
    on: (event: string, listener: (...args: never[]) => void) =>
      events.on(event, listener as () => void),
  }
  return {
    handle,
    heard,
    signalled,
    says: (message: FromWorker) => events.emit('message', message),
    serves: (adminKey: string | null = null) =>
      events.emit('message', { landfall: 'ready', url: 'http://127.0.0.1:1', adminKey }),
    ends: (code: number | null, signal: string | null = null) => events.emit('exit', code, signal),
    fails: (error: Error) => events.emit('error', error),
  }
}

/** Lets what waits for a promise that is settled go on. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

function start(env: Record<string, string> = {}, pids: (number | undefined)[] = []) {
  const forked: ReturnType<typeof double>[] = []
  const printed: string[] = []
  const noted: string[] = []
  const logged: string[] = []
  const stops: (() => void)[] = []
  let exit = (_code: number) => {}
  const exited = new Promise<number>((resolve) => {
    exit = resolve
  })
  const log = (_facts: object, message: string) => logged.push(message)
  const running = serveWithWorkers(
    readConfig({ DATABASE_URL: 'postgres://h/d', WORKERS: '2', ...env }),
    { result: (line) => printed.push(line), note: (line) => noted.push(line) },
    {
      fork() {
        const worker = double(forked.length in pids ? pids[forked.length] : 1000 + forked.length)
        forked.push(worker)
        return worker.handle
      },
      log: { error: log, fatal: log } as never,
      signals: { on: (_signal, listener) => stops.push(listener), exit },
    },
  )
  const at = (n: number) => {
    const found = forked[n]
    if (found === undefined) throw new Error(`worker ${n} was not started`)
    return found
  }
  const stop = () => stops[0]?.()
  return { at, forked, printed, noted, logged, running, exited, stop }
}

/** Two workers that serve. */
async function started(env: Record<string, string> = {}) {
  const crew = start(env)
  crew.at(0).serves('lf_new')
  await settled()
  crew.at(1).serves()
  await crew.running
  return crew
}

describe('several workers', () => {
  it('are started one before the others, which follow when it serves', async () => {
    const { at, forked, printed, running } = start({ WORKERS: '3' })
    await settled()
    expect(forked).toHaveLength(1)
    at(0).serves('lf_new')
    await settled()
    expect(forked).toHaveLength(3)
    at(1).serves()
    await settled()
    expect(printed).toEqual([])
    at(2).serves()
    await running
    expect(printed).toHaveLength(1)
    expect(printed[0]).toMatch(/serving at http:\/\/127\.0\.0\.1:1\n.*3 processes.*lf_new$/s)
  })

  it.each([
    [1, 1],
    [78, 78],
    [null, 1],
  ])('do not come up where the first one ends with %s', async (code, expected) => {
    const { at, running, forked } = start()
    at(0).ends(code)
    await expect(running).rejects.toMatchObject({ exitCode: expected })
    expect(forked).toHaveLength(1)
  })

  it('are one fewer for a moment when one dies', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { at, forked, logged } = await started()
      at(1).ends(null, 'SIGKILL')
      await settled()
      expect(logged).toEqual([expect.stringContaining('another one takes its place')])
      vi.advanceTimersByTime(99)
      expect(forked).toHaveLength(2)
      vi.advanceTimersByTime(1)
      expect(forked).toHaveLength(3)
    } finally {
      vi.useRealTimers()
    }
  })

  it('are waited for longer and longer where they die at once, and up to ten seconds', () => {
    expect([0, 1, 2, 3, 4].map(pauseAfter)).toEqual([100, 100, 200, 400, 800])
    expect(pauseAfter(50)).toBe(10_000)
  })

  it('are given up, loudly, when every one of them dies at once five times in a row', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { at, forked, exited, noted } = await started()
      for (let round = 0; round < 5; round++) {
        for (const n of [2 * round, 2 * round + 1]) at(n).ends(1)
        await settled()
        vi.advanceTimersByTime(10_000)
      }
      expect(await exited).toBe(1)
      expect(noted.join()).toContain('giving up')
      expect(forked).toHaveLength(10)
    } finally {
      vi.useRealTimers()
    }
  })

  it('are not given up while one of them serves', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { at, forked, noted } = await started()
      for (let n = 1; n < 12; n++) {
        at(n).ends(1)
        await settled()
        vi.advanceTimersByTime(10_000)
        expect(forked).toHaveLength(n + 2)
      }
      expect(noted).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })

  it('are told to stop, and the exit code is 0 when all end well', async () => {
    const { at, stop, exited } = await started()
    stop()
    for (const n of [0, 1]) {
      expect(at(n).heard).toEqual([{ landfall: 'stop' }])
      expect(at(n).signalled).toEqual([])
      at(n).ends(0)
    }
    expect(await exited).toBe(0)
  })

  it('make the exit code 1 where one of them does not end well', async () => {
    const { at, stop, exited } = await started()
    stop()
    at(0).ends(0)
    at(1).ends(1)
    expect(await exited).toBe(1)
  })

  it('are killed at the second signal, and when SHUTDOWN_TIMEOUT is over', async () => {
    const second = await started()
    second.stop()
    second.stop()
    expect(await second.exited).toBe(1)
    expect(second.at(0).signalled).toEqual(['SIGKILL'])
    const late = await started({ SHUTDOWN_TIMEOUT: '100ms' })
    late.stop()
    expect(await late.exited).toBe(1)
    expect(late.at(1).signalled).toEqual(['SIGKILL'])
    expect(late.noted.join()).toContain('SHUTDOWN_TIMEOUT')
  })

  it('end by the signal where they do not serve yet, and that is no failure', async () => {
    const { at, stop, exited } = start()
    stop()
    expect([at(0).signalled, at(0).heard]).toEqual([['SIGTERM'], []])
    at(0).ends(null, 'SIGTERM')
    expect(await exited).toBe(0)
  })

  it('are never signalled where the process was not made', async () => {
    const { at, running } = start({}, [undefined])
    at(0).fails(new Error('spawn EAGAIN'))
    await expect(running).rejects.toThrow('no worker could be started')
    expect(at(0).signalled).toEqual([])
  })

  it('get the figures of all from the process that started them', async () => {
    const { at } = await started()
    const counted = (value: number) => [
      {
        name: 'landfall_x_total',
        help: 'x',
        type: 'counter',
        aggregator: 'sum',
        values: [{ value, labels: {} }],
      },
    ]
    const ask = async (request: number) => {
      at(0).says({ landfall: 'wanted', request })
      await settled()
      for (const [n, value] of [
        [0, 3],
        [1, 4],
      ] as const) {
        const word = at(n).heard.at(-1)
        if (word?.landfall !== 'figures-wanted') continue
        const snapshot = counted(value) as never
        at(n).says({ landfall: 'figures', request: word.request, snapshot })
      }
      await expect.poll(() => at(0).heard.at(-1)).toMatchObject({ landfall: 'together', request })
      const last = at(0).heard.at(-1)
      return last?.landfall === 'together' ? last.rendered?.text : undefined
    }
    expect(await ask(1)).toContain('landfall_x_total 7\n')
    // What a worker has counted before it died is not forgotten: a counter never goes back.
    at(1).ends(null, 'SIGKILL')
    await settled()
    expect(await ask(2)).toContain('landfall_x_total 7\n')
  })
})
