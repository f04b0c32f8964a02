import { type Actor, ownerIdOf } from '../auth/actor.ts'
import { can } from '../auth/can.ts'
import { Fault } from '../errors.ts'
import type { Appender, Storage } from '../storage/storage.ts'
import type { Core } from './core.ts'
import { complete } from './finish.ts'
import type { HeldLock } from './lock.ts'
import { keepOpen } from './opened.ts'
import { limitFault, requireSessionFile } from './session-rules.ts'
import { isSessionToken } from './sessions.ts'
import { removeBytes } from './terminate.ts'
import type { NewUpload, Upload } from './upload.ts'
import type { Progress } from './uploads.ts'

/**
 * Steps 1 to 3: the row with its quota, then the object, then `receiving`. A crash in between
 * leaves a row that the sweep takes away; never an object without a row.
 */
export async function create<P>(
  core: Core<P>,
  actor: Actor,
  input: NewUpload,
): Promise<Progress<P>> {
  const upload = admit(core, actor, input)
  await insertWithObject(core, upload, input)
  if (!(await core.repo.change(upload.id, ['creating'], { state: 'receiving' }))) {
    // The sweep took the row for left behind, and saw no object: it was made after.
    await removeBytes(core, upload)
    throw new Fault('upload-ended')
  }
  core.at('receiving')
  core.meter.ended(upload.door, 'created')
  return finishIfEmpty(core, { ...upload, state: 'receiving' })
}

/**
 * As `create`, for a body that comes along in the same request: the row begins in our hands and
 * stays `creating` until the first of its bytes are recorded, which saves the statements that would
 * say so. Before that nobody knows the upload; what a crash leaves of it, the sweep takes away.
 */
