// Loaded into a server with `--require`: on SIGUSR2 it writes how late the event loop was since the
// last time, in milliseconds, to the file LOOP_MONITOR. Children of the server leave it alone.
const { writeFileSync } = require('node:fs')
const { monitorEventLoopDelay } = require('node:perf_hooks')
const { isMainThread } = require('node:worker_threads')

/** Node measures from one tick of a timer to the next: what a tick takes by itself is no delay. */
const RESOLUTION = 10

const { LOOP_MONITOR, LOOP_MONITOR_PROGRAM } = process.env
if (LOOP_MONITOR && isMainThread && process.argv[1] === LOOP_MONITOR_PROGRAM) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION })
  histogram.enable()
  const delay = (ns) => Math.max(0, ns / 1e6 - RESOLUTION)
  process.on('SIGUSR2', () => {
    const p99 = delay(histogram.percentile(99))
    const figures = { p50: delay(histogram.percentile(50)), p99, max: delay(histogram.max) }
    histogram.reset()
    writeFileSync(`${LOOP_MONITOR}.new`, JSON.stringify(figures))
    require('node:fs').renameSync(`${LOOP_MONITOR}.new`, LOOP_MONITOR)
  })
}
