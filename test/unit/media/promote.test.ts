import { randomUUID } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OpenDatabase } from '../../../src/db/database.ts'
import { mediaFiles, uploads } from '../../../src/db/schema.ts'
import { parseManifest } from '../../../src/media/manifest.ts'
import { createManifests } from '../../../src/media/manifests.ts'
import { newRecord } from '../../../src/media/new-record.ts'
import { createPromotion } from '../../../src/media/promote.ts'
import type { Upload } from '../../../src/uploads/upload.ts'
import { openTestDatabase } from '../../support/database.ts'

/** Promotion beside a server that lost its turn, or whose last answer was lost: with old rows. */
let database: OpenDatabase
beforeAll(async () => {
  database = await openTestDatabase('postgres')
})
afterAll(() => database.close())

function createPromoter() {
  const { db } = database
  const stored = new Map<string, Uint8Array>()
  const storage = {
    put: async (key: string, bytes: Uint8Array) => void stored.set(key, bytes),
    remove: async (key: string) => void stored.delete(key),
    get: async (key: string) => stored.get(key) ?? null,
  }
  const found = { type: 'other', mimeType: 'a/b', width: null, height: null, mode: null } as const
  const { onFinished } = createPromotion({
    db,
    inspector: {
      inspect: async () => ({ ...found, tooManyPixels: false }),
      thumbnail: async () => null,
      warm() {},
      close: async () => {},
    },
    bytesOf: (key) => ({ path: key }),
    derivedKeys: () => [],
    accepted: null,
    now: () => new Date(),
    newKey: () => randomUUID(),
    manifests: createManifests({ db, storage }),
  })
  return { promote: (upload: Upload) => onFinished(upload, async () => {}, {}), stored }
}

async function completeUpload(): Promise<Upload> {
  const id = randomUUID()
  const now = new Date().toISOString()
  const [upload] = await database.db
    .insert(uploads)
    .values({
      ...{ id, door: 'tus', state: 'complete', size: 1, offset: 1, storageKey: `k/${id}` },
      ...{ createdAt: now, updatedAt: now },
    })
    .returning()
  if (upload === undefined) throw new Error('no row')
  return upload
}

describe('an upload that is promoted by somebody who does not know that it was', () => {
  it('keeps its record, and the manifest is that of the record', async () => {
    const upload = await completeUpload()
    const { promote, stored } = createPromoter()
    const first = await promote(upload)
    const second = await promote(upload)
    expect([second?.id, second?.key]).toEqual([first?.id, first?.key])
    const [[key, bytes] = ['', new Uint8Array()]] = stored
    expect(stored.size).toBe(1)
    expect(parseManifest(bytes, key)?.media).toMatchObject({ id: first?.id, key: first?.key })
    expect(await database.db.$count(mediaFiles, eq(mediaFiles.uploadId, upload.id))).toBe(1)
  })

  it('becomes the record that it was where the database forgot that one', async () => {
    const { promote } = createPromoter()
    const upload = await completeUpload()
    const first = await promote(upload)
    const { db } = database
    await db.delete(mediaFiles).where(eq(mediaFiles.uploadId, upload.id))
    await db.update(uploads).set({ state: 'complete' }).where(eq(uploads.id, upload.id))
    const again = await promote(upload)
    expect([again?.id, again?.key]).toEqual([first?.id, first?.key])
    const [row] = await db.select().from(mediaFiles).where(eq(mediaFiles.uploadId, upload.id))
    expect(new Date(row?.createdAt ?? '').toISOString()).toBe(first?.createdAt)
  })

  it('gets another id where its own has been given out', async () => {
    const { promote } = createPromoter()
    const [upload, other] = [await completeUpload(), await completeUpload()]
    const first = await promote(upload)
    const { db } = database
    await db.delete(mediaFiles).where(eq(mediaFiles.uploadId, upload.id))
    await db.update(uploads).set({ state: 'complete' }).where(eq(uploads.id, upload.id))
    const sequence = sql`pg_get_serial_sequence('media_files', 'id')`
    await db.execute(sql`select setval(${sequence}, ${first?.id}::bigint, false)`)
    expect((await promote(other))?.id).toBe(first?.id)
    const third = await promote(upload)
    expect(third?.key).toBe(first?.key)
    expect(third?.id).not.toBe(first?.id)
  })

  it('leaves no manifest where it has ended', async () => {
    const upload = await completeUpload()
    await database.db.update(uploads).set({ state: 'terminated' }).where(eq(uploads.id, upload.id))
    const { promote, stored } = createPromoter()
    await expect(promote(upload)).rejects.toMatchObject({ reason: 'upload-ended' })
    expect(stored.size).toBe(0)
  })

  it('leaves the manifest of whoever has it in hand now', async () => {
    const upload = await completeUpload()
    // Neither complete nor ended: another server knows what it is doing.
    await database.db.update(uploads).set({ state: 'receiving' }).where(eq(uploads.id, upload.id))
    const { promote, stored } = createPromoter()
    await expect(promote(upload)).rejects.toMatchObject({ reason: 'upload-ended' })
    expect(stored.size).toBe(1)
  })
})

it('manifests are written some at a time, and none after the answer that one could not be', async () => {
  const upload = await completeUpload()
  const file = { type: 'other', mimeType: 'a/b', width: null, height: null, mode: null } as const
  const deps = { now: () => new Date(), newKey: () => randomUUID() }
  const record = newRecord(upload, { ...file, digest: null }, deps)
  let [begun, running, most] = [0, 0, 0]
  const manifests = createManifests({
    db: database.db,
    storage: {
      async put() {
        begun++
        most = Math.max(most, ++running)
        if (begun === 20) running--
        if (begun === 20) throw new Error('no room')
        await new Promise((resolve) => setImmediate(resolve))
        running--
      },
      remove: async () => {},
      get: async () => null,
    },
  })
  const files = Array.from({ length: 50 }, () => ({ upload, record }))
  await expect(manifests.announce(database.db, files)).rejects.toThrow('no room')
  expect({ begun, running, most }).toEqual({ begun: 32, running: 0, most: 16 })
})
