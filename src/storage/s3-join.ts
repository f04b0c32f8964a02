import { Fault } from '../errors.ts'
import type { S3Appender } from './s3-append.ts'
import { LEAST_PART_BYTES } from './s3-pieces.ts'
import type { Reading } from './s3-read.ts'

/** An object of the store: where it is, and how long. */
export interface Source {
  key: string
  size: number
}

/** A copy of more takes long enough to be taken for dead. */
const LARGEST_COPY_BYTES = 1024 * 1024 * 1024
/** Objects this small are fetched several at a time. */
const SMALL_BYTES = 128 * 1024
const AT_A_TIME = 8

/**
 * Appends objects of the store, in order. What makes a part of its own the store copies; smaller
 * ones pass through the spool until they are one together.
 */
export async function joinSources(
  appender: S3Appender,
  reading: Reading,
  { sources, copies }: { sources: readonly Source[]; copies: boolean },
): Promise<void> {
  for (let n = 0; n < sources.length; ) {
    const small = runOfSmall(sources, n)
    if (small.length > 0) {
      const bytes = await Promise.all(small.map(({ key, size }) => reading.bytes(key, 0, size)))
      for (const [index, part] of bytes.entries()) await add(appender, part, small[index]?.size)
      n += small.length
      continue
    }
    const source = sources[n++]
    if (source !== undefined) await joinOne(appender, reading, source, copies)
  }
}

function runOfSmall(sources: readonly Source[], from: number): Source[] {
  const next = sources.slice(from, from + AT_A_TIME)
  const end = next.findIndex(({ size }) => size > SMALL_BYTES)
  return end === -1 ? next : next.slice(0, end)
}

async function add(appender: S3Appender, bytes: Uint8Array, size: number | undefined) {
  // Gone between the look at its length and now.
  if (bytes.byteLength !== size) throw new Fault('not-found')
  await appender.write([bytes])
}

async function joinOne(
  appender: S3Appender,
  reading: Reading,
  { key, size }: Source,
  copies: boolean,
): Promise<void> {
  const { pending } = appender
  // What is pending becomes a part, with as much of this object as it lacks for that.
  const lacks = pending === 0 ? 0 : Math.max(0, LEAST_PART_BYTES - pending)
  if (!copies || size - lacks < LEAST_PART_BYTES) return pass(appender, reading, key, 0, size)
  await pass(appender, reading, key, 0, lacks)
  await appender.endPart()
  const count = Math.ceil((size - lacks) / LARGEST_COPY_BYTES)
  const each = Math.ceil((size - lacks) / count)
  for (let at = lacks; at < size; at += each)
    await appender.copy({ key, first: at, last: Math.min(at + each, size) - 1 })
}

async function pass(
  appender: S3Appender,
  reading: Reading,
  key: string,
  start: number,
  size: number,
): Promise<void> {
  if (size === 0) return
  let seen = 0
  for await (const chunk of reading.stream(key, { start, end: start + size - 1 })) {
    const bytes = chunk as Buffer
    seen += bytes.byteLength
    await appender.write([bytes])
  }
  if (seen !== size) throw new Fault('not-found')
}
