import { eq, sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { withRetry } from '../db/retry.ts'
import { mediaFiles, uploads } from '../db/schema.ts'
import { Fault } from '../errors.ts'
import type { Hooks } from '../uploads/core.ts'
import { finalKeyOf, isEnded, type Upload } from '../uploads/upload.ts'
import { type AcceptedFormats, accepts, mayBeAccepted, sniffRefuses } from './accept.ts'
import { createInsertRecord } from './insert-records.ts'
import type { FileBytes, Inspection, Inspector } from './inspect.ts'
import type { Manifests } from './manifests.ts'
import { findings, type MediaFile, newRecord } from './new-record.ts'
import {
  refuseSessionContent,
  refuseSessionPrefix,
  requireSessionExtension,
} from './session-content.ts'
import { holdInSession } from './session-files.ts'

export type { MediaFile } from './new-record.ts'

export interface PromotionDeps {
  db: Database
  inspector: Inspector
  /** Where the inspector finds the bytes of a storage key. */
  bytesOf: (storageKey: string) => FileBytes
  /** Keys of what is made from the bytes, such as thumbnails. */
  derivedKeys: (storageKey: string) => string[]
  /** ACCEPTED_FILE_FORMATS; null accepts everything. */
  accepted: AcceptedFormats | null
  now: () => Date
  /** 128 random bits for the public URL. */
  newKey: () => string
  /** Where every record has a manifest beside its bytes. */
  manifests?: Manifests | undefined
  /** Called between inspection and transaction: a step at which fault tests kill the process. */
  onInspected?: () => void
}

/** Inspections that are remembered while their record waits for the database. */
const MAX_REMEMBERED = 10_000

/** The one way from a complete upload to a record, for every door. */
export function createPromotion(deps: PromotionDeps): Hooks<MediaFile> {
  const { db, inspector, accepted } = deps
  const insertRecord = createInsertRecord(db)
  /**
   * Inspections whose transaction has not gone through yet. While the database is away a file is
   * looked at once, however often its client asks: only looks that fail may use up its tries.
   */
  const inspected = new Map<string, Inspection>()

  async function inspect(upload: Upload, attempt: () => Promise<void>): Promise<Inspection> {
    const known = inspected.get(upload.id)
    if (known) return known
    const bytes = deps.bytesOf(finalKeyOf(upload))
    const { offset: size, filename: name, declaredType } = upload
    let refusal: unknown
    const begins = () =>
      attempt().catch((error: unknown) => {
        refusal = error
        throw error
      })
    for (;;) {
      try {
        const inspection = await inspector.inspect({ ...bytes, size, name, declaredType }, begins)
        inspected.set(upload.id, inspection)
        const [oldest] = inspected.keys()
        if (inspected.size > MAX_REMEMBERED && oldest !== undefined) inspected.delete(oldest)
        return inspection
      } catch (error) {
        // Nothing was looked at: the file has had its tries, or they could not be counted.
        if (error === refusal) throw error
        if (!(error instanceof Fault && error.reason === 'file-unreadable')) throw error
      }
    }
  }

  async function onFinished(
    upload: Upload,
    attempt: () => Promise<void>,
    digests: Record<string, string>,
  ): Promise<MediaFile | null> {
    const found = await inspect(upload, attempt)
    deps.onInspected?.()
    if (found.tooManyPixels) throw forgetting(upload, new Fault('too-many-pixels'))
    if (upload.purpose === 'session') return hold(upload, found, digests)
    if (accepted && !accepts(accepted, { ...found, name: upload.filename }))
      throw forgetting(upload, new Fault('type-not-accepted'))
    const fresh = newRecord(upload, findings(found, digests), deps)
    const record = await announced(upload, fresh)
    const { lockEpoch } = upload
    const id = await insertRecord({ record, lockEpoch, now: fresh.updatedAt })
    inspected.delete(upload.id)
    if (id !== undefined) return { ...record, id }
    // The upload was no longer complete: an earlier run of this very statement got through.
    const before = await findPublished(upload.id)
    if (before) await deps.manifests?.write(before)
    else if (await hasEnded(upload.id)) await deps.manifests?.forget(record)
    if (before) return before
    throw new Fault('upload-ended')
  }

  async function hasEnded(uploadId: string): Promise<boolean> {
    const [found] = await db
      .select({ state: uploads.state })
      .from(uploads)
      .where(eq(uploads.id, uploadId))
    return found === undefined || isEnded(found.state)
  }

  /** With the id that it will have, where its manifest has to know it. */
  async function announced(
    upload: Upload,
    record: Omit<MediaFile, 'id'>,
  ): Promise<Omit<MediaFile, 'id'> & { id?: number }> {
    const { manifests } = deps
    if (manifests === undefined) return record
    const [file] = await withRetry(() => manifests.announce(db, [{ upload, record }]))
    return file ?? record
  }

  function forgetting(upload: Upload, fault: Fault): Fault {
    inspected.delete(upload.id)
    return fault
  }

  /** A file of a session waits there for the others; what was found is kept for its record. */
  async function hold(
    upload: Upload,
    found: Inspection,
    digests: Record<string, string>,
  ): Promise<null> {
    const fault = refuseSessionContent(accepted, upload.filename, found)
    if (fault) throw forgetting(upload, fault)
    const now = deps.now().toISOString()
    await holdInSession(db, upload, findings(found, digests), now).catch((error: unknown) => {
      const ended = error instanceof Fault && error.reason === 'upload-ended'
      throw ended ? forgetting(upload, error) : error
    })
    inspected.delete(upload.id)
    return null
  }

  async function findPublished(uploadId: string): Promise<MediaFile | null> {
    const [found] = await db.select().from(mediaFiles).where(eq(mediaFiles.uploadId, uploadId))
    return found ?? null
  }

  return {
    onFinished,
    findPublished,
    derivedKeys: deps.derivedKeys,
    unpublish: (upload) => withRetry(() => removeRecord(db, upload.id, deps.now().toISOString())),
    screenDeclared({ filename, declaredType, purpose }) {
      if (purpose === 'session') requireSessionExtension(accepted, filename)
      else if (accepted && !mayBeAccepted(accepted, { name: filename, declaredType }))
        throw new Fault('type-not-accepted')
    },
    ...(accepted && {
      async screenPrefix(prefix: Uint8Array, upload: Upload) {
        const hints = { name: upload.filename, declaredType: upload.declaredType }
        if (await sniffRefuses(accepted, prefix, hints))
          throw upload.purpose === 'session'
            ? await refuseSessionPrefix(prefix, hints)
            : new Fault('type-not-accepted')
      },
    }),
  }
}

/** The way back, again one statement: record, state, event and quota change together or not. */
async function removeRecord(db: Database, uploadId: string, now: string): Promise<void> {
  await db.execute(
    sql`with gone as (
      delete from media_files where upload_id = ${uploadId}::uuid returning id, upload_id, name
    ), ended as (
      update uploads set state = 'terminated', updated_at = ${now}::timestamptz
      where id = ${uploadId}::uuid and state = 'promoted' returning owner_id, reserved
    ), event as (
      insert into outbox (event, subject, payload, created_at)
      select 'media.deleted', 'media:' || id,
        jsonb_build_object('id', id, 'upload', upload_id, 'name', name), ${now}::timestamptz
      from gone
    ), owner as (
      update users set used_bytes = used_bytes - ended.reserved from ended
      where users.id = ended.owner_id
    ) select id from gone`,
  )
}
