import { createHash, getHashes, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  createHasher,
  createResumableHasher,
  isDigestAlgorithm,
  isResumable,
} from '../../../src/streams/digest-algorithms.ts'

const bytes = randomBytes(100_003)

describe('createHasher', () => {
  it.each([
    // The check values of the catalogue of parametrised CRC algorithms.
    ['crc32', '123456789', 'cbf43926'],
    ['crc32c', '123456789', 'e3069283'],
    ['crc32', '', '00000000'],
    ['crc32c', '', '00000000'],
    // RFC 3720 §B.4: 32 bytes of zeros.
    ['crc32c', '\0'.repeat(32), '8a9136aa'],
    ['sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['md5', '', 'd41d8cd98f00b204e9800998ecf8427e'],
  ])('%s of %j is %s, in one piece and byte by byte', (algorithm, text, expected) => {
    const whole = createHasher(algorithm)
    whole.update(Buffer.from(text))
    expect(whole.digest()).toBe(expected)
    const pieces = createHasher(algorithm)
    for (const byte of Buffer.from(text)) pieces.update(Uint8Array.of(byte))
    pieces.update(new Uint8Array(0))
    expect(pieces.digest()).toBe(expected)
  })
})

describe('createResumableHasher', () => {
  const resumable = getHashes().filter(isResumable)

  it('knows the usual algorithms', () => {
    expect(resumable).toEqual(expect.arrayContaining(['md5', 'sha1', 'sha256', 'sha512']))
    expect(resumable.every(isDigestAlgorithm)).toBe(true)
    expect(isResumable('constructor') || isDigestAlgorithm('constructor')).toBe(false)
  })

  it.each(resumable)('%s agrees with node:crypto, also over a saved state', async (algorithm) => {
    const expected = createHash(algorithm).update(bytes).digest('hex')
    const first = await createResumableHasher(algorithm, undefined)
    first?.update(bytes.subarray(0, 70_001))
    const state = Uint8Array.from(first?.save?.() ?? [])
    const second = await createResumableHasher(algorithm, state)
    second?.update(bytes.subarray(70_001))
    first?.update(bytes.subarray(70_001))
    expect([first?.digest(), second?.digest()]).toEqual([expected, expected])
  })

  it('gives nothing for a state that is not one', async () => {
    expect(await createResumableHasher('sha256', randomBytes(112))).toBeNull()
    expect(await createResumableHasher('sha256', new Uint8Array())).toBeNull()
    expect(await createResumableHasher('crc32', new Uint8Array(4))).toBeNull()
  })
})
