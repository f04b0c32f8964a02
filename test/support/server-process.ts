/**
 * A server as a process of its own, for tests that kill it. CRASH_AT names the step of an upload's
 * life at which it kills itself, as `step` or `step:n` for the n-th time; the shipped program has
 * no such switch. DIE_AFTER_MS kills it so long after its first line, ready or not.
 * POWER_CUT, the JSON of a PowerCut, kills it too, and leaves what a disk would have kept.
 * LEASE_MS is the time that others wait for it where it is stopped (test/support/freeze.ts).
 * OPAQUE_STORAGE=true gives it objects that cannot be read before they are finished.
 */
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { createFreezer } from './freeze.ts'
import { opaqueStorage } from './opaque-storage.ts'
import { armPowerCut } from './power-cut.ts'

const [crashAt, times = '1'] = (process.env.CRASH_AT ?? '').split(':')
let ahead = 0
let left = Number(times)

if (process.env.DIE_AFTER_MS)
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(process.env.DIE_AFTER_MS))
if (process.env.POWER_CUT) {
  const cut = () => process.kill(process.pid, 'SIGKILL')
  armPowerCut({ ...JSON.parse(process.env.POWER_CUT), cut })
}
const freezer = createFreezer()
const landfall = await compose(readConfig(process.env), {
  now: () => new Date(Date.now() + ahead),
  ...(process.env.LEASE_MS && { leaseMs: Number(process.env.LEASE_MS) }),
  wrapStorage: (disk) =>
    freezer.wrapStorage(process.env.OPAQUE_STORAGE === 'true' ? opaqueStorage(disk) : disk),
  at(step) {
    freezer.at(step)
    if (step === crashAt && --left === 0) process.kill(process.pid, 'SIGKILL')
  },
})
const { url } = await landfall.listen()
const { user, system } = process.cpuUsage()
process.send?.({ url, cpuMs: (user + system) / 1000 })
process.on('message', async (word: { sweepAheadMs: number } | { freezeAt: string }) => {
  if ('freezeAt' in word) {
    freezer.arm(word.freezeAt)
    process.send?.({ armed: true })
    return
  }
  ahead = word.sweepAheadMs
  process.send?.({ swept: await landfall.sweep() })
})
process.on('SIGTERM', async () => {
  await landfall.close()
  process.exit(0)
})
