import type { Uploads } from '../uploads/uploads.ts'
import type { Manifests } from './manifests.ts'
import type { MediaChanges, MediaRepo, MediaRow } from './repo.ts'

export interface UpdateDeps {
  repo: Pick<MediaRepo, 'find' | 'update'>
  uploads: Pick<Uploads<unknown>, 'lock'>
  /** Where every record has a manifest beside its bytes. */
  manifests: Manifests | undefined
}

export type Update = ReturnType<typeof createUpdate>

/**
 * Changes a record, and its manifest before it: what somebody has seen in the list is not lost with
 * the database. Under the upload's lock, so that of two changes the same one is the last in both,
 * and a removal does not pass between them.
 *
 * @returns undefined when the record is gone.
 */
export function createUpdate({ repo, uploads, manifests }: UpdateDeps) {
  return async function update(
    { id, uploadId }: Pick<MediaRow, 'id' | 'uploadId'>,
    changes: MediaChanges,
    now: Date,
  ): Promise<MediaRow | undefined> {
    if (manifests === undefined || Object.keys(changes).length === 0)
      return repo.update(id, changes, now)
    const lock = await uploads.lock(uploadId)
    try {
      const current = await repo.find(id)
      if (current === undefined) return undefined
      await manifests.write({ ...current, ...changes, updatedAt: now.toISOString() })
      const changed = await repo.update(id, changes, now)
      if (changed === undefined) await manifests.forget(current)
      return changed
    } finally {
      lock.release()
    }
  }
}
