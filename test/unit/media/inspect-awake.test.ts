import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, it } from 'vitest'
import {
  childModuleNextTo,
  startProcess,
  type WorkerProcess,
} from '../../../src/media/inspect-process.ts'

let child: WorkerProcess
afterEach(() => child.kill())

const inspectModule = new URL('../../../src/media/inspect.ts', import.meta.url).href

it('a child that is asked again and again leaves nothing of it behind', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  child = startProcess({
    module: childModuleNextTo(inspectModule),
    memoryLimitBytes: 512 * 1024 * 1024,
  })
  expect(await child.awake(20_000)).toBe(true)
  const ask = async () => {
    for (let n = 0; n < 20_000; n++) await child.awake(20_000)
  }
  await ask()
  const before = heap()
  await ask()
  // One closure for each would be more than 1.5 MB.
  expect(heap() - before).toBeLessThan(1_000_000)
})
