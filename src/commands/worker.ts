import type { Config } from '../config.ts'
import type { MetricsSnapshot, RenderedMetrics } from '../telemetry/metrics.ts'
import type { Output } from './output.ts'
import { type Server, type Signals, serve } from './serve.ts'
import { type FromWorker, isOurs, type ToWorker } from './worker-messages.ts'

/** What compose.ts builds, as far as a worker needs it. */
export interface WorkerServer extends Server {
  /** What this process has measured. */
  snapshot(): Promise<MetricsSnapshot>
}

/** The part of a worker's process that is used here. */
export interface WorkerChannel extends Signals {
  on(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  send?(message: FromWorker, onSent: (error: Error | null) => void): unknown
}

/**
 * One of WORKERS processes. It serves as a server alone does, and leaves the words to the process
 * that started it: that one says where all of them serve, gathers their figures, and tells them to
 * stop. When that one is gone, node:cluster ends this one at once.
 *
 * @param build gets what answers /metrics: the figures of all workers.
 */
export async function serveAsWorker(
  build: (renderMetrics: () => Promise<RenderedMetrics>) => Promise<WorkerServer>,
  config: Config,
  output: Output,
  channel: WorkerChannel = process,
): Promise<void> {
  const send = (message: FromWorker) => channel.send?.(message, () => {})
  const waiting = new Map<number, (rendered: RenderedMetrics | null) => void>()
  let requests = 0
  const renderMetrics = async (): Promise<RenderedMetrics> => {
    const request = ++requests
    const rendered = await new Promise<RenderedMetrics | null>((resolve) => {
      waiting.set(request, resolve)
      send({ landfall: 'wanted', request })
    })
    if (rendered === null) throw new Error('the figures of all workers could not be had')
    return rendered
  }

  const server = await build(renderMetrics)
  const signals = stopsOnce(channel)
  channel.on('message', (message) => {
    if (!isOurs(message)) return
    const word = message as ToWorker
    if (word.landfall === 'stop') signals.stop()
    if (word.landfall === 'figures-wanted')
      void server
        .snapshot()
        .then((snapshot) => send({ landfall: 'figures', request: word.request, snapshot }))
    if (word.landfall === 'together') {
      waiting.get(word.request)?.(word.rendered)
      waiting.delete(word.request)
    }
  })
  const listen = async () => {
    const listening = await server.listen()
    send({ landfall: 'ready', ...listening })
    return listening
  }
  const silent = { ...output, result: () => {} }
  await serve({ listen, close: () => server.close() }, config, silent, signals)
}

/**
 * Ctrl-C and systemd signal every process, and then the word of the first one comes as well: that
 * is one stop. Only a second signal is a second one.
 */
function stopsOnce(channel: WorkerChannel): Signals & { stop(): void } {
  let listener: (() => void) | undefined
  let told = false
  let signalled = false
  function stop(): void {
    if (told) return
    told = true
    listener?.()
  }
  return {
    stop,
    exit: (code) => channel.exit(code),
    on(signal, onStop) {
      listener = onStop
      return channel.on(signal, () => {
        if (signalled) onStop()
        signalled = true
        stop()
      })
    },
  }
}
