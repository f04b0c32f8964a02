import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'

/** What the kernel counts of a process. */
export interface Vitals {
  descriptors: number
  /** Resident memory now. */
  memoryMiB: number
  /** Seconds of processor time so far, without its children. */
  cpuSeconds: number
}

let ticksASecond: number | undefined

export async function vitalsOf(pid: number): Promise<Vitals> {
  ticksASecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  const [descriptors, status, stat] = await Promise.all([
    readdir(`/proc/${pid}/fd`),
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
  ])
  // The name of the program may hold spaces: fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    descriptors: descriptors.length,
    memoryMiB: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksASecond,
  }
}
