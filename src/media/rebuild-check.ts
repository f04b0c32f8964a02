import { and, asc, eq, gt } from 'drizzle-orm'
import { withRetry } from '../db/retry.ts'
import { mediaFiles, uploads, users } from '../db/schema.ts'
import { toIsoMicros } from '../wire/time.ts'
import { encodeManifest, type Manifest, manifestKey } from './manifest.ts'
import { readManifest } from './manifests.ts'
import type { MediaFile } from './new-record.ts'
import { problemOfSize, type Run } from './rebuild-run.ts'

const PAGE = 100
/** Records that are looked at at the same time. */
const AT_ONCE = 16

/**
 * The other way round: every record has its bytes, and the manifest that says what it says. Names
 * those whose bytes are gone, writes the manifests that are missing or lag behind, and changes the
 * records that do.
 */
export async function checkRecords(run: Run): Promise<void> {
  const { db, sum } = run
  for (let after = 0; ; ) {
    const page = await withRetry(() =>
      db
        .select({ media: mediaFiles, upload: uploads, owner: users })
        .from(mediaFiles)
        .innerJoin(uploads, eq(uploads.id, mediaFiles.uploadId))
        .leftJoin(users, eq(users.id, uploads.ownerId))
        .where(gt(mediaFiles.id, after))
        .orderBy(asc(mediaFiles.id))
        .limit(PAGE),
    )
    for (let at = 0; at < page.length; at += AT_ONCE)
      await Promise.all(page.slice(at, at + AT_ONCE).map((row) => check(run, row)))
    sum.checked += page.length
    run.progress()
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last.media.id
  }
}

/**
 * A change is in the manifest before it is in the record, and outlasts a database that does not
 * sync: the later one of both counts.
 */
async function withLaterChange(
  { db, storage, sum, dryRun }: Run,
  row: Manifest & { media: MediaFile },
): Promise<Manifest> {
  const { id, key, storageKey, updatedAt } = row.media
  const known = (await readManifest(storage, manifestKey(storageKey)))?.media
  if (known?.id !== id || known.key !== key) return row
  if (!(timeOf(known) > timeOf(row.media))) return row
  const changes = {
    name: known.name,
    description: known.description,
    updatedAt: known.updatedAt,
  }
  sum.updated += 1
  if (!dryRun)
    await withRetry(() =>
      db
        .update(mediaFiles)
        .set(changes)
        .where(and(eq(mediaFiles.id, id), eq(mediaFiles.updatedAt, updatedAt))),
    )
  return { ...row, media: { ...row.media, ...changes } }
}

const timeOf = ({ updatedAt }: { updatedAt: string }) => Date.parse(toIsoMicros(updatedAt))

async function check(run: Run, row: Manifest & { media: MediaFile }): Promise<void> {
  const { storage } = run
  const { storageKey, size } = row.media
  const problem = await problemOfSize(storage, storageKey, size)
  if (problem !== null) return run.fail(storageKey, problem)
  if (!run.manifests) return
  const key = manifestKey(storageKey)
  const bytes = encodeManifest(await withLaterChange(run, row))
  if ((await storage.size(key)) === bytes.byteLength) {
    const stored = await storage.readAt(key, 0, bytes.byteLength)
    if (Buffer.compare(stored, bytes) === 0) return
  }
  run.sum.written += 1
  if (!run.dryRun) await storage.put(key, bytes)
}
