/**
 * A server as a process of its own, for tests that kill it. CRASH_AT names the step of an upload's
 * life at which it kills itself, as `step` or `step:n` for the n-th time; the shipped program has
 * no such switch. CLOCK_AHEAD_MS sets its clock forward.
 */
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'

const [crashAt, times = '1'] = (process.env.CRASH_AT ?? '').split(':')
let ahead = 0
let left = Number(times)

const landfall = await compose(readConfig(process.env), {
  now: () => new Date(Date.now() + ahead),
  at(step) {
    if (step === crashAt && --left === 0) process.kill(process.pid, 'SIGKILL')
  },
})
const { url } = await landfall.listen()
process.send?.({ url })
process.on('message', async ({ sweepAheadMs }: { sweepAheadMs: number }) => {
  ahead = sweepAheadMs
  process.send?.({ swept: await landfall.sweep() })
})
process.on('SIGTERM', async () => {
  await landfall.close()
  process.exit(0)
})
