import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../errors.ts'
import type { Bucket, StoredPart } from './s3-bucket.ts'
import { isPassing } from './s3-faults.ts'
import type { Multipart } from './s3-multipart.ts'
import type { S3Object, S3Objects } from './s3-objects.ts'
import {
  type Assembly,
  assembleUpTo,
  endOf,
  PART_NUMBERS,
  type Piece,
  SPARE_NUMBERS,
  storedSize,
} from './s3-pieces.ts'
import type { Body } from './s3-spool.ts'

/** What the files of the S3 backend share. */
export interface Store {
  bucket: Bucket
  multipart: Multipart
  objects: S3Objects
  /** Whether parts are sent with a checksum. */
  checksums: boolean
}

/** The right to add to an object, until somebody else takes it. Everything rejects with `locked` then. */
export interface Turn {
  readonly object: S3Object
  /** Whether parts of the multipart upload that is open, if one is, have checksums. */
  readonly checksummed: boolean
  /**
   * Drops what lies past `size`, and tails of before. Rejects where fewer bytes are there.
   *
   * @returns what counts from here on; its rest may go on beyond `size`.
   */
  goBack(size: number): Promise<Assembly>
  /** Sends the part that begins where the parts so far end. */
  putPart(body: Body, start: number, stop?: AbortSignal): Promise<void>
  /** The same with bytes that the store has already. */
  copyPart(source: { key: string; first: number; last: number }, start: number): Promise<void>
  /**
   * Sends what comes after the parts beside the multipart upload, or, as `whole`, as the object.
   *
   * @returns false where the object is there already: nothing was sent.
   */
  putRest(kind: 'tail' | 'whole', body: Body, start: number, stop?: AbortSignal): Promise<boolean>
  /** A point that the caller may go back to: the tails of the last two are kept. */
  keepPoint(size: number): Promise<void>
  /** Parts from here on have checksums or have none; with others already there it stays as it is. */
  setChecksums(wanted: boolean): Promise<void>
  /** Resolves when removals that were begun have ended. */
  settled(): Promise<void>
}

const LOST = { retryAfterSeconds: 1 } as const
/** Tries to begin a multipart upload; each is counted. */
const BEGIN_TRIES = 3
const BEGIN_PAUSE_MS = 300
/** Numbers of tails are below 0, and drawn: they are names, and have no order. */
const TAIL_NUMBERS = 2 ** 31 - 1

export function tailKey(key: string, number: number): string {
  return `${key}.tail.${-number}`
}

/** Where the bytes of a tail or of a whole object are. */
export function restKey({ key, target }: S3Object, { kind, number }: Piece): string {
  return kind === 'whole' ? target : tailKey(key, number)
}

/** Takes the turn. Rejects with `not-found` where there is no such unfinished object. */
export async function takeTurn(store: Store, key: string): Promise<Turn> {
  const writer = randomUUID()
  const object = await store.objects.take(key, writer)
  if (object === null) throw new Fault('not-found')
  return createTurn(store, object, writer)
}

