import type { Actor } from '../auth/actor.ts'
import { Fault } from '../errors.ts'
import { type Core, largestOf, mayAccess } from './core.ts'
import { create, requireMayCreate } from './create.ts'
import { complete, endedFault, publish, reject } from './finish.ts'
import type { HeldLock } from './lock.ts'
import type { Part } from './repo-parts.ts'
import { terminate } from './terminate.ts'
import { finalKeyOf, isEnded, isExpired, isUploadId, isWhole, type Upload } from './upload.ts'
import type { NewWhole, Progress } from './uploads.ts'

/** Parts of one upload. Each is a row to read whenever somebody asks for the whole. */
export const MAX_PARTS = 1000
/** Milliseconds that the sweep waits for a whole that somebody is at work on: it comes again. */
const SWEEP_WAIT_MS = 500

/*
 * Locks are taken in one order only: a part's, then its whole's. Joining reads parts without their
 * locks, since a part that is held does not change any more; one that goes away in the meantime is
 * noticed afterwards.
 */

/**
 * Creates an upload that is put together from others. It is joined and published here if all parts
 * are there, else by the request that brings the last byte of the last one.
 */
export async function createWhole<P>(
  core: Core<P>,
  actor: Actor,
  { partIds, ...input }: NewWhole,
): Promise<Progress<P>> {
  requireMayCreate(core, actor)
  const parts = await requireParts(core, actor, partIds)
  const begun = await create(core, actor, { ...input, size: sizeOf(parts), parts: partIds })
  if (begun.upload.state !== 'receiving') return begun
  // Whoever finishes a part from here on sees the whole; those that were finished before we see.
  const lock = await lockUnlessInHand(core, begun.upload.id)
  if (lock === null) return begun
  try {
    return await takeUp(core, lock)
  } catch (error) {
    // Nobody was told of it. Where it was refused it has ended already.
    await terminate(core, lock, { keepsPublished: true }).catch((failure: unknown) => {
      if (!(failure instanceof Fault))
        core.log.warn({ err: failure, upload: lock.id }, 'a whole that failed was left to expire')
    })
    throw error
  } finally {
    lock.release()
  }
}

/** Null where the wait ran out: whoever brought the last part is putting the whole together. */
async function lockUnlessInHand(core: Core<unknown>, id: string): Promise<HeldLock | null> {
  try {
    return await core.lock.acquire(id)
  } catch (error) {
    if (error instanceof Fault && error.reason === 'locked') return null
    throw error
  }
}

/** A new whole goes on from what it is by now: the last of its parts may have finished it. */
async function takeUp<P>(core: Core<P>, lock: HeldLock): Promise<Progress<P>> {
  const whole = await core.repo.get(lock.id)
  if (whole === undefined) throw new Fault('not-found')
  const ended = endedFault(whole)
  if (ended) throw ended
  if (whole.state === 'receiving') return joinIfReady(core, lock, whole)
  if (whole.state === 'complete') return publish(core, lock, whole, { counted: 0 })
  return { upload: whole, published: await core.hooks.findPublished(whole.id) }
}

/** The parts in order, if this actor may use every one of them. */
async function requireParts(
  core: Core<unknown>,
  actor: Actor,
  ids: readonly string[],
): Promise<Upload[]> {
  if (ids.length === 0 || ids.length > MAX_PARTS)
    throw new Fault('bad-request', { text: `An upload is joined from 1 to ${MAX_PARTS} parts.` })
  const distinct = [...new Set(ids)].filter(isUploadId)
  const found = new Map((await core.repo.getMany(distinct)).map((upload) => [upload.id, upload]))
  return ids.map((id) => {
    const part = found.get(id)
    // The same for unknown and foreign ones, as everywhere.
    if (part === undefined || part.state === 'creating' || !mayAccess(core, actor, part))
      throw new Fault('not-found', { text: 'One of the parts does not exist.' })
    if (part.purpose !== 'part')
      throw new Fault('bad-request', { text: 'Only partial uploads can be joined.' })
    if (isEnded(part.state) || isExpired(part, core.now()))
      throw new Fault('upload-ended', { text: 'One of the parts has expired or was removed.' })
    return part
  })
}

/**
 * The whole as it is now: joined, where its parts are all there and a crash or a fault was in the
 * way before. One that there is no quota for stays as it is.
 */
export async function lookAtWhole<P>(
  core: Core<P>,
  lock: HeldLock,
  whole: Upload,
): Promise<Progress<P>> {
  const seen = await look(core, lock, whole)
  return seen.ready && seen.paid ? join(core, lock, seen) : { upload: seen.whole, published: null }
}

