import { type ChildProcess, fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Awake, Given, Job, Reply, Wanted } from './inspect-job.ts'
import type { Reads } from './inspect-reads.ts'

/** Bytes of a child's stderr that are kept for the log. */
const detailBytes = 2_048

export type Ended = 'timeout' | 'crash' | 'not-started'

/** A reply, or how the process ended without one. */
export type Outcome = { reply: Reply } | { ended: Ended; detail: string }

/** A child process that answers one job at a time. */
export interface WorkerProcess {
  /** Resolves when it takes jobs; false when it ended before, or takes longer than a job may. */
  awake(timeoutMs: number): Promise<boolean>
  /**
   * Never rejects. A process that does not answer in time is killed.
   *
   * @param reads answers what it asks of a file that it cannot open.
   */
  ask(job: Job, timeoutMs: number, reads?: Reads): Promise<Outcome>
  isAlive(): boolean
  /** Resolves when the process is gone. */
  kill(): Promise<void>
}

/** The child's module beside this one, with the same extension: src/*.ts or dist/*.js. */
export const childModuleNextTo = (url: string): URL =>
  new URL(url.endsWith('.ts') ? './inspect-child.ts' : './inspect-child.js', url)

/** TypeScript needs a loader on a Node that does not strip types by itself. */
const loaderArguments = (module: URL): string[] => {
  // Newer than the types that are installed, which are those of the oldest Node we run on.
  const stripsTypes = 'typescript' in process.features && Boolean(process.features.typescript)
  if (!module.pathname.endsWith('.ts') || stripsTypes) return []
  const loader = createRequire(import.meta.url).resolve('tsx')
  return ['--import', pathToFileURL(loader).href]
}

/** What a program needs to run; nothing of the parent's settings, that hold its secrets. */
const childEnvironment = (): NodeJS.ProcessEnv => {
  const environment: NodeJS.ProcessEnv = {
    // glibc gives every thread an arena of its own: with two the memory in use stays near what is
    // needed, and the limit means something.
    MALLOC_ARENA_MAX: '2',
  }
  for (const name of ['PATH', 'TMPDIR', 'SystemRoot', 'LD_LIBRARY_PATH']) {
    if (process.env[name] !== undefined) environment[name] = process.env[name]
  }
  return environment
}

const start = (module: URL, memoryLimitBytes: number): ChildProcess =>
  fork(fileURLToPath(module), [String(memoryLimitBytes)], {
    serialization: 'advanced',
    env: childEnvironment(),
    execArgv: [
      `--max-old-space-size=${Math.ceil(memoryLimitBytes / 2 / 1024 / 1024)}`,
      ...loaderArguments(module),
    ],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })

/** An idle child must not keep the server from ending; a busy one must. */
const holdOpen = (child: ChildProcess, hold: boolean): void => {
  if (hold) {
    child.ref()
    child.channel?.ref()
  } else {
    child.unref()
    child.channel?.unref()
  }
}

/** The last words of a child, for the log. */
const keepDetail = (child: ChildProcess): (() => string) => {
  let detail = ''
  child.stderr?.setEncoding('utf8')
  child.stderr?.on('data', (text: string) => {
    detail = (detail + text).slice(-detailBytes)
  })
  // Nor must this pipe hold the server open.
  if (child.stderr instanceof Socket) child.stderr.unref()
  return () => detail.trim()
}

/** Whatever a child sends, once a file has got hold of it, is only a failed inspection. */
const isWanted = (message: Reply | Wanted | null): message is Wanted =>
  typeof message === 'object' && message !== null && 'read' in message

const isAwake = (message: Reply | Wanted | Awake | null): message is Awake =>
  typeof message === 'object' && message !== null && 'awake' in message

/** To kill a child that never started would be to signal process 0: our own whole group. */
const killIfStarted = (child: ChildProcess): void => {
  if (child.pid !== undefined) child.kill('SIGKILL')
}

export const startProcess = (options: { module: URL; memoryLimitBytes: number }): WorkerProcess => {
  const child = start(options.module, options.memoryLimitBytes)
  const detail = keepDetail(child)
  holdOpen(child, false)
  let settle: ((outcome: Outcome) => void) | null = null
  let answering: Reads | undefined
  let alive = true
  // Without descriptors or processes left there may be a child without a channel, or none.
  const started = child.pid !== undefined && child.connected
  // Settled once, by whichever comes first: a race for every job would leave something behind in the
  // promise that lasts as long as the child.
  let wake = (_isAwake: boolean): void => {}
  const woken = new Promise<boolean>((resolve) => {
    wake = resolve
  })
  const gone = new Promise<void>((resolve) => {
    const end = (reason: string): void => {
      alive = false
      wake(false)
      settle?.({ ended: started ? 'crash' : 'not-started', detail: `${reason} ${detail()}`.trim() })
      resolve()
    }
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
    // Not started at all (no memory, no processes left), or a message that could not be sent.
    child.on('error', (error) => {
      killIfStarted(child)
      if (child.pid === undefined) end(error.message)
    })
  })
  const give = async (reads: Reads, wanted: Wanted): Promise<void> => {
    const given: Given = { read: wanted.read, bytes: await reads.answer(wanted) }
    // Whoever is gone needs none.
    child.send(given, () => {})
  }
  child.on('message', (message: Reply | Wanted | Awake) => {
    if (isAwake(message)) wake(true)
    else if (!isWanted(message)) settle?.({ reply: message })
    else if (answering) void give(answering, message)
  })
  const kill = (): Promise<void> => {
    alive = false
    child.ref()
    killIfStarted(child)
    return gone
  }

  return {
    isAlive: () => alive,
    kill,
    async awake(timeoutMs) {
      if (!started) {
        void kill()
        return false
      }
      holdOpen(child, true)
      const timer = setTimeout(() => void kill(), timeoutMs)
      const is = await woken
      clearTimeout(timer)
      holdOpen(child, false)
      return is && alive
    },
    ask: (job, timeoutMs, reads) =>
      new Promise((resolve) => {
        if (!started || !alive) {
          void kill()
          return resolve({ ended: 'not-started', detail: detail() })
        }
        const timer = setTimeout(() => {
          settle?.({ ended: 'timeout', detail: `no answer in ${timeoutMs} ms` })
          void kill()
        }, timeoutMs)
        settle = (outcome) => {
          settle = null
          answering = undefined
          clearTimeout(timer)
          holdOpen(child, false)
          resolve(outcome)
        }
        holdOpen(child, true)
        answering = reads
        child.send(job, (error) => {
          if (error) void kill()
        })
      }),
  }
}
