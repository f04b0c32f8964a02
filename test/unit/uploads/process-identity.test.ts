import { expect, it } from 'vitest'
import { hasEnded, identifyProcess } from '../../../src/uploads/process-identity.ts'

const onLinux = it.runIf(process.platform === 'linux')

onLinux('knows a process that runs, and one that had its number before', async () => {
  const own = await identifyProcess()
  expect(await hasEnded(own, own)).toBe(false)
  expect(await hasEnded({ ...own, pidStart: '1' }, own)).toBe(true)
  expect(await hasEnded({ ...own, host: 'another machine', pidStart: '1' }, own)).toBe(false)
})

onLinux('calls no process ended that it cannot look at', async () => {
  const own = await identifyProcess()
  // Too long for a file name: an error that is not the absence of the process.
  const pid = Number(`1${'0'.repeat(300)}`)
  expect(await hasEnded({ ...own, pid: pid, pidStart: '1' }, own)).toBe(true)
  const name = { toString: () => 'x'.repeat(5000) } as unknown as number
  expect(await hasEnded({ ...own, pid: name, pidStart: '1' }, own)).toBe(false)
})
