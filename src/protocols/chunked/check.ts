import { Fault, type Reason } from '../../errors.ts'
import type { Upload } from '../../uploads/upload.ts'
import { type ContentRange, parseContentRange } from '../../wire/content-range.ts'
import { printable } from '../multipart/filename.ts'
import type { Chunk } from './chunk.ts'
import {
  badRange,
  nameTooLong,
  offsetsDiffer,
  overLimit,
  pastTotal,
  sizeDiffers,
  totalsDiffer,
} from './words.ts'

/** Characters of a file name, as the source's models have it. */
const MAX_NAME = 255

export const sizeOf = ({ start, end }: ContentRange) => end - start + 1

/** The range of a chunk, in the source's order of checks: its form, its end, the limit. */
export function requireRange(header: string | undefined, maxBytes: number | null): ContentRange {
  const range = header === undefined ? null : parseContentRange(header)
  if (range === null) throw badRange()
  if (range.end >= range.total) throw pastTotal(range.total)
  if (maxBytes !== null && range.total > maxBytes) throw overLimit(maxBytes)
  return range
}

/** For a chunk whose size its request tells; the others are counted. */
export function requireLength({ length }: Chunk, size: number | null): void {
  if (size !== null && length !== null && length !== size) throw sizeDiffers(length, size)
}

/** @param range null: the chunk is the whole file */
export function requirePlace(upload: Upload, range: ContentRange | null): void {
  const start = range?.start ?? 0
  if (upload.offset !== start) throw offsetsDiffer(upload.offset, start)
  if (range !== null) requireTotal(upload, range.total)
}

export function requireTotal({ size }: Upload, total: number): void {
  if (size !== null && size !== total) throw totalsDiffer(size, total)
}

/** The field `filename`, or else the file's own name; cut where it is too long to be stored. */
export function nameOf({ fields, filename }: Chunk): string {
  const name = printable(fields.get('filename') ?? '') || filename
  return Array.from(name)
    .slice(0, MAX_NAME + 1)
    .join('')
}

export function requireName(chunk: Chunk): string {
  const name = nameOf(chunk)
  if (Array.from(name).length > MAX_NAME) throw nameTooLong(MAX_NAME)
  return name
}

/** Faults that say something of the upload or of the length of the chunk. */
const AFTER_SIZE: ReadonlySet<Reason> = new Set([
  'bad-request',
  'not-found',
  'upload-ended',
  'too-large',
])

/**
 * The source reads all of a chunk before it looks at the upload, and says first that its size is
 * not the one reported. So is it here, without keeping a byte; it also lets a client that is still
 * sending hear the answer. Gives what to answer with.
 *
 * @param size the reported one, null where there is none
 */
export async function sizeFirst(
  chunk: Chunk,
  size: number | null,
  maxBytes: number | null,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof Fault && AFTER_SIZE.has(error.reason))) return error
  const tooLarge = error.reason === 'too-large'
  if (size === null) return tooLarge && maxBytes !== null ? overLimit(maxBytes) : error
  const found = await chunk.count(size)
  if (found === null) return tooLarge ? sizeDiffers(null, size) : error
  return found === size ? error : sizeDiffers(found, size)
}
