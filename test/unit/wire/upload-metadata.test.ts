import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxUploadMetadataLength, parseUploadMetadata } from '../../../src/wire/upload-metadata.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const pairs = (text: string) => [...(parseUploadMetadata(text) ?? [['none', 'none']])]

describe('parseUploadMetadata', () => {
  it('reads the pairs in their order, values as UTF-8', () => {
    expect(pairs(`filename ${base64('Zürich 🏔.pdf')},is_confidential,filetype YQ==`)).toEqual([
      ['filename', 'Zürich 🏔.pdf'],
      ['is_confidential', null],
      ['filetype', 'a'],
    ])
  })

  it('has no pairs when it is empty', () => {
    expect(pairs('')).toEqual([])
  })

  it('takes an empty value for none', () => {
    expect(pairs('a ,b ')).toEqual([
      ['a', null],
      ['b', null],
    ])
  })

  it('takes the space that joining two header lines puts after the comma', () => {
    expect(pairs('a YQ==, b Yg==')).toEqual([
      ['a', 'a'],
      ['b', 'b'],
    ])
  })

  it('takes keys such as __proto__ for ordinary ones', () => {
    const text = ['__proto__', 'constructor', 'toString'].map((key) => `${key} YQ==`).join(',')
    expect(pairs(text)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'a'],
      ['toString', 'a'],
    ])
  })

  it('replaces bytes that are not UTF-8', () => {
    expect(pairs('name gICA')).toEqual([['name', '���']])
  })

  it.each([
    ['a key twice', 'a YQ==,a Yg=='],
    ['an empty pair', 'a YQ==,,b Yg=='],
    ['a comma at the end', 'a YQ==,'],
    ['two spaces', 'a  YQ=='],
    ['a third word', 'a YQ== b'],
    ['a key outside ASCII', 'clé YQ=='],
    ['a control character in a key', 'a\x00b YQ=='],
    ['missing padding', 'a YQ'],
    ['a length that is no multiple of four', 'a YWJjZ'],
    ['padding in the middle', 'a YQ==YQ=='],
    ['too much padding', 'a Y==='],
    ['the alphabet of URLs', 'a _-__'],
    ['other characters', 'a YQ*='],
  ])('refuses %s', (_what, text) => {
    expect(parseUploadMetadata(text)).toBeNull()
  })

  it('reads 16 KiB and refuses one byte more', () => {
    const value = 'YWFh'.repeat((maxUploadMetadataLength - 4) / 4)
    expect(parseUploadMetadata(`abc ${value}`)?.get('abc')).toHaveLength((value.length / 4) * 3)
    expect(parseUploadMetadata(`abcd ${value}`)).toBeNull()
  })

  it('refuses ten thousand keys', () => {
    const text = Array.from({ length: 10_000 }, (_, index) => `key${index} YQ==`).join(',')
    expect(parseUploadMetadata(text)).toBeNull()
  })

  it('reads back whatever is encoded', () => {
    const key = fc.stringMatching(/^[!-+\--~]{1,20}$/)
    const value = fc.string({ unit: 'grapheme', maxLength: 40 })
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([k]) => k }), (given) => {
        const text = given.map(([k, v]) => `${k} ${base64(v)}`).join(',')
        expect(pairs(text)).toEqual(given.map(([k, v]) => [k, v === '' ? null : v]))
      }),
    )
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseUploadMetadata(text)))
  })
})
