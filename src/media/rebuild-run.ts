import type { Database } from '../db/database.ts'
import type { Storage } from '../storage/storage.ts'
import type { Owners } from './rebuild-owners.ts'
import type { RebuildProblem } from './rebuild-problems.ts'

export interface RebuildOptions {
  /** Changes nothing. Default false. */
  dryRun?: boolean
  /** Reads the bytes of every file whose record is made, where there is a digest. Default false. */
  verify?: boolean
  /** Awaited before the first change. Not called in a dry run. */
  onStart?: () => Promise<void>
  /** Called with the key of a manifest, or of bytes that a record has lost. */
  onProblem: (key: string, problem: RebuildProblem) => void
  /** Called now and then, with how many manifests and records were looked at. */
  onProgress?: (done: number) => void
}

export interface Rebuilt {
  /** Manifests. */
  found: number
  /** Records made of them. */
  made: number
  present: number
  removed: number
  unsubmitted: number
  users: number
  /** Records that are there now, in a dry run those that were before. */
  checked: number
  /** Records that lagged behind their manifests. */
  updated: number
  /** Manifests written for records that had none, or one that lagged behind. */
  written: number
  failed: number
}

export interface RebuildDeps {
  db: Database
  storage: Storage
  now: () => Date
  /** Whether every record has a manifest beside its bytes: those that lack one get it. */
  manifests: boolean
}

/** What the steps of a rebuild share. */
export interface Run extends RebuildDeps {
  owners: Owners
  /** Tokens of open sessions that have a file with a manifest. */
  sessions: Set<string>
  verify: boolean
  dryRun: boolean
  sum: Rebuilt
  fail(key: string, problem: RebuildProblem): void
  progress(): void
}

/** Whether the bytes of a file are there. */
export async function problemOfSize(
  storage: Storage,
  storageKey: string,
  size: number,
): Promise<RebuildProblem | null> {
  const stored = await storage.size(storageKey)
  if (stored === null) return 'bytes-missing'
  return stored === size ? null : 'size-differs'
}
