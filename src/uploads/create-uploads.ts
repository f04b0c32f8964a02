import { type Actor, ownerIdOf } from '../auth/actor.ts'
import { Fault } from '../errors.ts'
import { append } from './append.ts'
import { type Core, expiryFrom, largestOf, mayAccess } from './core.ts'
import { create, createHeld, storable } from './create.ts'
import { complete, endedFault, publish } from './finish.ts'
import { createWhole, joinWholesOf, lookAtWhole, refuseWhole } from './join.ts'
import type { HeldLock } from './lock.ts'
import { digestOf } from './object-digest.ts'
import { limitFault, requireSessionFile } from './session-rules.ts'
import { terminate } from './terminate.ts'
import { hasAllBytes, isExpired, isUploadId, isWhole, type Upload } from './upload.ts'
import type { FinishFacts, Progress, Uploads } from './uploads.ts'

/** Puts the functions of this folder behind their face. */
export function createUploads<P>(core: Core<P>): Uploads<P> {
  const { repo } = core

  async function find(actor: Actor, id: string, { shared = false } = {}): Promise<Upload> {
    // Whoever may know of no upload at all is told to say who they are, not what exists.
    if (actor.kind === 'anonymous' && !core.limits.anonymousUploads)
      throw new Fault('not-authenticated')
    const found = isUploadId(id) ? await repo.get(id) : undefined
    if (found === undefined || !mayAccess(core, actor, found, shared)) throw new Fault('not-found')
    return found
  }

  async function current(lock: HeldLock): Promise<Progress<P>> {
    const upload = await repo.get(lock.id)
    if (upload === undefined || upload.state === 'creating') throw new Fault('not-found')
    const ended = endedFault(upload)
    if (ended) throw ended
    if (upload.state === 'complete') return publish(core, lock, upload, { counted: 0 })
    if (upload.state === 'promoted')
      return { upload, published: await core.hooks.findPublished(upload.id) }
    if (isExpired(upload, core.now())) {
      const now = core.now().toISOString()
      const [ended] = await repo.end({ id: upload.id, lock }, ['receiving', 'held'], 'expired', {
        now,
      })
      if (ended) core.meter.ended(upload.door, 'expired')
      throw new Fault('upload-ended')
    }
    if (hasAllBytes(upload)) {
      const done = await complete(core, lock, upload, {})
      await joinWholesOf(core, done.upload)
      return done
    }
    if (isWhole(upload) && upload.state === 'receiving') return lookAtWhole(core, lock, upload)
    return { upload, published: null }
  }

  async function declareSize(lock: HeldLock, upload: Upload, size: number): Promise<Upload> {
    refuseWhole(upload)
    if (upload.size !== null || size < upload.offset) throw new Fault('length-invalid')
    if (upload.purpose === 'session')
      requireSessionFile(core.limits.sessions, { filename: upload.filename, size })
    if (size > largestOf(core, upload)) throw new Fault('too-large')
    const now = core.now()
    const set = { size, updatedAt: now.toISOString(), expiresAt: expiryFrom(core, upload, now) }
    const outcome = await repo.grow(upload, size, set, lock)
    if (outcome === 'ended') throw new Fault('upload-ended')
    if (outcome !== 'changed') throw limitFault(outcome, core.limits.sessions, upload)
    return { ...upload, ...set, reserved: Math.max(size, upload.reserved), id: lock.id }
  }

  return {
    find,
    current,
    declareSize,
    create: (actor, input) => create(core, actor, input),
    createHeld: (actor, input) => createHeld(core, actor, input),
    join: (actor, input) => createWhole(core, actor, input),
    lock: (id, options) => core.lock.acquire(id, options),
    append: (lock, upload, input) => append(core, lock, upload, input),
    terminate: (lock, options) => terminate(core, lock, options),
    finish: (lock, upload, facts = {}) => finish(core, lock, upload, facts),
    digest: (upload, algorithm) => digestOf(core, upload, algorithm),
    async list(actor, { doors, everybody, limit, offset }) {
      const ownerId = ownerIdOf(actor)
      // What is shared is shared among users: `can` refuses anybody else each single one of them.
      if (ownerId === null) return []
      const now = core.now().toISOString()
      return repo.list({ doors, ownerId: everybody ? null : ownerId, now, limit, offset })
    },
  }
}

async function finish<P>(
  core: Core<P>,
  lock: HeldLock,
  upload: Upload,
  { title, description }: FinishFacts,
): Promise<Progress<P>> {
  if (upload.state === 'promoted')
    return { upload, published: await core.hooks.findPublished(upload.id) }
  refuseWhole(upload)
  if (upload.size !== null && upload.offset !== upload.size)
    throw new Fault('length-invalid', {
      text: 'Not all bytes of the upload are here yet.',
      offset: upload.offset,
    })
  const done = await complete(core, lock, upload, {
    size: upload.offset,
    ...(title == null ? {} : { title: storable(title) }),
    ...(description === undefined ? {} : { description: storable(description) }),
  })
  await joinWholesOf(core, done.upload)
  return done
}
