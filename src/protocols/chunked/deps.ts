import type { Context, MiddlewareHandler } from 'hono'
import type { Log } from '../../telemetry/log.ts'
import type { Uploads } from '../../uploads/uploads.ts'
import type { Env } from '../env.ts'

/** The settings that begin with CHUNKED_. */
export interface ChunkedSettings {
  /** Where the door stands, without a slash at the end. */
  path: string
  /** A strftime pattern: the folder in which an upload's bytes arrive and stay. */
  storagePath: string
  /** An algorithm of node:crypto; the field of the digest has its name. */
  checksum: string
  /** The form field of the chunk. */
  fieldName: string
  /** Bytes of the largest upload; null for no limit. */
  maxBytes: number | null
  /** False: every user reaches every upload of this door. */
  userRestricted: boolean
  completeExt: string
  incompleteExt: string
  /** Milliseconds from its creation in which an upload must be complete. */
  expirationMs: number
}

/** What a client is told of a file that was made of an upload. */
export interface PublishedFile {
  id: number
  uploadId: string
  createdAt: string
}

export interface ChunkedDeps<P extends PublishedFile> {
  uploads: Uploads<P>
  settings: ChunkedSettings
  authenticate: MiddlewareHandler<Env>
  /** Refuses who may not upload at all, before anything of the body is read. */
  permitted: MiddlewareHandler<Env>
  /** The files that were made of these uploads, in no order. */
  filesOf: (uploadIds: string[]) => Promise<P[]>
  urlOf: (file: P, origin: string) => string
  /** Scheme and host for absolute URLs. */
  originOf: (c: Context<Env>) => string
  /** Milliseconds without a byte after which a body counts as dead. */
  idleMs: number
  now: () => Date
  newId: () => string
  log: Pick<Log, 'warn'>
}
