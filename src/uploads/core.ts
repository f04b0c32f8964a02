import type { Actor } from '../auth/actor.ts'
import { can } from '../auth/can.ts'
import type { Storage } from '../storage/storage.ts'
import type { Digester } from '../streams/digest.ts'
import type { CreationRate } from './creation-rate.ts'
import type { HeldLock, Lock } from './lock.ts'
import type { UploadsRepo } from './repo.ts'
import { largestSessionFile, type SessionLimits } from './session-rules.ts'
import type { Upload } from './upload.ts'

/**
 * The points of the order of steps at which a process may die (docs/reliability.md). Production
 * passes nothing here; the fault tests pass a function that kills the process.
 */
export type Step =
  | 'row-inserted'
  | 'object-created'
  | 'receiving'
  | 'attempt-recorded'
  | 'bytes-written'
  | 'bytes-synced'
  | 'offset-recorded'
  | 'parts-recorded'
  | 'joining'
  | 'joined'
  | 'complete'
  | 'inspected'
  | 'manifest-stored'
  | 'published'
  | 'state-ended'
  | 'bytes-removed'

export type UploadOutcome = 'created' | 'published' | 'rejected' | 'expired' | 'terminated'

export interface Limits {
  /** Bytes of the largest upload; null for no limit. */
  maxSize: number | null
  /** Milliseconds after its last byte that an unfinished upload ends. */
  expiresAfterMs: number
  /** Milliseconds without a byte after which a body is cut. */
  idleMs: number
  anonymousUploads: boolean
  /** Digests that every upload gets (MEDIA_DIGEST). */
  digestAlgorithms: readonly string[]
  sessions: SessionLimits
}

/** What happens to a finished upload is not the core's business: compose hands it in. */
export interface Hooks<P> {
  /**
   * Publishes a complete upload, exactly once however often it is called. `attempt` is awaited
   * before each inspection: it counts the try, and rejects when the file has had its tries.
   *
   * @param digests lower-case hex by algorithm, of all that the upload asked for.
   * @returns null where the upload is held for something larger instead.
   */
  onFinished(
    upload: Upload,
    attempt: () => Promise<void>,
    digests: Record<string, string>,
  ): Promise<P | null>
  /**
   * Whether the first try is counted in the statement that makes an upload complete (default).
   * False where something long comes before the first inspection: what is lost then was no try.
   */
  countsTryWhenComplete?: boolean
  /** What was published from an upload before. */
  findPublished(uploadId: string): Promise<P | null>
  /** Takes back what was published, the upload's state with it, in one transaction. */
  unpublish(upload: Upload): Promise<void>
  /** Refuses by the declared name and type, before a byte is sent. Throws the Fault. */
  screenDeclared(facts: Pick<Upload, 'filename' | 'declaredType' | 'purpose'>): void
  /** Refuses by the first bytes. Undefined when everything is accepted, to save the look. */
  screenPrefix?(prefix: Uint8Array, upload: Upload): Promise<void>
  /** Keys of what lies beside the bytes (manifest, thumbnails), removed along with them. */
  derivedKeys(storageKey: string): string[]
}

/** What the functions of this folder share. */
export interface Core<P> {
  repo: UploadsRepo
  storage: Storage
  lock: Lock
  digester: Digester
  limits: Limits
  hooks: Hooks<P>
  creationRate: CreationRate
  now: () => Date
  newId: () => string
  /** Fires when the process is about to stop: bodies are let go with what they brought. */
  stopping: AbortSignal
  at: (step: Step) => void
  meter: {
    ended(door: string, outcome: UploadOutcome): void
    received(door: string, bytes: number): void
    publishedIn(seconds: number): void
  }
  log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
}

/** Whether this actor may know of the upload, and with that go on with it or end it. */
export function mayAccess(
  core: Core<unknown>,
  actor: Actor,
  { ownerId }: Upload,
  shared = false,
): boolean {
  return can(actor, { action: 'upload:access', ownerId, shared }, core.limits.anonymousUploads)
}

/** Bytes of the largest upload of this purpose. */
export function largestOf({ limits }: Core<unknown>, { purpose }: Pick<Upload, 'purpose'>): number {
  const most = limits.maxSize ?? Number.MAX_SAFE_INTEGER
  return purpose === 'session' ? Math.min(most, largestSessionFile(limits.sessions)) : most
}

/** Proof at run time of what the type promises: the lock is this upload's. */
export function assertHeld(lock: HeldLock, upload: Upload): void {
  if (lock.id !== upload.id) throw new Error('the lock of another upload was passed')
}

/** When an upload that was active now ends; a fixed end stays where it is. */
export function expiryFrom(core: Core<unknown>, upload: Upload, now: Date): string | null {
  if (upload.fixedExpiry) return upload.expiresAt
  return new Date(now.getTime() + core.limits.expiresAfterMs).toISOString()
}
