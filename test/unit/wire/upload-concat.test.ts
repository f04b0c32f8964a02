import { describe, expect, it } from 'vitest'
import { parseUploadConcat } from '../../../src/wire/upload-concat.ts'

describe('Upload-Concat', () => {
  it('is partial', () => {
    expect(parseUploadConcat('partial')).toEqual({ kind: 'partial' })
  })

  it('is final with URLs in order, as they were sent', () => {
    expect(parseUploadConcat('final;/files/a https://x/files/b?c /files/a')).toEqual({
      kind: 'final',
      urls: ['/files/a', 'https://x/files/b?c', '/files/a'],
    })
  })

  it('may have more spaces than it needs, and an empty list', () => {
    expect(parseUploadConcat('final; /a  /b ')).toEqual({ kind: 'final', urls: ['/a', '/b'] })
    expect(parseUploadConcat('final;')).toEqual({ kind: 'final', urls: [] })
  })

  it.each(['', 'Partial', 'partial;', 'partial, partial', 'final', 'final:/a', 'FINAL;/a', 'x'])(
    'is not %j',
    (text) => {
      expect(parseUploadConcat(text)).toBeNull()
    },
  )
})
