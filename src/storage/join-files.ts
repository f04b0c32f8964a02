import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { Fault } from '../errors.ts'
import type { IsOurs } from './storage.ts'

/** Arguments given to one program: far below what any system takes, however long the paths are. */
const FILES_A_RUN = 250
const CHUNK_BYTES = 1024 * 1024
/** Of the environment it gets nothing but where programs are. */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' }

export interface JoinOptions {
  /** Whether the bytes are durable when it resolves. */
  sync: boolean
  program?: string
  /** Asked once the target is open. Default: it is. */
  isOurs?: IsOurs | undefined
}

/** Opens a file that is there for writing, if it is ours then; `locked` otherwise. */
export async function openOurs(file: string, isOurs: IsOurs = () => true): Promise<FileHandle> {
  const handle = await open(file, 'r+')
  if (isOurs()) return handle
  await handle.close()
  throw new Fault('locked', { retryAfterSeconds: 1 })
}

/**
 * Appends whole files, in order, to a file that exists. `cat` does it where it can: that of
 * coreutils 9.1 and later has the kernel move the bytes (copy_file_range, which shares them on a
 * file system that knows how to), and no older one costs this process a byte either. Whatever it
 * could not do is done again here, so that an error is one of ours, with its code.
 */
export async function appendFiles(
  target: string,
  sources: readonly string[],
  { sync, program = 'cat', isOurs }: JoinOptions,
): Promise<void> {
  const found = await openOurs(target, isOurs)
  const start = await found.stat().then(
    ({ size }) => size,
    async (error: unknown) => {
      await found.close()
      throw error
    },
  )
  try {
    if (!(await concatenate(program, { target, fresh: found, start }, sources))) {
      await found.truncate(start)
      let at = start
      for (const source of sources) at = await copyInto(found, at, source)
    }
    if (sync) await found.datasync()
  } finally {
    await found.close()
  }
}

async function concatenate(
  program: string,
  { target, fresh, start }: { target: string; fresh: FileHandle; start: number },
  sources: readonly string[],
): Promise<boolean> {
  // A descriptor of ours stands at 0 and cannot be moved; one for appending stands at the end, but
  // rules copy_file_range out.
  const output = start === 0 ? fresh : await open(target, 'a')
  try {
    for (let at = 0; at < sources.length; at += FILES_A_RUN)
      if (!(await run(program, output, sources.slice(at, at + FILES_A_RUN)))) return false
    return true
  } finally {
    if (output !== fresh) await output.close()
  }
}

/** The descriptor's position is shared with the program, so that the next run goes on there. */
async function run(
  program: string,
  output: FileHandle,
  sources: readonly string[],
): Promise<boolean> {
  const child = spawn(program, ['--', ...sources], {
    stdio: ['ignore', output.fd, 'ignore'],
    env: ENVIRONMENT,
  })
  const [code] = await once(child, 'close').catch(() => [null])
  return code === 0
}

async function copyInto(target: FileHandle, start: number, source: string): Promise<number> {
  const from = await open(source, 'r')
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    for (let at = start; ; ) {
      const { bytesRead } = await from.read(buffer, 0, buffer.byteLength, at - start)
      if (bytesRead === 0) return at
      for (let done = 0; done < bytesRead; ) {
        const { bytesWritten } = await target.write(buffer, done, bytesRead - done, at + done)
        done += bytesWritten
      }
      at += bytesRead
    }
  } finally {
    await from.close()
  }
}
