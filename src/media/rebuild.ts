import { createHash } from 'node:crypto'
import { gt, inArray, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { mediaFiles, servers, uploads } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { Storage } from '../storage/storage.ts'
import { finalKeyOf } from '../uploads/upload.ts'
import { MANIFEST_ENDING, type Manifest, manifestKey } from './manifest.ts'
import { readManifest } from './manifests.ts'
import { checkRecords } from './rebuild-check.ts'
import { createOwners, passBy } from './rebuild-owners.ts'
import type { RebuildProblem } from './rebuild-problems.ts'
import { makeRecord, standingOf } from './rebuild-record.ts'
import {
  problemOfSize,
  type RebuildDeps,
  type RebuildOptions,
  type Rebuilt,
  type Run,
} from './rebuild-run.ts'
import { resubmit } from './rebuild-session.ts'

export type { RebuildOptions, Rebuilt } from './rebuild-run.ts'

/** Manifests that are read, and records that are made, at the same time. */
const AT_ONCE = 16

/**
 * Makes the records again from the manifests beside the bytes, on a database that is empty or has
 * some of them, and after that the manifests of records that have none. No server may be at work.
 * It can be killed and run again: what is there is left as it is.
 *
 * @throws Fault `locked` where a server is at work, and others where neither this nor the next file
 * can be seen to: no database, no storage.
 */
export async function rebuild(deps: RebuildDeps, options: RebuildOptions): Promise<Rebuilt> {
  const { db, storage } = deps
  const keys = storage.keys?.(MANIFEST_ENDING)
  if (keys === undefined) throw new Error('This storage cannot list its manifests.')
  const sum: Rebuilt = {
    ...{ found: 0, made: 0, present: 0, removed: 0, unsubmitted: 0 },
    ...{ users: 0, checked: 0, updated: 0, written: 0, failed: 0 },
  }
  const run: Run = {
    ...deps,
    owners: createOwners({ db, now: deps.now, dryRun: options.dryRun ?? false }),
    sessions: new Set(),
    verify: options.verify ?? false,
    dryRun: options.dryRun ?? false,
    sum,
    fail(key, problem) {
      sum.failed += 1
      options.onProblem(key, problem)
    },
    progress: () => options.onProgress?.(sum.found + sum.checked),
  }
  if (!run.dryRun) {
    await requireNoServer(db)
    await options.onStart?.()
  }
  for await (const batch of batches(keys)) await takeIn(run, batch)
  await submitSessions(run)
  await checkRecords(run)
  sum.users = run.owners.made
  return sum
}

/** What was submitted, as far as the manifests know, and is open in the database. */
async function submitSessions(run: Run): Promise<void> {
  const { db, storage, dryRun, sum } = run
  const hasAll = async (manifest: Manifest) =>
    (await hasBytes(run, { key: manifestKey(finalKeyOf(manifest.upload)), manifest })).length > 0
  for (const token of run.sessions) {
    const made = await resubmit({ db, storage, hasBytes: hasAll, events: false, dryRun }, token)
    sum.made += made
    sum.unsubmitted -= made
  }
}

async function requireNoServer(db: Database): Promise<void> {
  const at = await withRetry(() => db.$count(servers, gt(servers.leasedUntil, sql`now()`)))
  if (at === 0) return
  throw new Fault('locked', {
    text: 'A server is at work on this database. Stop it first; after a crash wait ten seconds.',
  })
}

async function* batches(keys: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = []
  for await (const key of keys) {
    batch.push(key)
    if (batch.length < AT_ONCE) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

async function takeIn(run: Run, keys: string[]): Promise<void> {
  const { db, sum } = run
  sum.found += keys.length
  const wanted = await missingOf(run, keys)
  const makable = (await Promise.all(wanted.map((one) => hasBytes(run, one)))).flat()
  await run.owners.ensure(makable.flatMap(({ manifest: { owner } }) => owner ?? []))
  if (makable.length > 0 && !run.dryRun)
    await withRetry(() =>
      passBy(db, 'media_files', Math.max(...makable.map(({ manifest }) => manifest.media.id))),
    )
  await Promise.all(
    makable.map(async ({ key, manifest }) => {
      const { owner } = manifest
      const ownerId = owner && run.owners.idOf(owner)
      if (ownerId === undefined) return run.fail(key, 'owner-taken')
      if (run.dryRun || (await makeRecord(db, manifest, { ownerId, events: false }))) sum.made += 1
      else run.fail(key, 'conflict')
    }),
  )
  run.progress()
}

interface Found {
  key: string
  manifest: Manifest
}

/** The manifests that have no record; the others are counted. */
async function missingOf(run: Run, keys: string[]): Promise<Found[]> {
  const { db, sum } = run
  const read = await Promise.all(
    keys.map(async (key) => ({ key, manifest: await readManifest(run.storage, key) })),
  )
  const ids = read.flatMap(({ manifest }) => manifest?.upload.id ?? [])
  const rows = await withRetry(() => db.select().from(uploads).where(inArray(uploads.id, ids)))
  const recorded = await withRetry(() =>
    db
      .select({ uploadId: mediaFiles.uploadId })
      .from(mediaFiles)
      .where(inArray(mediaFiles.uploadId, ids)),
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  const withRecord = new Set(recorded.map(({ uploadId }) => uploadId))
  return read.flatMap(({ key, manifest }) => {
    if (manifest === null) run.fail(key, 'unreadable')
    if (manifest === null) return []
    const { id } = manifest.upload
    const standing = standingOf(manifest, byId.get(id), withRecord.has(id))
    if (standing === 'unknown' || standing === 'unpublished') return { key, manifest }
    if (standing === 'conflict') run.fail(key, 'conflict')
    else sum[standing] += 1
    const token = byId.get(id)?.sessionToken
    if (standing === 'unsubmitted' && token) run.sessions.add(token)
    return []
  })
}

async function hasBytes(run: Run, found: Found): Promise<Found[]> {
  const { media, upload } = found.manifest
  const storageKey = finalKeyOf(upload)
  const problem =
    (await problemOfSize(run.storage, storageKey, media.size)) ??
    (run.verify ? await problemOfDigest(run.storage, storageKey, media.digest) : null)
  if (problem === null) return [found]
  run.fail(found.key, problem)
  return []
}

async function problemOfDigest(
  storage: Storage,
  storageKey: string,
  digest: string | null,
): Promise<RebuildProblem | null> {
  if (!digest?.startsWith('sha256:')) return null
  const hash = createHash('sha256')
  try {
    for await (const chunk of storage.read(storageKey)) hash.update(chunk)
  } catch (error) {
    if (error instanceof Fault) return 'bytes-unreadable'
    throw error
  }
  return digest === `sha256:${hash.digest('hex')}` ? null : 'digest-differs'
}