export async function createHeld<P>(
  core: Core<P>,
  actor: Actor,
  input: NewUpload,
): Promise<Progress<P> & { lock: HeldLock }> {
  const row = admit(core, actor, input)
  const begun = await core.lock.begin(row.id)
  let lock = begun
  try {
    const upload = { ...row, lockOwner: lock.owner, lockEpoch: lock.epoch ?? 1 }
    const empty = upload.size === 0 && upload.autoFinish
    const createOpen = empty ? undefined : core.storage.createOpen
    const appender = await insertWithObject(core, upload, input, createOpen)
    if (appender) lock = keepOpen(begun, appender)
    core.meter.ended(upload.door, 'created')
    const progress = empty
      ? await complete(core, lock, upload, { size: 0 })
      : { upload, published: null }
    return { ...progress, lock }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** The row to insert, if this actor may and nothing of what was declared is in the way. */
function admit(core: Core<unknown>, actor: Actor, input: NewUpload): Upload {
  const { limits } = core
  requireMayCreate(core, actor)
  if (limits.maxSize !== null && input.size !== null && input.size > limits.maxSize)
    throw new Fault('too-large', { text: `The largest upload is ${limits.maxSize} bytes.` })
  const upload = newRow(core, ownerIdOf(actor), input)
  screen(core, upload, input.filename ?? '')
  // Before the first statement: what is refused here is to cost nothing.
  core.creationRate.admit(actor)
  return upload
}

/** Steps 1 and 2. */
async function insertWithObject(
  core: Core<unknown>,
  upload: Upload,
  input: NewUpload,
  createOpen?: Storage['createOpen'],
): Promise<Appender | undefined> {
  const { repo, storage, limits } = core
  const inserted = await repo.insert(upload)
  if (inserted !== 'inserted') throw limitFault(inserted, limits.sessions, upload)
  core.at('row-inserted')
  if (input.parts !== undefined) {
    await repo.insertParts(upload.id, input.parts)
    core.at('parts-recorded')
  }
  let appender: Appender | undefined
  try {
    if (createOpen) appender = await createOpen(upload.storageKey)
    else
      await storage.create(upload.storageKey, {
        target: upload.finalKey ?? undefined,
        size: upload.size,
      })
  } catch (error) {
    const now = core.now().toISOString()
    await repo.end({ id: upload.id }, ['creating'], 'terminated', { now })
    await removeBytes(core, upload)
    throw error
  }
  core.at('object-created')
  return appender
}

/** Who may create nothing is told so, and not what exists. */
export function requireMayCreate({ limits }: Core<unknown>, actor: Actor): void {
  if (!can(actor, { action: 'upload:create' }, limits.anonymousUploads))
    throw new Fault(actor.kind === 'anonymous' ? 'not-authenticated' : 'not-allowed')
}

/** Refuses what can be refused before a byte is sent. */
function screen({ limits, hooks }: Core<unknown>, upload: Upload, filename: string): void {
  const { declaredType, purpose, sessionToken, size } = upload
  if (sessionToken !== null) {
    if (!isSessionToken(sessionToken)) throw new Fault('session-invalid')
    requireSessionFile(limits.sessions, { filename, size })
  }
  // A part is not a file: what it is called says nothing about the whole.
  if (purpose !== 'part') hooks.screenDeclared({ filename, declaredType, purpose })
}

/** Only a file can be one of a session: its parts, where it has some, are not. */
function purposeOf({ purpose = 'file', sessionToken }: NewUpload): Upload['purpose'] {
  return purpose === 'file' && sessionToken !== undefined ? 'session' : purpose
}

async function finishIfEmpty<P>(core: Core<P>, upload: Upload): Promise<Progress<P>> {
  if (upload.size !== 0 || !upload.autoFinish) return { upload, published: null }
  const lock = await core.lock.acquire(upload.id)
  try {
    return await complete(core, lock, upload, { size: 0 })
  } finally {
    lock.release()
  }
}

/** The row of an upload that begins now. */
export function newRow(core: Core<unknown>, ownerId: number | null, input: NewUpload): Upload {
  const now = core.now()
  const id = input.id ?? core.newId()
  const purpose = purposeOf(input)
  const arriving = input.keys?.arriving ?? storageKeyOf(id)
  const complete = input.keys?.complete ?? arriving
  const always = purpose === 'part' ? [] : core.limits.digestAlgorithms
  const digests = new Set([...always, ...(input.digestAlgorithms ?? [])])
  const lifetimeMs = input.endsAfterMs ?? core.limits.expiresAfterMs
  return {
    id,
    ownerId,
    door: input.door,
    state: 'creating',
    size: input.size,
    offset: 0,
    // What is in the object of a whole before it is complete is never an offset.
    cutTo: input.recipe === undefined ? null : 0,
    reserved: input.size ?? input.reserve ?? 0,
    storageKey: arriving,
    finalKey: complete === arriving ? null : complete,
    filename: storable(input.filename ?? ''),
    title: null,
    declaredType: input.declaredType ? storable(input.declaredType) : null,
    description: storable(input.description ?? ''),
    metadata: input.metadata ?? null,
    purpose,
    autoFinish: input.autoFinish ?? true,
    fixedExpiry: input.endsAfterMs !== undefined,
    expectedDigest: input.expectedDigest ?? null,
    digestAlgorithms: digests.size > 0 ? [...digests].join(' ') : null,
    digestState: null,
    recipe: input.recipe ?? null,
    sessionToken: purpose === 'session' ? (input.sessionToken ?? null) : null,
    inspection: null,
    inspectTries: 0,
    rejectReason: null,
    createdAt: now.toISOString(),
    updatedAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + lifetimeMs).toISOString(),
    bytesGone: false,
    lockOwner: null,
    lockEpoch: 0,
  }
}

/** A function of the id alone: where the bytes are is settled before the first one comes. */
export function storageKeyOf(id: string): string {
  return `${id.slice(0, 2)}/${id}`
}

/** Postgres text holds no NUL, and a lone surrogate has no UTF-8 form. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}
