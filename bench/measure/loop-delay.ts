import { readFile, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const monitor = fileURLToPath(new URL('../programs/loop-monitor.cjs', import.meta.url))

/** How late the event loop of a server was, in milliseconds. */
export interface LoopDelay {
  p50: number
  p99: number
  max: number
}

/** What a server needs in its environment to be asked by `takeLoopDelay`. */
export function loopMonitorEnv(program: string, file: string): Record<string, string> {
  return {
    NODE_OPTIONS: `--require ${JSON.stringify(monitor)}`,
    LOOP_MONITOR: file,
    LOOP_MONITOR_PROGRAM: program,
  }
}

/** The delay since the last time that it was asked for. */
export async function takeLoopDelay(pid: number, file: string): Promise<LoopDelay> {
  await rm(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (let left = 500; left > 0; left--) {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text !== undefined) return JSON.parse(text) as LoopDelay
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the server did not tell how late its event loop was')
}
