import { access, readFile, readlink } from 'node:fs/promises'

/** What tells one process from every other one, also from a later one with the same number. */
export interface ProcessIdentity {
  /** The machine since its last start, and the process namespace in it; null where unknown. */
  host: string | null
  pid: number
  /** Ticks from the start of the machine to that of the process; null where unknown. */
  pidStart: string | null
}

/** Only Linux tells. Elsewhere a server that was killed is known as dead when its lease ends. */
export async function identifyProcess(): Promise<ProcessIdentity> {
  const { pid } = process
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
    // Containers share the boot id, and number their processes each for itself.
    const namespace = await readlink('/proc/self/ns/pid')
    // Mounted with hidepid, it shows no process of another user: what is not there may well run.
    await access('/proc/1/stat')
    return { host: `${boot} ${namespace}`, pid, pidStart: await startOf(pid) }
  } catch {
    return { host: null, pid, pidStart: null }
  }
}

/** True only where it is certain: the other one was on this machine, and does not run any more. */
export async function hasEnded(other: ProcessIdentity, own: ProcessIdentity): Promise<boolean> {
  if (own.host === null || other.host !== own.host || other.pidStart === null) return false
  try {
    return (await startOf(other.pid)) !== other.pidStart
  } catch {
    // That we cannot look, for want of descriptors or of rights, says nothing about it.
    return false
  }
}

/**
 * Null where no such process runs; one that was killed and not yet collected does not run. Rejects
 * where that cannot be told.
 */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(noneOf)
  if (stat === null) return null
  // The name of the program, in parentheses, may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  if (state === 'Z' || state === 'X') return null
  const [start] = fields.slice(19)
  if (start === undefined) throw new Error('the kernel tells no start of a process')
  return start
}

/** ESRCH: it ended while its file was read. */
function noneOf(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ESRCH') return null
  throw error
}
