import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseUploadChecksum } from '../../../src/wire/upload-checksum.ts'

describe('Upload-Checksum', () => {
  it('is an algorithm and base64', () => {
    const parsed = parseUploadChecksum('sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=')
    expect(parsed?.algorithm).toBe('sha1')
    expect(Buffer.from(parsed?.digest ?? []).toString('hex')).toBe(
      '2aae6c35c94fcfb415dbe95f408b9ce91ee846ed',
    )
  })

  it('of any length and of any algorithm is for the caller to judge', () => {
    expect(parseUploadChecksum('crc32 y/Q5Jg==')).toMatchObject({ algorithm: 'crc32' })
    expect(parseUploadChecksum('SHA-9 YQ==')).toMatchObject({ algorithm: 'SHA-9' })
  })

  it.each([
    '',
    'sha1',
    'sha1 ',
    ' sha1 YQ==',
    'sha1  YQ==',
    'sha1 YQ',
    'sha1 YQ=',
    'sha1 YQ===',
    'sha1 Y',
    'sha1 Y-_=',
    'sha1 YQ== ',
    'sha1 YQ==, sha1 YQ==',
    'sha1 YQ==\n',
    'sha\u00e4 YQ==',
  ])('is not %j', (text) => {
    expect(parseUploadChecksum(text)).toBeNull()
  })
})

describe('any Upload-Checksum', () => {
  const token = fc.stringMatching(/^[!-~]+$/)

  it('that is printed is read again', () => {
    fc.assert(
      fc.property(token, fc.uint8Array({ minLength: 1 }), (algorithm, digest) => {
        const found = parseUploadChecksum(`${algorithm} ${Buffer.from(digest).toString('base64')}`)
        expect(found?.algorithm).toBe(algorithm)
        expect(Buffer.from(found?.digest ?? []).equals(digest)).toBe(true)
      }),
    )
  })

  it('is read only where it prints the same, and never throws', () => {
    const base64 = fc.string({ unit: fc.constantFrom(...'ABYZabz019+/=-_ ,\n\0é') })
    fc.assert(
      fc.property(fc.oneof(token, fc.string()), base64, (algorithm, value) => {
        const text = `${algorithm} ${value}`
        const found = parseUploadChecksum(text)
        if (found === null) return
        // The last letter may have bits that are not part of a byte: those are not looked at.
        const printed = Buffer.from(found.digest).toString('base64')
        expect(text.replace(/.=*$/, '')).toBe(`${found.algorithm} ${printed}`.replace(/.=*$/, ''))
      }),
    )
  })
})
