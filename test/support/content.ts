import { createHash } from 'node:crypto'

/** No type of file begins like this, so that every upload is `application/octet-stream`. */
const MAGIC = Buffer.from('LNDF').readUInt32LE()
const SLICE_BYTES = 64 * 1024

/**
 * Bytes of an upload that are a function of its seed and of their position, so that they can be
 * checked anywhere without a copy.
 */
export function contentOf(seed: number, start: number, length: number): Buffer {
  const firstWord = Math.floor(start / 4)
  const words = new Uint32Array(Math.ceil((start + length) / 4) - firstWord)
  for (let n = 0; n < words.length; n++) {
    const word = firstWord + n
    words[n] = word === 0 ? MAGIC : mix(seed ^ Math.imul(word, 0x9e3779b1))
  }
  return Buffer.from(words.buffer).subarray(start - firstWord * 4, start - firstWord * 4 + length)
}

/** The digest of the first `size` bytes. */
export function contentDigest(seed: number, size: number, algorithm = 'sha256'): string {
  const hash = createHash(algorithm)
  for (let at = 0; at < size; at += SLICE_BYTES)
    hash.update(contentOf(seed, at, Math.min(SLICE_BYTES, size - at)))
  return hash.digest('hex')
}

export interface Random {
  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
}

/** The same numbers for the same seed. */
export function createRandom(seed: number): Random {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    return mix(state) / 2 ** 32
  }
  const random: Random = {
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick(from) {
      const found = from[random.between(0, from.length - 1)]
      if (found === undefined) throw new Error('nothing to choose from')
      return found
    },
  }
  return random
}

function mix(value: number): number {
  let x = value
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}
