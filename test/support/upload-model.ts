import { Readable } from 'node:stream'
import { expect } from 'vitest'
import { Fault, type Reason } from '../../src/errors.ts'
import type { HeldLock } from '../../src/uploads/lock.ts'
import { isEnded, type Upload } from '../../src/uploads/upload.ts'
import type { TestCore } from './upload-core.ts'

type State = Upload['state']

/** Where an upload may go from each state in one step of a client, of the sweep or of both. */
const LEGAL: Record<State, readonly State[]> = {
  creating: ['receiving', 'terminated'],
  receiving: ['complete', 'held', 'promoted', 'rejected', 'expired', 'terminated'],
  complete: ['held', 'promoted', 'rejected', 'expired', 'terminated'],
  held: ['promoted', 'expired', 'terminated'],
  promoted: ['terminated'],
  rejected: [],
  expired: [],
  terminated: [],
}

/** What is known of an upload from outside, and what its client expects. */
export interface Known {
  id: string
  /** Decides its bytes. */
  seed: number
  state: State
  size: number | null
  /** What a client was told, or could have been. */
  offset: number
  autoFinish: boolean
  purpose: Upload['purpose']
  /** The inspection refuses it. */
  refused: boolean
  expiresAt: number | null
  /** Stands in a whole, whose fate is its own. */
  joined: boolean
  whole: boolean
}

export interface Model {
  now: number
  uploads: Known[]
}

/** The byte of an upload at a place: what is stored can be checked without a copy. */
const byteAt = (seed: number, at: number) => (seed * 7 + at * 31 + (at >> 8)) & 0xff

export function content(seed: number, start: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => byteAt(seed, start + at)))
}

/** Bytes that no upload has anywhere in a row: none of them may ever be counted. */
export const poison = (length: number) => Buffer.alloc(length, 0xee)

/** A body of these bytes, in two pieces, that ends or breaks off behind them. */
export function bodyOf(bytes: Buffer, { cut = false } = {}): Readable {
  const half = Math.ceil(bytes.length / 2)
  const pieces = [bytes.subarray(0, half), bytes.subarray(half)].filter(({ length }) => length > 0)
  return new Readable({
    read() {
      // Each in a turn of its own: what was there before has been taken by then.
      setImmediate(() => {
        const piece = pieces.shift()
        if (piece !== undefined) this.push(piece)
        else if (cut) this.destroy()
        else this.push(null)
      })
    },
  })
}

/** Runs it under the upload's lock, as every door does; the reason of its Fault, or null. */
export async function under(
  { uploads }: TestCore,
  id: string,
  work: (lock: HeldLock, upload: Upload) => Promise<unknown>,
): Promise<Reason | null> {
  const lock = await uploads.lock(id)
  try {
    await work(lock, (await uploads.current(lock)).upload)
    return null
  } catch (error) {
    if (error instanceof Fault) return error.reason
    throw error
  } finally {
    lock.release()
  }
}

/** What a look at the upload does to it by itself, before anything that was asked for. */
export function look(model: Model, known: Known): 'ended' | 'open' {
  if (isEnded(known.state)) return 'ended'
  const open = known.state === 'receiving' || known.state === 'held'
  if (open && known.expiresAt !== null && known.expiresAt <= model.now) {
    known.state = 'expired'
    return 'ended'
  }
  if (known.state === 'receiving' && known.autoFinish && known.offset === known.size) settle(known)
  return isEnded(known.state) ? 'ended' : 'open'
}

/** All its bytes are there. */
export function settle(known: Known): void {
  known.size = known.offset
  if (known.purpose === 'part') known.state = 'held'
  else known.state = known.refused ? 'rejected' : 'promoted'
}

/** What must hold after every step, whatever it was. */
export async function check(model: Model, core: TestCore): Promise<void> {
  const found = new Map((await core.rows()).map((row) => [row.id, row]))
  for (const known of model.uploads) {
    const row = found.get(known.id)
    if (row === undefined) {
      expect([known.id, isEnded(known.state)]).toEqual([known.id, true])
      continue
    }
    if (known.whole || known.joined) follow(known, row)
    expect({ ...pick(row), id: row.id }).toEqual({ ...pick(known), id: known.id })
    expect(row.offset).toBeLessThanOrEqual(row.size ?? Number.MAX_SAFE_INTEGER)
    known.expiresAt = row.expiresAt === null ? null : Date.parse(row.expiresAt)
    if (isEnded(row.state) || known.whole) continue
    const stored = await core.bytesOf(row.finalKey ?? row.storageKey, row.offset)
    expect(stored.equals(content(known.seed, 0, row.offset))).toBe(true)
  }
  const promoted = model.uploads.filter(({ state }) => state === 'promoted').map(({ id }) => id)
  expect((await core.published()).sort()).toEqual(promoted.sort())
  const { used, open, usedByRows, openByRows } = await core.counters()
  expect([used, open]).toEqual([usedByRows, openByRows])
  expect(core.errors).toEqual([])
}

/** The model does not foresee what becomes of parts and wholes: only that it is allowed. */
function follow(known: Known, row: Upload): void {
  const { state, offset, size } = row
  if (state !== known.state) expect(reachable(known.state)).toContain(state)
  expect(offset).toBeGreaterThanOrEqual(known.offset)
  if (known.size !== null) expect(size).toBe(known.size)
  Object.assign(known, { state, offset, size })
}

/** In any number of steps. */
function reachable(from: State): State[] {
  return LEGAL[from].flatMap((to) => [to, ...reachable(to)])
}

const pick = ({ state, size, offset }: Pick<Upload, 'state' | 'size' | 'offset'>) => ({
  state,
  size,
  offset,
})

/** After a sweep nothing lies about: each object has a living row, and each living row its object. */
export async function checkSwept(core: TestCore): Promise<void> {
  const living = (await core.rows()).filter(({ state }) => !isEnded(state))
  expect(living.filter(({ state }) => state === 'creating' || state === 'complete')).toEqual([])
  expect(await core.keys()).toEqual(living.map((row) => row.finalKey ?? row.storageKey).sort())
}
