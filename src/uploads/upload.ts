import type { uploads } from '../db/schema.ts'

/** One upload as the database knows it. */
export type Upload = typeof uploads.$inferSelect
export type UploadState = Upload['state']

/**
 * The door of files that were there before this server (`landfall import`). Their rows bring the
 * dates of the record along, and nobody is told of them: they are no news.
 */
export const IMPORT_DOOR = 'import'

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
  /** How a joined upload is put together, as the client wrote it, and the parts, in order. */
  recipe?: string
  parts?: readonly string[]
  /** The session that a file goes into; its purpose is `session` then. Default none. */
  sessionToken?: string | undefined
  /** Bytes that it will have at least, reserved while the size is not known. Default 0. */
  reserve?: number
  /** Default: a new one. */
  id?: string
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/

/** What is no id need not be looked for, and Postgres would refuse to. */
export function isUploadId(text: string): boolean {
  return UUID.test(text)
}

/** An upload whose bytes are those of others: nobody sends it any. */
export function isWhole(upload: Upload): boolean {
  return upload.recipe !== null
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
export function finalKeyOf(upload: Pick<Upload, 'storageKey' | 'finalKey'>): string {
  return upload.finalKey ?? upload.storageKey
}

/** Every byte is here, and nobody has to say that it was the last; but it is not complete yet. */
export function hasAllBytes({ state, autoFinish, offset, size, recipe }: Upload): boolean {
  return state === 'receiving' && autoFinish && offset === size && recipe === null
}

/** Takes bytes. Those of an upload that is still `creating` come in the request that creates it. */
export const openStates = ['creating', 'receiving'] as const

export function isOpen(state: UploadState): state is 'creating' | 'receiving' {
  return state === 'creating' || state === 'receiving'
}

/** Its time has run out, whether the sweep has been there or not. */
export function isExpired({ state, expiresAt }: Upload, now: Date): boolean {
  const may = isOpen(state) || state === 'held'
  return may && expiresAt !== null && new Date(expiresAt) <= now
}
