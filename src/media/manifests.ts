import { eq, inArray, sql } from 'drizzle-orm'
import { type Database, rows } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { mediaFiles, uploads, users } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { Upload } from '../uploads/upload.ts'
import {
  encodeManifest,
  MAX_MANIFEST_BYTES,
  type Manifest,
  type ManifestOwner,
  manifestKey,
  parseManifest,
} from './manifest.ts'
import type { MediaFile } from './new-record.ts'
import { passBy } from './rebuild-owners.ts'

/** Manifests that are read or written at the same time. */
const AT_ONCE = 16

/** A record that is about to be inserted, with the upload that it is made of. */
export interface Announced {
  upload: Upload
  record: Omit<MediaFile, 'id'>
}

/**
 * The manifests beside the bytes. One is written before the statement that makes or changes its
 * record, so that whatever the list has shown is in a manifest; one without a record belongs to an
 * upload that is still to be published, and is written anew with it.
 */
export interface Manifests {
  /**
   * Draws the ids that the records will have and stores a manifest for each. All files have the
   * same owner. Where an upload has a manifest already, its record becomes what that says: it may
   * have been published before the database forgot it, and somebody may know its URL.
   *
   * @param tx the transaction that will insert the records
   */
  announce(tx: Database, files: readonly Announced[]): Promise<MediaFile[]>
  /** Stores the manifest of a record as it is, or is about to be. */
  write(file: MediaFile): Promise<void>
  /** Removes the manifest of a record that is gone. */
  forget(file: Pick<MediaFile, 'storageKey'>): Promise<void>
}

export function createManifests(deps: {
  db: Database
  storage: Pick<Storage, 'put' | 'get' | 'remove'>
  /** Called between manifests and transaction: a step at which fault tests kill the process. */
  onStored?: () => void
}): Manifests {
  const { db, storage } = deps

  const store = (media: MediaFile, upload: Upload, owner: ManifestOwner | null) =>
    storage.put(manifestKey(media.storageKey), encodeManifest({ media, upload, owner }))

  /** What manifests say of the records of these uploads; an id only where it can be had. */
  async function announcedBefore(
    tx: Database,
    files: readonly Announced[],
  ): Promise<(Partial<MediaFile> | undefined)[]> {
    const found: (Manifest['media'] | undefined)[] = []
    for (let at = 0; at < files.length; at += AT_ONCE) {
      const batch = files.slice(at, at + AT_ONCE).map(async ({ upload, record }) => {
        const manifest = await readManifest(storage, manifestKey(record.storageKey))
        const same = manifest?.upload.id === upload.id && manifest.media.size === record.size
        return same ? manifest.media : undefined
      })
      found.push(...(await Promise.all(batch)))
    }
    const ids = found.flatMap((media) => media?.id ?? [])
    if (ids.length === 0) return found
    // First, so that from here on nobody draws one of them.
    await passBy(tx, 'media_files', Math.max(...ids))
    const rows = await tx
      .select({ id: mediaFiles.id })
      .from(mediaFiles)
      .where(inArray(mediaFiles.id, ids))
    const taken = new Set(rows.map(({ id }) => id))
    return found.map((media) => {
      if (media === undefined) return undefined
      const { id, key, name, description, createdAt, updatedAt } = media
      const known = { key, name, description, createdAt, updatedAt }
      if (taken.has(id)) return known
      taken.add(id)
      return { ...known, id }
    })
  }

  return {
    async announce(tx, files) {
      const before = await announcedBefore(tx, files)
      const ownerId = files[0]?.upload.ownerId ?? null
      const drawn = await rows<{ id: number | string } & ManifestOwner>(
        tx,
        sql`select nextval(pg_get_serial_sequence('media_files', 'id')) as id,
          username, first_name as "firstName", last_name as "lastName"
        from generate_series(1, ${files.length}::int)
        left join users on users.id = ${ownerId}::int`,
      )
      const numbered = files.map(({ upload, record }, at) => {
        const { id, ...names } = drawn[at] ?? missing()
        const owner = ownerId === null ? null : { ...names, id: ownerId }
        // Publishing changes the upload too: the manifest says what its row will.
        const after = { ...upload, updatedAt: record.updatedAt }
        return { upload: after, owner, file: { ...record, id: Number(id), ...before[at] } }
      })
      for (let at = 0; at < numbered.length; at += AT_ONCE) {
        const batch = numbered.slice(at, at + AT_ONCE)
        const stored = await Promise.allSettled(
          batch.map(({ file, upload, owner }) => store(file, upload, owner)),
        )
        // Not before all of them have ended: none is to be written behind the caller's back.
        const failed = stored.find(({ status }) => status === 'rejected')
        if (failed?.status === 'rejected') throw failed.reason
      }
      deps.onStored?.()
      return numbered.map(({ file }) => file)
    },

    async write(file) {
      const [found] = await withRetry(() =>
        db
          .select({ upload: uploads, owner: users })
          .from(uploads)
          .leftJoin(users, eq(users.id, uploads.ownerId))
          .where(eq(uploads.id, file.uploadId)),
      )
      const { upload, owner } = found ?? missing()
      await store(file, upload, owner)
    },

    forget: ({ storageKey }) => storage.remove(manifestKey(storageKey)),
  }
}

/** Null where there is none, or none that can be read and speaks of the bytes beside it. */
export async function readManifest(
  storage: Pick<Storage, 'get'>,
  key: string,
): Promise<Manifest | null> {
  try {
    const bytes = await storage.get(key, MAX_MANIFEST_BYTES)
    return bytes === null ? null : parseManifest(bytes, key)
  } catch (error) {
    // A file that cannot be read is one that cannot be helped; the next one may be well.
    if (error instanceof Fault) return null
    throw error
  }
}

function missing(): never {
  throw new Error('a row that must be there is not')
}
