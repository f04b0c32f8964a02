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

/** Where the bytes of a file are: on this machine, or wherever `read` has them from. */
export type FileBytes =
  | { path: string }
  | {
      /** Fewer bytes than asked for only at the end of the file. Rejects where they cannot be had. */
      read(start: number, length: number): Promise<Uint8Array>
    }

export interface FileFacts {
  size: number
  name: string
  declaredType: string | null
}

export type InspectJob = FileFacts & FileBytes

export interface ThumbnailJob {
  path: string
  /** Pixels. */
  width: number
}

/** One message to a child; the limits travel along, so that a child has no settings of its own. */
export type Job = { maxImagePixels: number } /** Without a path the child asks for the bytes. */ & (
  | ({ kind: 'inspect'; path: string | null } & FileFacts)
  | ({ kind: 'thumbnail' } & ThumbnailJob)
)

/** A child's first message: it takes jobs. */
export interface Awake {
  awake: true
}

/** A child wants bytes of the file of its job. */
export interface Wanted {
  read: number
  start: number
  length: number
}

/** The bytes that it wanted; null where they could not be read. */
export interface Given {
  read: number
  bytes: Uint8Array | null
}

/**
 * The child's answer. `storage`: the bytes could not be read, which says nothing about the file;
 * `file`: they could, and looking at them failed. `spent`: the child wants to be replaced.
 */
export type Reply = { spent: boolean } & (
  | { ok: true; value: Inspection | Uint8Array | null }
  | { ok: false; fault: 'storage' | 'file'; message: string }
)
