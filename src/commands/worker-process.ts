import type { Figures, Measured } from './worker-figures.ts'
import { type FromWorker, isOurs, type ToWorker } from './worker-messages.ts'

/** The part of a worker of node:cluster that is used here. */
export interface WorkerHandle {
  process: { pid?: number | undefined; kill(signal: NodeJS.Signals): unknown }
  isConnected(): boolean
  send(message: ToWorker, onSent: (error: Error | null) => void): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number | null, signal: string | null) => void): unknown
}

export type Ready = Extract<FromWorker, { landfall: 'ready' }>

export interface Death {
  code: number | null
  signal: string | null
}

/** One worker from its start to its end. */
export interface RunningWorker {
  pid: number | undefined
  /** Resolves when it serves; null where it has ended without that. */
  ready: Promise<Ready | null>
  isReady(): boolean
  /** Resolves when it has ended, in whatever way. */
  ended: Promise<Death>
  /** As SIGTERM does it to a server alone. */
  stop(): void
  kill(): void
}

/** Follows a worker that was just forked, and answers what it asks for. */
export function followWorker(
  worker: WorkerHandle,
  figures: Figures,
  onTrouble: (error: Error) => void,
): RunningWorker {
  const { pid } = worker.process
  let isReady = false
  let stopping = false
  const measured: Measured = {
    ask: (request) => send({ landfall: 'figures-wanted', request }),
  }

  function send(message: ToWorker): void {
    // To one that has just died: its end is told elsewhere.
    if (worker.isConnected()) worker.send(message, () => {})
  }

  /** To signal a process that was never made would be to signal our own group. */
  function signal(name: NodeJS.Signals): void {
    if (pid !== undefined) worker.process.kill(name)
  }

  function stop(): void {
    stopping = true
    // One that does not serve yet has nothing to store, and may not hear words yet.
    if (isReady) send({ landfall: 'stop' })
    else signal('SIGTERM')
  }

  const ended = new Promise<Death>((resolve) => {
    worker.on('exit', (code, signal) => resolve({ code, signal }))
    worker.on('error', (error) => {
      onTrouble(error)
      // A process that was never made does not end either.
      if (pid === undefined) resolve({ code: null, signal: null })
    })
  })
  const ready = new Promise<Ready | null>((resolve) => {
    worker.on('message', (message) => {
      if (!isOurs(message)) return
      const word = message as FromWorker
      if (word.landfall === 'figures') figures.answered(measured, word.request, word.snapshot)
      if (word.landfall === 'wanted') {
        const { request } = word
        void figures.render().then((rendered) => send({ landfall: 'together', request, rendered }))
      }
      if (word.landfall !== 'ready') return
      isReady = true
      figures.add(measured)
      if (stopping) stop()
      resolve(word)
    })
    void ended.then(() => {
      isReady = false
      figures.remove(measured)
      resolve(null)
    })
  })
  return { pid, ready, ended, isReady: () => isReady, stop, kill: () => signal('SIGKILL') }
}
