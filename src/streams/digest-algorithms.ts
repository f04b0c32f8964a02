import { createHash, getHashes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Crc32c } from '@aws-crypto/crc32c'
import {
  createBLAKE2b,
  createBLAKE2s,
  createMD5,
  createRIPEMD160,
  createSHA1,
  createSHA3,
  createSHA224,
  createSHA256,
  createSHA384,
  createSHA512,
  createSM3,
} from 'hash-wasm'

/** A digest that is being computed. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** The digest, lower-case hex. Nothing can be added after it. */
  digest(): string
  /** What it takes to go on later, in another process; undefined where that cannot be had. */
  save?(): Uint8Array
}

/** Algorithms whose state can be saved. node:crypto is faster and cannot. */
const RESUMABLE: Record<string, () => ReturnType<typeof createMD5>> = {
  md5: createMD5,
  sha1: createSHA1,
  sha224: createSHA224,
  sha256: createSHA256,
  sha384: createSHA384,
  sha512: createSHA512,
  'sha3-224': () => createSHA3(224),
  'sha3-256': () => createSHA3(256),
  'sha3-384': () => createSHA3(384),
  'sha3-512': () => createSHA3(512),
  blake2b512: () => createBLAKE2b(512),
  blake2s256: () => createBLAKE2s(256),
  ripemd160: createRIPEMD160,
  sm3: createSM3,
}

/** Whether a digest that runs along with an upload can be kept between two requests. */
export function isResumable(name: string): boolean {
  return Object.hasOwn(RESUMABLE, name)
}

/** Whether a whole file can be digested with it: any algorithm of node:crypto. */
export function isDigestAlgorithm(name: string): boolean {
  return isResumable(name) || getHashes().includes(name)
}

/** For one request's bytes: the fastest there is. CRCs are 4 bytes, big-endian. */
export function createHasher(algorithm: string): Hasher {
  if (algorithm === 'crc32') return createCrc32()
  if (algorithm === 'crc32c') return createCrc32c()
  const hash = createHash(algorithm)
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
}

/**
 * For a whole file, over many requests. `state` is what `save` gave before.
 *
 * @returns null where a state is given that this algorithm cannot go on from.
 */
export async function createResumableHasher(
  algorithm: string,
  state: Uint8Array | undefined,
): Promise<Hasher | null> {
  const make = RESUMABLE[algorithm]
  if (make === undefined) return state === undefined ? createHasher(algorithm) : null
  const hash = (await make()).init()
  try {
    if (state !== undefined) hash.load(state)
  } catch {
    // Another build of the library wrote it: the bytes have to be read again.
    return null
  }
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest('hex'),
    save: () => hash.save(),
  }
}

function createCrc32(): Hasher {
  let value = 0
  return {
    update(bytes) {
      // Node gives 0 for nothing, whatever came before it.
      if (bytes.byteLength > 0) value = crc32(bytes, value)
    },
    digest: () => toHex(value),
  }
}

function createCrc32c(): Hasher {
  const crc = new Crc32c()
  return { update: (bytes) => void crc.update(bytes), digest: () => toHex(crc.digest()) }
}

function toHex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}
