const MIB = 1024 * 1024

/** The store's least size of a part that is not the last one. */
export const LEAST_PART_BYTES = 5 * MIB
/** The largest object that S3 takes. */
export const LARGEST_OBJECT_BYTES = 5 * 1024 * 1024 * MIB
/** A multipart upload has so many part numbers. */
export const PART_NUMBERS = 10_000
/** Numbers beyond those that an object needs: for parts that were given up on the way. */
export const SPARE_NUMBERS = 2000
/** Bytes of a part that a small object has. */
const USUAL_PART_BYTES = 8 * MIB
/** Parts that grow stop growing here: two of them have room in most spools. */
const LARGEST_GROWN_PART_BYTES = 2 * 1024 * MIB
/** A part that grows is this share of what stands before it. */
const GROWTH = 1000

/** Something stored of an unfinished object. */
export interface Piece {
  /** The number of a part; of a tail, what makes its name its own; of the whole object 0. */
  number: number
  kind: 'part' | 'tail' | 'whole'
  /** First byte, counted in the whole object. */
  start: number
  size: number
  /** Null until it is stored. */
  etag: string | null
  /** CRC-32 in base64, as the store has it; null where none is asked for. */
  checksum: string | null
}

/** Pieces that together are the bytes from 0 on. */
export interface Assembly {
  parts: Piece[]
  /** What follows the parts: a tail, or the whole object where there are no parts. */
  rest: Piece | null
}

/**
 * Bytes of every part but the last, all alike since some stores want that. 0 where nobody knows how
 * long the object will be: then they grow.
 *
 * @param usual the least that is used. Default 8 MiB.
 */
export function partSizeFor(size: number | null, usual = USUAL_PART_BYTES): number {
  if (size === null) return 0
  const parts = PART_NUMBERS - SPARE_NUMBERS
  return Math.max(usual, Math.ceil(size / parts / MIB) * MIB)
}

/**
 * Bytes of the part that begins at `start`. Where they grow, small objects have small parts and
 * 5 TiB still take less than 8,100 of them.
 */
export function partSizeAt(partSize: number, start: number, usual = USUAL_PART_BYTES): number {
  if (partSize > 0) return partSize
  const grown = Math.ceil(start / GROWTH / MIB) * MIB
  return Math.min(LARGEST_GROWN_PART_BYTES, Math.max(usual, grown))
}

export function endOf({ start, size }: Pick<Piece, 'start' | 'size'>): number {
  return start + size
}

/** What counts: parts that are stored and consecutive from byte 0, and one tail behind them. */
export function storedSize(pieces: readonly Piece[]): number {
  return Math.max(0, ...boundariesOf(pieces), ...restsOf(pieces).map(endOf))
}

/** The pieces that give bytes 0 to `size` exactly; null where they cannot. */
export function assemble(pieces: readonly Piece[], size: number): Assembly | null {
  const parts = chainOf(pieces)
  const whole = partsUpTo(parts, size)
  if (endOfParts(whole) === size) return { parts: whole, rest: null }
  const rest = restsOf(pieces).find((piece) => endOf(piece) === size)
  return rest === undefined ? null : { parts: partsUpTo(parts, rest.start), rest }
}

/** The same, or with a rest that goes on beyond `size`: its first bytes are then what is meant. */
export function assembleUpTo(pieces: readonly Piece[], size: number): Assembly | null {
  const exact = assemble(pieces, size)
  if (exact !== null) return exact
  const rest = restsOf(pieces).find((piece) => piece.start <= size && endOf(piece) > size)
  return rest === undefined ? null : { parts: partsUpTo(chainOf(pieces), rest.start), rest }
}

/** Where the bytes of these parts end. */
export function endOfParts(parts: readonly Piece[]): number {
  const last = parts.at(-1)
  return last === undefined ? 0 : endOf(last)
}

function partsUpTo(parts: readonly Piece[], size: number): Piece[] {
  return parts.filter((part) => endOf(part) <= size)
}

/** Stored parts, each beginning where the one before ends. */
function chainOf(pieces: readonly Piece[]): Piece[] {
  const parts = pieces
    .filter(({ kind, etag }) => kind === 'part' && etag !== null)
    .sort((a, b) => a.start - b.start || a.number - b.number)
  const chain: Piece[] = []
  for (const part of parts) if (part.start === endOfParts(chain)) chain.push(part)
  return chain
}

function boundariesOf(pieces: readonly Piece[]): number[] {
  return [0, ...chainOf(pieces).map(endOf)]
}

/** Tails, and whole objects, that begin where parts end; those of the most parts first. */
function restsOf(pieces: readonly Piece[]): Piece[] {
  const boundaries = new Set(boundariesOf(pieces))
  return pieces
    .filter(({ kind, etag, start }) => kind !== 'part' && etag !== null && boundaries.has(start))
    .sort((a, b) => b.start - a.start)
}
