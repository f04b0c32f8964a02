import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDigest, parseIntegrity, preferredDigest } from '../../../src/wire/digest-header.ts'

describe('parseIntegrity', () => {
  it('reads what formatDigest writes, strongest algorithm first', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const [weak, strong] = (['sha256', 'sha512'] as const).map((name) =>
          createHash(name).update(bytes).digest(),
        )
        const text = [
          formatDigest('sha-256', weak?.toString('hex') ?? ''),
          formatDigest('sha-512', strong?.toString('hex') ?? ''),
        ].join(', ')
        const found = parseIntegrity(text)
        if (typeof found === 'string') throw new Error(found)
        expect([...found.keys()]).toEqual(['sha-512', 'sha-256'])
        expect(Buffer.from(found.get('sha-256') ?? []).equals(weak ?? Buffer.alloc(0))).toBe(true)
      }),
    )
  })

  it('has the example of RFC 9530', () => {
    const text = 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:'
    expect(parseIntegrity(text)).toBeInstanceOf(Map)
  })

  it('passes over algorithms that it does not know', () => {
    const known = formatDigest('sha-256', 'ab'.repeat(32))
    expect(parseIntegrity(`md5=:AAAA:, ${known}`)).toBeInstanceOf(Map)
    expect(parseIntegrity('md5=:AAAA:, unixsum=1')).toBe('unsupported')
  })

  it.each([
    '',
    'sha-256',
    'sha-256=:AAAA:',
    'sha-256="AAAA"',
    'sha-512=1',
    'x y',
    'SHA-256=:AA==:',
  ])('%j is invalid', (text) => expect(parseIntegrity(text)).toBe('invalid'))
})

describe('preferredDigest', () => {
  it.each([
    ['sha-256=10, sha-512=3', 'sha-256'],
    ['sha-256=3, sha-512=10', 'sha-512'],
    ['sha-256=5, sha-512=5', 'sha-512'],
    ['md5=10, sha-256=1', 'sha-256'],
    ['sha-256=0', null],
    ['sha-256=0, sha-512=1', 'sha-512'],
    ['sha-256=11', null],
    ['sha-256=1.5', null],
    ['sha-256', null],
    ['md5=10', null],
    ['not a dictionary!', null],
    [undefined, null],
  ])('of %j is %j', (text, expected) => expect(preferredDigest(text)).toBe(expected))
})
