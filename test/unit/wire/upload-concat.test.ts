import fc from 'fast-check'
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

describe('any Upload-Concat', () => {
  const url = fc.stringMatching(/^[!-~]+$/)

  it('that is printed is read again, in order', () => {
    fc.assert(
      fc.property(fc.array(url), (urls) => {
        expect(parseUploadConcat(`final;${urls.join(' ')}`)).toEqual({ kind: 'final', urls })
      }),
    )
  })

  it('is read only where it begins as one, and never throws', () => {
    const start = fc.constantFrom('partial', 'final;', 'final', 'Final;', '', ' ')
    fc.assert(
      fc.property(start, fc.string({ unit: 'binary' }), (begin, rest) => {
        const text = begin + rest
        const found = parseUploadConcat(text)
        expect(found !== null).toBe(text === 'partial' || text.startsWith('final;'))
        if (found?.kind === 'final') for (const each of found.urls) expect(each).toMatch(/^[^ ]+$/)
      }),
    )
  })
})
