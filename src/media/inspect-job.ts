import type { MediaType } from './file-types.ts'

/** What a finished file is, and what its header says where it is an image. */
export interface Inspection {
  type: MediaType
  mimeType: string
  width: number | null
  height: number | null
  mode: string | null
  /** The image's header promises more pixels than MAX_IMAGE_PIXELS; nothing was decoded. */
  tooManyPixels: boolean
}

export interface InspectJob {
  path: string
  size: number
  name: string
  declaredType: string | null
}

export interface ThumbnailJob {
  path: string
  /** Pixels. */
  width: number
}

/** One message to a child; the limits travel along, so that a child has no settings of its own. */
export type Job = { maxImagePixels: number } & (
  | ({ kind: 'inspect' } & InspectJob)
  | ({ kind: 'thumbnail' } & ThumbnailJob)
)

/**
 * The child's answer. `storage`: the bytes could not be read, which says nothing about the file;
 * `file`: they could, and looking at them failed. `spent`: the child wants to be replaced.
 */
export type Reply = { spent: boolean } & (
  | { ok: true; value: Inspection | Uint8Array | null }
  | { ok: false; fault: 'storage' | 'file'; message: string }
)