function createTurn(store: Store, object: S3Object, writer: string): Turn {
  const { bucket, multipart } = store
  const own = store.objects.of(object.key, writer)
  let pieces: readonly Piece[] = object.pieces
  let { multipartId } = object
  let checksummed = checksumsOf(pieces) ?? store.checksums
  /** Whether it is known what the open multipart upload was begun with. */
  let known = checksumsOf(pieces) !== undefined
  /** Ends of the last two points, the latest last. */
  let points: number[] = []
  let removing: Promise<unknown> = Promise.resolve()

  async function require(done: Promise<boolean>): Promise<void> {
    if (!(await done)) throw new Fault('locked', LOST)
  }

  async function goBack(size: number): Promise<Assembly> {
    const found = assembleUpTo(pieces, size)
    if (found === null)
      throw new Error(`object holds ${storedSize(pieces)} bytes where ${size} were recorded`)
    const { parts, rest } = found
    const kept = new Set<Piece | null>([...parts, rest])
    await take(pieces.filter((piece) => !kept.has(piece)))
    points = [size]
    if (parts.length === 0 && object.nextNumber > SPARE_NUMBERS) await beginAnew()
    return found
  }

  /** Takes pieces out of what counts. */
  async function take(gone: readonly Piece[]): Promise<void> {
    pieces = pieces.filter((piece) => !gone.includes(piece))
    const tails = gone.filter(({ kind }) => kind === 'tail')
    // A part is gone with its row; the object that a `whole` names is its target, and stays.
    const others = gone.filter(({ kind }) => kind !== 'tail')
    if (others.length > 0) await require(own.drop(numbersOf(others)))
    if (tails.length > 0) await require(own.discount(numbersOf(tails)))
    remove(tails)
  }

  /** Objects first, rows after: what a crash leaves in between is removed by the next turn. */
  function remove(tails: readonly Piece[]): void {
    if (tails.length === 0) return
    const before = removing
    removing = (async () => {
      await before
      for (const { number } of tails) await bucket.remove(tailKey(object.key, number))
      await own.drop(numbersOf(tails))
    })().catch(() => {})
  }

  /** Numbers start again in another multipart upload; none of the first one's parts is needed. */
  async function beginAnew(): Promise<void> {
    const before = multipartId
    await require(own.leaveMultipart())
    multipartId = null
    object.nextNumber = 1
    known = false
    if (before !== null)
      removing = Promise.all([removing, multipart.abort(object.target, before).catch(() => {})])
  }

  async function setChecksums(wanted: boolean): Promise<void> {
    if (pieces.some(({ kind }) => kind === 'part')) return
    if (multipartId !== null && !(known && checksummed === wanted)) await beginAnew()
    checksummed = wanted
  }

  async function openMultipart(): Promise<string> {
    // Begun by a turn before ours, and without a part to tell how.
    if (multipartId !== null && !known) await beginAnew()
    known = true
    if (multipartId !== null) return multipartId
    for (let run = 1; ; run++) {
      await require(own.countMultipart())
      object.multipartsBegun++
      try {
        const id = await multipart.begin(object.target, checksummed)
        if (!(await own.nameMultipart(id))) {
          await multipart.abort(object.target, id)
          throw new Fault('locked', LOST)
        }
        multipartId = id
        return id
      } catch (error) {
        if (error instanceof Fault || run === BEGIN_TRIES || !isPassing(error)) throw error
        await delay(BEGIN_PAUSE_MS * run)
      }
    }
  }

  async function addPart(
    start: number,
    size: number,
    send: (id: string, number: number) => Promise<StoredPart>,
  ): Promise<void> {
    const id = await openMultipart()
    const number = await own.beginPart(start, size)
    if (number === null) throw new Fault('locked', LOST)
    object.nextNumber = number + 1
    if (number > PART_NUMBERS)
      throw new Fault('too-large', {
        text: 'This upload was broken off too often: begin it again.',
      })
    const { etag, checksum } = await send(id, number)
    await require(own.record({ number, etag, checksum }, []))
    pieces = [...pieces, { number, kind: 'part', start, size, etag, checksum }]
  }

  async function putRest(
    kind: 'tail' | 'whole',
    body: Body,
    start: number,
    stop?: AbortSignal,
  ): Promise<boolean> {
    const number = kind === 'whole' ? 0 : -randomInt(1, TAIL_NUMBERS)
    const sent = { number, kind, start, size: body.size, etag: null, checksum: null }
    await require(own.beginRest(sent))
    // Noted here too, so that one that fails is removed like any other.
    pieces = [...pieces, sent]
    const name = restKey(object, sent)
    const options = { onlyNew: kind === 'whole', ...(stop && { signal: stop }) }
    const etag = await bucket.put(name, body, options)
    if (etag === null) return false
    const stored = { ...sent, etag, checksum: body.checksum ?? null }
    pieces = pieces.map((piece) => (piece === sent ? stored : piece))
    const outdated = passPoint(endOf(stored))
    if (!(await own.record(stored, numbersOf(outdated)))) {
      // Nobody else knows the name. That of a whole object may be another's by now.
      if (kind === 'tail') await bucket.remove(name)
      throw new Fault('locked', LOST)
    }
    remove(outdated)
    return true
  }

  /** @returns the tails that nobody can go back to any more. */
  function passPoint(size: number): Piece[] {
    points = [...points.slice(-1), size]
    const outdated = pieces.filter(
      ({ kind, etag, start, size }) =>
        kind === 'tail' && (etag === null || !points.includes(start + size)),
    )
    pieces = pieces.filter((piece) => !outdated.includes(piece))
    return outdated
  }

  async function keepPoint(size: number): Promise<void> {
    const outdated = passPoint(size)
    if (outdated.length === 0) return
    await require(own.discount(numbersOf(outdated)))
    remove(outdated)
  }

  return {
    object,
    get checksummed() {
      return checksummed
    },
    goBack,
    putPart: (body, start, stop) =>
      addPart(start, body.size, (id, number) =>
        multipart.put(
          object.target,
          id,
          number,
          checksummed ? body : { ...body, checksum: undefined },
          stop,
        ),
      ),
    copyPart: (source, start) =>
      addPart(start, source.last - source.first + 1, (id, number) =>
        multipart.copy(object.target, id, number, source),
      ),
    putRest,
    keepPoint,
    setChecksums,
    async settled() {
      await removing
    },
  }
}

function numbersOf(pieces: readonly Piece[]): number[] {
  return pieces.map(({ number }) => number)
}

/** Undefined while there is no part to tell. */
function checksumsOf(pieces: readonly Piece[]): boolean | undefined {
  const part = pieces.find(({ kind, etag }) => kind === 'part' && etag !== null)
  return part && part.checksum !== null
}