async function joinIfReady<P>(core: Core<P>, lock: HeldLock, whole: Upload): Promise<Progress<P>> {
  const seen = await look(core, lock, whole)
  if (!seen.ready) return { upload: seen.whole, published: null }
  if (!seen.paid) throw new Fault('quota-exceeded')
  return join(core, lock, seen)
}

/**
 * Called when a part is complete, under its lock, before that is answered: what it was the last
 * part of is joined and published. Rejects where that could not be done now. A whole that was
 * refused is done as well.
 */
export async function joinWholesOf<P>(core: Core<P>, part: Upload): Promise<void> {
  if (part.purpose !== 'part') return
  for (const id of await core.repo.openWholesOf(part.id)) {
    const lock = await core.lock.acquire(id)
    try {
      await settle(core, lock)
    } finally {
      lock.release()
    }
  }
}

async function settle<P>(core: Core<P>, lock: HeldLock): Promise<Progress<P> | null> {
  const whole = await core.repo.get(lock.id)
  try {
    if (whole?.state === 'complete') return await publish(core, lock, whole, { counted: 0 })
    return whole?.state === 'receiving' ? await joinIfReady(core, lock, whole) : null
  } catch (error) {
    const after = await core.repo.get(lock.id)
    if (after === undefined || isEnded(after.state)) return null
    throw error
  }
}

/** For the sweep: joins what a crash or a fault has left, and tells how many were published. */
export async function joinAbandoned<P>(core: Core<P>): Promise<number> {
  let joined = 0
  for (const id of await core.repo.joinableWholes()) {
    try {
      const lock = await core.lock.acquire(id, {
        timeoutMs: SWEEP_WAIT_MS,
        signal: core.stopping,
      })
      const done = await settle(core, lock).finally(() => lock.release())
      if (done?.published) joined++
    } catch (error) {
      if (
        !(
          error instanceof Fault &&
          ['locked', 'quota-exceeded', 'client-gone'].includes(error.reason)
        )
      )
        core.log.warn({ err: error, upload: id }, 'a whole could not be joined; it comes again')
    }
  }
  return joined
}

interface Seen {
  /** With its size, once that can be told. */
  whole: Upload
  parts: Part[]
  size: number
  /** All parts are there. */
  ready: boolean
  /** Its size is reserved of the owner's quota. */
  paid: boolean
}

async function look<P>(core: Core<P>, lock: HeldLock, whole: Upload): Promise<Seen> {
  const parts = await core.repo.partsOf(whole.id)
  const size = sizeOf(parts)
  if (size === null) return { whole, parts, size: 0, ready: false, paid: false }
  if (size > largestOf(core, whole)) throw await reject(core, lock, whole, new Fault('too-large'))
  const ready = parts.length > 0 && parts.every(({ state }) => state === 'held')
  if (whole.size !== null) return { whole, parts, size, ready, paid: true }
  const outcome = await core.repo.grow(whole, size, { size }, lock)
  if (outcome === 'ended') throw new Fault('upload-ended')
  const paid = outcome === 'changed'
  const reserved = paid ? size : whole.reserved
  return { whole: { ...whole, size, reserved }, parts, size, ready, paid }
}

/** Null while the length of a part is not known. */
function sizeOf(parts: readonly Pick<Upload, 'size'>[]): number | null {
  let sum = 0
  for (const { size } of parts) {
    if (size === null) return null
    sum += size
  }
  return sum
}

/**
 * From nothing, whatever an earlier run left in the object: its row says `cut_to = 0` from the
 * first to the last moment, so that no half of it is ever taken for an offset.
 */
async function join<P>(core: Core<P>, lock: HeldLock, seen: Seen): Promise<Progress<P>> {
  const { whole, parts, size } = seen
  const { storage } = core
  try {
    const appender = await storage.append(whole.storageKey, 0, lock.isOurs)
    await appender.close()
    core.at('joining')
    await storage.join(whole.storageKey, parts.map(finalKeyOf), lock.isOurs)
    const stored = await storage.size(whole.storageKey)
    if (stored !== size) throw new Error(`joined ${stored} bytes where the parts have ${size}`)
  } catch (error) {
    const now = await core.repo.partsOf(whole.id)
    // A part was removed or has expired meanwhile: there is nothing to finish, this one expires.
    if (now.some(({ state }) => state !== 'held')) return { upload: whole, published: null }
    throw error instanceof Fault && error.reason !== 'not-found'
      ? error
      : new Fault('unavailable', { cause: error, retryAfterSeconds: 1 })
  }
  core.at('joined')
  return complete(core, lock, whole, { size, offset: size })
}

/** Nobody sends bytes to a whole, and nobody but its parts says how long it is. */
export function refuseWhole(upload: Upload): void {
  if (!isWhole(upload)) return
  throw new Fault('not-allowed', {
    text: 'This upload is joined from its parts: it takes no bytes of its own.',
  })
}
