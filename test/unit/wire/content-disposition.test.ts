import { validateHeaderValue } from 'node:http'
import { parse } from 'content-disposition'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  cleanFilename,
  contentDisposition,
  dispositionFilename,
} from '../../../src/wire/content-disposition.ts'

describe('contentDisposition', () => {
  it('names an ordinary file plainly', () => {
    expect(contentDisposition('inline', 'photo.jpg')).toBe('inline; filename=photo.jpg')
    expect(contentDisposition('attachment', 'my photo.jpg')).toBe(
      'attachment; filename="my photo.jpg"',
    )
  })

  it('gives a name outside ASCII as filename* too', () => {
    expect(contentDisposition('attachment', 'Zürich.pdf')).toBe(
      `attachment; filename="Z?rich.pdf"; filename*=UTF-8''Z%C3%BCrich.pdf`,
    )
  })

  it('cannot be broken out of', () => {
    const header = contentDisposition('inline', 'a"; filename=evil.exe; x="')
    expect(parse(header).parameters).toEqual({ filename: 'a"; filename=evil.exe; x="' })
  })

  it('is a header value in ASCII that reads back as the cleaned name, whatever the name', () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom('%20', '"', '\\', '/', '\r\n', '\0', '\u202e', '😀', 'é', '.'),
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 300 }), (units) => {
        const name = units.join('')
        const header = contentDisposition('attachment', name)
        validateHeaderValue('Content-Disposition', header)
        expect(header).toMatch(/^[ -~]+$/)
        expect(parse(header).parameters.filename).toBe(cleanFilename(name))
      }),
    )
  })
})

describe('cleanFilename', () => {
  it.each([
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['..\\..\\x', '.._.._x'],
    ['/abs', '_abs'],
    ['C:\\x', 'C:_x'],
    ['a\r\nSet-Cookie: b', 'aSet-Cookie: b'],
    ['a\0b', 'ab'],
    ['a\u202egpj.exe', 'agpj.exe'],
    ['a\u2066b\u2069\u200f', 'ab'],
    ['a\u200bb\ufeff', 'ab'],
    ['a\u2028b', 'ab'],
    ['a\ud800b', 'a_b'],
    ['😀.png', '😀.png'],
    [' a ', 'a'],
    ['', 'file'],
    ['.', 'file'],
    ['..', 'file'],
    [' \t', 'file'],
    ['\u202e', 'file'],
    ['CON', 'CON'],
    ['a.', 'a.'],
  ])('%j becomes %j', (name, cleaned) => {
    expect(cleanFilename(name)).toBe(cleaned)
  })

  it('cuts a long name before its ending, between characters', () => {
    const cleaned = cleanFilename(`${'😀'.repeat(2000)}.png`)
    expect(cleaned).toBe(`${'😀'.repeat(251)}.png`)
    expect(cleanFilename('x'.repeat(5000))).toBe('x'.repeat(255))
    expect(cleanFilename(`a.${'x'.repeat(5000)}`)).toHaveLength(255)
    expect(cleanFilename('😀'.repeat(1_000_000))).toBe('😀'.repeat(255))
  })
})

describe('dispositionFilename', () => {
  const latin1 = (text: string) => Buffer.from(text).toString('latin1')

  it.each([
    ['attachment; filename=a.txt', 'a.txt'],
    ['attachment; filename="a b.txt"', 'a b.txt'],
    ['attachment; filename="x"; filename*=UTF-8\'\'na%C3%AFve.txt', 'naïve.txt'],
    ['attachment; filename*=UTF-8\'\'na%C3%AFve.txt; filename="x"', 'naïve.txt'],
    [`attachment; filename="${latin1('naïve.txt')}"`, 'naïve.txt'],
    ['attachment; filename="na\u00efve.txt"', 'na\u00efve.txt'],
    ['attachment', null],
    ['attachment; filename=""', null],
    [undefined, null],
  ])('of %j is %j', (header, name) => expect(dispositionFilename(header)).toBe(name))

  it('reads back every name that is written, as it was cleaned', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const header = contentDisposition('attachment', name)
        expect(dispositionFilename(header)).toBe(cleanFilename(name))
      }),
    )
  })
})
