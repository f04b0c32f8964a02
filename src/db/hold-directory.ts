import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import path from 'node:path'

/** macOS takes the lock while opening; the number is from its <fcntl.h> (O_EXLOCK). */
const O_EXLOCK = 0x20

/**
 * Makes this process the only one that uses a directory, through a lock that the kernel frees when
 * the process ends in whatever way, kill -9 included.
 *
 * Node has no flock(2). On Linux the `flock` program (util-linux, busybox) takes the lock on a
 * descriptor that it inherits from us: the lock belongs to the open file, which we keep, not to the
 * program, which exits at once.
 */
export async function holdDirectory(directory: string): Promise<{ release(): Promise<void> }> {
  const file = path.join(directory, 'lock')
  const handle =
    process.platform === 'darwin' ? await openLocked(file, directory) : await open(file, 'a')
  if (process.platform !== 'darwin') await lockDescriptor(handle, directory)
  return { release: () => handle.close() }
}

function inUse(directory: string): Error {
  return new Error(
    `Another Landfall is using ${directory}. The embedded database belongs to one process: stop ` +
      'the other one, choose another DATA_DIR, or set DATABASE_URL to run several.',
  )
}

async function openLocked(file: string, directory: string): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK
  return open(file, flags).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EAGAIN' ? inUse(directory) : error
  })
}

async function lockDescriptor(handle: FileHandle, directory: string): Promise<void> {
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn('flock', ['-x', '-n', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', handle.fd],
    })
    child.once('error', reject)
    child.once('close', resolve)
  }).catch(async (cause) => {
    await handle.close()
    throw new Error(
      'The embedded database needs the `flock` program (package util-linux or busybox) to keep a ' +
        'second process out of DATA_DIR. Install it, or set DATABASE_URL.',
      { cause },
    )
  })
  if (code === 0) return
  await handle.close()
  throw inUse(directory)
}
