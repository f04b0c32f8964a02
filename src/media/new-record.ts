import type { mediaFiles } from '../db/schema.ts'
import { finalKeyOf, IMPORT_DOOR, type Upload } from '../uploads/upload.ts'
import type { Inspection } from './inspect-job.ts'

/** A row of media_files. */
export type MediaFile = typeof mediaFiles.$inferSelect

/** What was found out about the bytes of a file, as far as its record has it. */
export type Findings = Pick<MediaFile, 'type' | 'mimeType' | 'width' | 'height' | 'mode' | 'digest'>

/** @param digests lower-case hex by algorithm */
export function findings(found: Inspection, { sha256 }: Record<string, string>): Findings {
  const { type, mimeType, width, height, mode } = found
  const digest = sha256 === undefined ? null : `sha256:${sha256}`
  return { type, mimeType, width, height, mode, digest }
}

/** The record of an upload, before the database has given it an id. */
export function newRecord(
  upload: Upload,
  found: Findings,
  deps: { now: () => Date; newKey: () => string },
): Omit<MediaFile, 'id'> {
  const now = deps.now().toISOString()
  const { createdAt, updatedAt } =
    upload.door === IMPORT_DOOR ? upload : { createdAt: now, updatedAt: now }
  return {
    ...found,
    uploadId: upload.id,
    key: deps.newKey(),
    storageKey: finalKeyOf(upload),
    userId: upload.ownerId,
    name: upload.title ?? upload.filename,
    description: upload.description,
    size: upload.offset,
    createdAt,
    updatedAt,
  }
}
