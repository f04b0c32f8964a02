import type { Actor } from '../auth/actor.ts'
import { can } from '../auth/can.ts'
import { Fault } from '../errors.ts'
import { append } from './append.ts'
import { type Core, expiryFrom } from './core.ts'
import { create, storable } from './create.ts'
import { complete, digestsOf, endedFault, publish } from './finish.ts'
import type { HeldLock } from './lock.ts'
import { terminate } from './terminate.ts'
import { isOpen, type Upload } from './upload.ts'
import type { FinishFacts, Progress, Uploads } from './uploads.ts'

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/

/** Puts the functions of this folder behind their face. */
export function createUploads<P>(core: Core<P>): Uploads<P> {
  const { repo } = core

  async function find(actor: Actor, id: string): Promise<Upload> {
    // Whoever may know of no upload at all is told to say who they are, not what exists.
    if (actor.kind === 'anonymous' && !core.limits.anonymousUploads)
      throw new Fault('not-authenticated')
    const found = UUID.test(id) ? await repo.get(id) : undefined
    if (found === undefined || !mayAccess(actor, found)) throw new Fault('not-found')
    return found
  }

  function mayAccess(actor: Actor, { ownerId }: Upload): boolean {
    return can(actor, { action: 'upload:access', ownerId }, core.limits.anonymousUploads)
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
      const [ended] = await repo.end({ id: upload.id }, ['receiving', 'held'], 'expired', { now })
      if (ended) core.meter.ended(upload.door, 'expired')
      throw new Fault('upload-ended')
    }
    return { upload, published: null }
  }

  async function declareSize(lock: HeldLock, upload: Upload, size: number): Promise<Upload> {
    const { maxSize } = core.limits
    if (upload.size !== null || size < upload.offset) throw new Fault('length-invalid')
    if (maxSize !== null && size > maxSize) throw new Fault('too-large')
    const now = core.now()
    const set = { size, updatedAt: now.toISOString(), expiresAt: expiryFrom(core, upload, now) }
    const outcome = await repo.grow(upload, size, set)
    if (outcome === 'ended') throw new Fault('upload-ended')
    if (outcome !== 'changed') throw new Fault(outcome)
    return { ...upload, ...set, reserved: Math.max(size, upload.reserved), id: lock.id }
  }

  return {
    find,
    current,
    declareSize,
    create: (actor, input) => create(core, actor, input),
    lock: (id, options) => core.lock.acquire(id, options),
    append: (lock, upload, input) => append(core, lock, upload, input),
    terminate: (lock) => terminate(core, lock),
    finish: (lock, upload, facts = {}) => finish(core, lock, upload, facts),
    async digest(upload, algorithm) {
      const digest = (await digestsOf(core, upload))[algorithm]
      if (digest === undefined) throw new Error(`${algorithm} does not run along with this upload`)
      return digest
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
  if (upload.size !== null && upload.offset !== upload.size)
    throw new Fault('length-invalid', {
      text: 'Not all bytes of the upload are here yet.',
      offset: upload.offset,
    })
  return complete(core, lock, upload, {
    size: upload.offset,
    ...(title == null ? {} : { title: storable(title) }),
    ...(description === undefined ? {} : { description: storable(description) }),
  })
}

function isExpired(upload: Upload, now: Date): boolean {
  return isOpen(upload.state) && upload.expiresAt !== null && new Date(upload.expiresAt) <= now
}
