import { readFileSync } from 'node:fs'
import { type ByteSource, bounded, openFile } from './bytes.ts'
import { detect } from './detect.ts'
import { readImage } from './image.ts'
import type { Awake, FileFacts, Given, Inspection, Job, Reply } from './inspect-job.ts'
import { createRemoteBytes } from './remote-bytes.ts'
import { renderThumbnail } from './thumbnail.ts'

/**
 * The process that looks at files. It belongs to one parent, works on one job at a time, and may
 * die of a job at any moment: nothing here is needed by anyone else.
 */

/** Milliseconds between two looks at the memory in use. */
const memoryCheckMs = 50

const memoryLimitBytes = Number(process.argv[2])

const remote = createRemoteBytes((wanted) => process.send?.(wanted))

const inspect = async (
  source: ByteSource,
  job: FileFacts & { maxImagePixels: number },
): Promise<Inspection> => {
  const kind = await detect(source, job)
  if (kind.type !== 'image') {
    return { ...kind, width: null, height: null, mode: null, tooManyPixels: false }
  }
  return { ...kind, ...(await readImage(bounded(source), kind.mimeType, job.maxImagePixels)) }
}

const work = async (job: Job): Promise<Inspection | Uint8Array | null> => {
  if (job.kind === 'thumbnail') {
    const image = await openFile(job.path)
    return renderThumbnail(image, job.path, job.width, job.maxImagePixels).finally(image.close)
  }
  const file = job.path === null ? remote.open(job.size) : await openFile(job.path)
  try {
    return await inspect({ size: Math.min(file.size, job.size), read: file.read }, job)
  } finally {
    await file.close()
  }
}

/** An error of the system (ENOENT, EIO) says nothing about the file. */
const isSystemError = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && 'errno' in error

/**
 * The most memory that was ever resident, where the kernel tells (Linux), else 0. Not getrusage's
 * figure: that one begins with what the parent had when it forked.
 */
const peakMemory = (): number => {
  try {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return Number(peak?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

const answer = async (job: Job): Promise<Reply> => {
  let result: { ok: true; value: Inspection | Uint8Array | null } | { ok: false; error: unknown }
  try {
    result = { ok: true, value: await work(job) }
  } catch (error) {
    result = { ok: false, error }
  }
  // A peak between two looks counts all the same.
  if (peakMemory() > memoryLimitBytes) process.kill(process.pid, 'SIGKILL')
  // What one image left behind must not count against the next.
  const spent = process.memoryUsage.rss() > memoryLimitBytes / 2
  if (result.ok) return { ...result, spent }
  const { error } = result
  const fault = isSystemError(error) ? 'storage' : 'file'
  return { ok: false, fault, message: error instanceof Error ? error.message : 'unknown', spent }
}

process.on('message', (message: Job | Given) => {
  if ('read' in message) remote.given(message)
  else void answer(message).then((reply) => process.send?.(reply))
})

// Whoever has a job for it waits for this: until here no file can be to blame for anything.
process.send?.({ awake: true } satisfies Awake)

// A parent that is gone, killed or not, leaves no children behind.
process.on('disconnect', () => process.exit(0))

// Decoders allocate in their own threads, outside of V8: only the process as a whole can tell.
setInterval(() => {
  if (process.memoryUsage.rss() > memoryLimitBytes) process.kill(process.pid, 'SIGKILL')
}, memoryCheckMs).unref()
