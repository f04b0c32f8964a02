import type { uploads } from '../db/schema.ts'

/** One upload as the database knows it. */
export type Upload = typeof uploads.$inferSelect
export type UploadState = Upload['state']

/** What a door says when it begins an upload. */
export interface NewUpload {
  /** The door's name, for metrics: `tus`, `multipart`, … */
  door: string
  /** Total bytes, or null while that is not known. */
  size: number | null
  /** The name people see. A label only, never part of a path. Default `''`. */
  filename?: string
  /** MIME type the client claims. Default null. */
  declaredType?: string | null
  description?: string
  /** Kept byte for byte, for the door to give back. Default null. */
  metadata?: string | null
  /** Digests of the whole file, `algorithm:hex`, space-separated. Verified at the end. */
  expectedDigest?: string | null
  /** When the upload ends if nothing more arrives; default: the configured time from now. */
  id?: string
}

/** Ended for good: no byte is taken and none is given. */
export function isEnded(state: UploadState): state is 'rejected' | 'expired' | 'terminated' {
  return state === 'rejected' || state === 'expired' || state === 'terminated'
}

/** Takes bytes. */
export function isOpen(state: UploadState): state is 'creating' | 'receiving' {
  return state === 'creating' || state === 'receiving'
}
