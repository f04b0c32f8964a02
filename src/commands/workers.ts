import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Config } from '../config.ts'
import type { Log } from '../telemetry/log.ts'
import { CommandFailure, exitCodes } from './exit.ts'
import type { Output } from './output.ts'
import { greeting, type Signals } from './serve.ts'
import { createFigures } from './worker-figures.ts'
import {
  type Death,
  followWorker,
  type RunningWorker,
  type WorkerHandle,
} from './worker-process.ts'

/** Milliseconds: a worker that served for this long did not die at once. */
const SETTLED_MS = 10_000
/** Milliseconds before a worker is started again, doubled each time that it dies at once. */
const PAUSE_MS = { first: 100, longest: 10_000 }
/** Deaths at once, in a row, of every single worker: then there is nothing to hope for. */
const GIVE_UP_AFTER = 5

export interface WorkersDeps {
  /** A new process that runs the same program with these settings besides. */
  fork(env: Record<string, string>): WorkerHandle
  log: Pick<Log, 'error' | 'fatal'>
  signals?: Signals
}

/** One of the n places: the worker in it changes. */
interface Place {
  worker: RunningWorker | undefined
  /** Deaths at once, in a row. */
  failures: number
  timer: NodeJS.Timeout | undefined
}

/**
 * Starts WORKERS processes that share one port, and keeps them running until SIGTERM or SIGINT.
 * This process itself answers nothing and opens no database. The first worker starts alone: it
 * brings the database up to date, recovers what was left, and makes the admin; the others follow
 * when it serves. Resolves when every one has come up or died once, and the greeting is printed.
 *
 * Exit code 0 when all of them ended well within SHUTDOWN_TIMEOUT, otherwise 1; a second signal
 * kills them at once.
 *
 * @throws CommandFailure with the exit code of the first worker where that one does not come up.
 */
export async function serveWithWorkers(
  config: Config,
  output: Output,
  deps: WorkersDeps,
): Promise<void> {
  const { signals = process } = deps
  const env: Record<string, string> =
    config.port === 0 ? { PORT: String(await freePort(config.host)) } : {}
  const crew = createCrew(config, output, { ...deps, signals, env })
  signals.on('SIGTERM', crew.stop)
  signals.on('SIGINT', crew.stop)
  const { ready, ended } = crew.startFirst()
  const first = await ready
  if (first === null) {
    const { code } = await ended
    if (crew.isStopping()) return
    const known = code === exitCodes.configuration ? code : exitCodes.failed
    throw new CommandFailure('no worker could be started', known)
  }
  await crew.startOthers()
  output.result(greeting(first.url, first.adminKey, config))
}

type CrewDeps = Required<WorkersDeps> & { env: Record<string, string> }

function createCrew(config: Config, output: Output, { fork, log, signals, env }: CrewDeps) {
  const figures = createFigures()
  const places: Place[] = Array.from({ length: config.workers }, () => ({
    worker: undefined,
    failures: 0,
    timer: undefined,
  }))
  let serving = false
  let stopping = false

  function start(place: Place): RunningWorker {
    const onTrouble = (err: Error) =>
      log.error({ err, worker: worker.pid }, 'trouble with a worker')
    const worker = followWorker(fork(env), figures, onTrouble)
    let readyAt: number | undefined
    place.worker = worker
    void worker.ready.then((ready) => {
      if (ready !== null) readyAt = performance.now()
    })
    void worker.ended.then((death) => {
      place.worker = undefined
      const livedMs = readyAt === undefined ? 0 : Math.round(performance.now() - readyAt)
      if (serving && !stopping) replace(place, worker, death, livedMs)
    })
    return worker
  }

  function replace(place: Place, { pid }: RunningWorker, death: Death, livedMs: number): void {
    place.failures = livedMs < SETTLED_MS ? place.failures + 1 : 0
    const facts = { worker: pid, ...death, livedMs }
    if (places.every(({ worker, failures }) => !worker?.isReady() && failures >= GIVE_UP_AFTER)) {
      log.fatal(facts, 'every worker dies as soon as it is started: giving up')
      output.note('Every worker dies as soon as it is started: giving up.')
      return void end(exitCodes.failed)
    }
    const pauseMs = pauseAfter(place.failures)
    log.error({ ...facts, pauseMs }, 'a worker has died; another one takes its place')
    place.timer = setTimeout(() => start(place), pauseMs)
  }

  async function end(code: number): Promise<void> {
    stopping = true
    const timer = setTimeout(() => {
      output.note(`Not everything ended within SHUTDOWN_TIMEOUT (${config.shutdownTimeoutMs} ms).`)
      kill()
    }, config.shutdownTimeoutMs)
    const ends = places.flatMap(({ worker, timer }) => {
      clearTimeout(timer)
      return worker === undefined ? [] : [endOf(worker)]
    })
    const well = (await Promise.all(ends)).every(Boolean)
    clearTimeout(timer)
    signals.exit(well ? code : exitCodes.failed)
  }

  function kill(): void {
    for (const { worker } of places) worker?.kill()
    signals.exit(exitCodes.failed)
  }

  return {
    startFirst() {
      const [first] = places
      if (first === undefined) throw new Error('there is no place for a worker')
      return start(first)
    },
    /** Resolves when each of them has come up, or died once. */
    async startOthers() {
      serving = true
      const others = stopping ? [] : places.slice(1).map(start)
      await Promise.all(others.map(({ ready }) => ready))
    },
    stop: () => (stopping ? kill() : void end(exitCodes.ok)),
    isStopping: () => stopping,
  }
}

/** Whether it ends well: one that did not serve yet has nothing to do badly. */
async function endOf(worker: RunningWorker): Promise<boolean> {
  const served = worker.isReady()
  worker.stop()
  const { code } = await worker.ended
  return !served || code === exitCodes.ok
}

/** Milliseconds to wait after so many deaths at once in a row. */
export function pauseAfter(failures: number): number {
  return Math.min(PAUSE_MS.first * 2 ** Math.max(0, failures - 1), PAUSE_MS.longest)
}

/** One port for all of them, also for those that are started when all have died. */
async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}
