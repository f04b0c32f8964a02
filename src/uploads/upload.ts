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
  /** Algorithms whose digest of the whole file runs along with the bytes. Default none. */
  digestAlgorithms?: readonly string[]
  /** Default `file`: published when complete. `part` and `session` are held for their whole. */
  purpose?: Upload['purpose']
  /** Whether the last byte ends the upload (default), or only `finish` does. */
  autoFinish?: boolean
  /** Milliseconds from now at which it ends whatever arrives. Default: moves with activity. */
  endsAfterMs?: number
  /** Where the bytes arrive, and where they are when complete. Default: made from the id. */
  keys?: { arriving: string; complete: string }
  /** How a joined upload is put together, as the client wrote it. */
  recipe?: string
  sessionToken?: string
  /** Default: a new one. */
  id?: string
}

/** Ended for good: no byte is taken and none is given. */
export function isEnded(state: UploadState): state is 'rejected' | 'expired' | 'terminated' {
  return state === 'rejected' || state === 'expired' || state === 'terminated'
}

/** Algorithms of every digest that this upload needs, each once. */
export function digestAlgorithmsOf(upload: Upload): string[] {
  const announced = upload.expectedDigest?.split(' ').map((pair) => pair.split(':')[0] ?? '') ?? []
  return [...new Set([...announced, ...(upload.digestAlgorithms?.split(' ') ?? [])])]
}

/** Where the bytes of a complete upload are. */
export function finalKeyOf(upload: Upload): string {
  return upload.finalKey ?? upload.storageKey
}

/** Takes bytes. */
export function isOpen(state: UploadState): state is 'creating' | 'receiving' {
  return state === 'creating' || state === 'receiving'
}
