import { and, asc, gt, inArray, ne } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { uploads } from '../db/schema.ts'
import type { Storage } from '../storage/storage.ts'
import { finalKeyOf, type Upload } from '../uploads/upload.ts'
import { type Manifest, manifestKey } from './manifest.ts'
import { readManifest } from './manifests.ts'
import { passBy } from './rebuild-owners.ts'
import { makeRecord, standingOf } from './rebuild-record.ts'
import { problemOfSize } from './rebuild-run.ts'
import { resubmit } from './rebuild-session.ts'

const PAGE = 500
/** Manifests that are looked for at the same time. */
const AT_ONCE = 16

export interface AnnouncedDeps {
  db: Database
  storage: Storage
  log: { warn(fields: object, message: string): void }
}

/**
 * At the first start after a reboot, before the sweep. A database that does not sync comes back
 * from a power cut as it was some seconds before: an upload that was published may be unfinished
 * again, while its bytes and its manifest are there. The sweep would end it, or publish it as
 * something new. Here it becomes the record that it was, and listeners are told of it, since a
 * crash before the record has told nobody.
 *
 * @returns the number of records that were made.
 */
export async function publishAnnounced({ db, storage, log }: AnnouncedDeps): Promise<number> {
  const tokens = new Set<string>()
  let made = 0
  const hasBytes = async ({ media, upload }: Manifest) =>
    (await problemOfSize(storage, finalKeyOf(upload), media.size)) === null

  async function look(row: Upload): Promise<void> {
    const key = manifestKey(finalKeyOf(row))
    const manifest = await readManifest(storage, key)
    if (manifest?.upload.id !== row.id || !(await hasBytes(manifest))) return
    const standing = standingOf(manifest, row, false)
    if (standing === 'unsubmitted' && row.sessionToken !== null) tokens.add(row.sessionToken)
    if (standing !== 'unpublished') return
    await withRetry(() => passBy(db, 'media_files', manifest.media.id))
    const file = { ownerId: row.ownerId, events: true }
    if (await makeRecord(db, manifest, file)) made += 1
    else log.warn({ key }, 'a manifest has no record: something else has its key')
  }

  for (let after: string | null = null; ; ) {
    const page: Upload[] = await pageAfter(db, after)
    for (let at = 0; at < page.length; at += AT_ONCE)
      await Promise.all(page.slice(at, at + AT_ONCE).map(look))
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    after = last.id
  }
  for (const token of tokens)
    made += await resubmit({ db, storage, hasBytes, events: true, dryRun: false }, token)
  return made
}

function pageAfter(db: Database, after: string | null): Promise<Upload[]> {
  return withRetry(() =>
    db
      .select()
      .from(uploads)
      .where(
        and(
          inArray(uploads.state, ['creating', 'receiving', 'complete', 'held']),
          ne(uploads.purpose, 'part'),
          after === null ? undefined : gt(uploads.id, after),
        ),
      )
      .orderBy(asc(uploads.id))
      .limit(PAGE),
  )
}
