import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'

/** What the kernel counts of a process and of everything that it has started. */
export interface TreeUse {
  /** Processor seconds, user and system, of those that have ended as well. */
  cpuSeconds: number
  /** Resident memory now, pages that are shared counted for each. */
  memoryMiB: number
  /** The sum of what each living process had at its own highest point (VmHWM). */
  peakMiB: number
  descriptors: number
}

/** What a process and all that it has started hold in memory now, pages that they share once. */
export async function sharedOnceMiB(pid: number): Promise<number> {
  let total = 0
  for (const one of [pid, ...(await descendants(pid))]) {
    const text = await readFile(`/proc/${one}/smaps_rollup`, 'utf8').catch(() => '')
    total += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024
  }
  return total
}

/** The highest point of one process alone (VmHWM). */
export async function peakOf(pid: number): Promise<number> {
  return (await processUse(pid, 1)).peakMiB
}

let ticksASecond: number | undefined

export async function treeUse(pid: number): Promise<TreeUse> {
  ticksASecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  const total = { cpuSeconds: 0, memoryMiB: 0, peakMiB: 0, descriptors: 0 }
  for (const one of [pid, ...(await descendants(pid))]) {
    const use = await processUse(one, ticksASecond).catch(() => undefined)
    // It may have ended since it was listed: then its time counts for its parent.
    if (use === undefined) continue
    total.cpuSeconds += use.cpuSeconds
    total.memoryMiB += use.memoryMiB
    total.peakMiB += use.peakMiB
    total.descriptors += use.descriptors
  }
  return total
}

/** Runs something and tells what it took of a server's processor time. */
export async function cpuOf<T>(pid: number, work: () => Promise<T>): Promise<[T, number]> {
  const before = await treeUse(pid)
  const result = await work()
  const after = await treeUse(pid)
  return [result, after.cpuSeconds - before.cpuSeconds]
}

async function descendants(root: number): Promise<number[]> {
  const children = new Map<number, number[]>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = await statFields(Number(name)).catch(() => undefined)
    if (fields === undefined) continue
    const parent = Number(fields[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: number[] = []
  const queue = [root]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const below = children.get(at) ?? []
    found.push(...below)
    queue.push(...below)
  }
  return found
}

/** /proc/PID/stat from its third field on: the second, a name, may hold spaces. */
async function statFields(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

async function processUse(pid: number, ticks: number): Promise<TreeUse> {
  const [fields, status, open] = await Promise.all([
    statFields(pid),
    readFile(`/proc/${pid}/status`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ])
  const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0)
  // utime, stime, and cutime, cstime of children that were waited for.
  const spent = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return {
    cpuSeconds: spent / ticks,
    memoryMiB: kib('VmRSS') / 1024,
    peakMiB: kib('VmHWM') / 1024,
    descriptors: open.length,
  }
}
