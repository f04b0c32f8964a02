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
