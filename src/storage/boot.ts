import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

export interface Boot {
  /**
   * Whether the machine has run through since the last start on this folder. If so, what a killed
   * process wrote is in the page cache and the length of a file is true. After a reboot a length
   * may count bytes that never reached the disk.
   */
  same: boolean
  /** To be called when recovery is done: before that, a crash must not make lengths trusted. */
  remember(): Promise<void>
}

/** Where the kernel gives no boot id (not Linux), every start counts as one after a reboot. */
export async function readBoot(
  folder: string,
  source = '/proc/sys/kernel/random/boot_id',
): Promise<Boot> {
  const file = path.join(folder, 'boot-id')
  const now = await readFile(source, 'utf8').catch(() => null)
  const last = await readFile(file, 'utf8').catch(() => null)
  return {
    same: now !== null && now === last,
    async remember() {
      if (now !== null) await writeFile(file, now)
    },
  }
}
