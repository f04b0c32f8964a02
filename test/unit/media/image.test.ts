import { readFileSync } from 'node:fs'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { fromBytes } from '../../../src/media/bytes.ts'
import { detect } from '../../../src/media/detect.ts'
import { readImage } from '../../../src/media/image.ts'
import {
  buildBmp,
  buildDib,
  buildIco,
  buildPng,
  buildTiff,
  pngProfile,
} from '../../support/images.ts'

const maxPixels = 268_402_689

/** `64x48 RGB`, after detection by content alone. */
const facts = async (bytes: Uint8Array): Promise<string> => {
  const source = fromBytes(bytes)
  const kind = await detect(source, { name: '', declaredType: null })
  expect(kind.type).toBe('image')
  const { width, height, mode, tooManyPixels } = await readImage(source, kind.mimeType, maxPixels)
  return `${width}x${height} ${mode}${tooManyPixels ? ' too many' : ''}`
}

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/${name}`, import.meta.url)))

const solid = (channels: 3 | 4 = 3, width = 20, height = 10) =>
  sharp({ create: { width, height, channels, background: { r: 200, g: 60, b: 20, alpha: 0.5 } } })

const grey = () => solid().toColourspace('b-w')

describe('images written by libvips and libheif', () => {
  it.each([
    ['RGB JPEG', () => solid().jpeg(), 'RGB'],
    ['progressive JPEG', () => solid().jpeg({ progressive: true }), 'RGB'],
    ['grey JPEG', () => grey().jpeg(), 'L'],
    ['CMYK JPEG', () => solid().toColourspace('cmyk').jpeg(), 'CMYK'],
    ['RGB PNG', () => solid().png(), 'RGB'],
    ['RGBA PNG', () => solid(4).png(), 'RGBA'],
    ['palette PNG', () => solid().png({ palette: true }), 'P'],
    ['grey PNG', () => grey().png(), 'L'],
    ['16-bit grey PNG', () => solid().toColourspace('grey16').png(), 'I;16'],
    ['16-bit RGB PNG', () => solid().toColourspace('rgb16').png(), 'RGB'],
    ['GIF', () => solid().gif(), 'P'],
    ['lossy WebP', () => solid().webp(), 'RGB'],
    ['lossy WebP with alpha', () => solid(4).webp(), 'RGBA'],
    ['lossless WebP', () => solid().webp({ lossless: true }), 'RGB'],
    ['lossless WebP with alpha', () => solid(4).webp({ lossless: true }), 'RGBA'],
    ['AVIF', () => solid().avif(), 'RGB'],
    ['AVIF with alpha', () => solid(4).avif(), 'RGBA'],
    ['RGB TIFF', () => solid().tiff(), 'RGB'],
    ['RGBA TIFF', () => solid(4).tiff({ compression: 'lzw' }), 'RGBA'],
    ['grey TIFF', () => grey().tiff({ compression: 'none' }), 'L'],
    ['bilevel TIFF', () => grey().tiff({ bitdepth: 1, compression: 'ccittfax4' }), '1'],
    ['CMYK TIFF', () => solid().toColourspace('cmyk').tiff({ compression: 'none' }), 'CMYK'],
    ['LAB TIFF', () => solid().toColourspace('lab').tiff({ compression: 'none' }), 'LAB'],
    ['JPEG in TIFF', () => solid().tiff({ compression: 'jpeg' }), 'RGB'],
    ['BigTIFF', () => solid().tiff({ bigtiff: true }), 'RGB'],
  ] as const)('%s', async (_, make, mode) => {
    expect(await facts(await make().toBuffer())).toBe(`20x10 ${mode}`)
  })

  it('reads HEIC and AVIF without a codec, as stored and cut to their clean aperture', async () => {
    expect(await facts(fixture('fixture.heic'))).toBe('24x16 RGBA')
    expect(await facts(fixture('turned.avif'))).toBe('24x16 RGB')
  })

  it('does not turn an image by its EXIF orientation', async () => {
    const turned = solid().withMetadata({ orientation: 6 })
    expect(await facts(await turned.clone().jpeg().toBuffer())).toBe('20x10 RGB')
    expect(await facts(await turned.clone().webp().toBuffer())).toBe('20x10 RGB')
    expect(await facts(await turned.clone().tiff().toBuffer())).toBe('20x10 RGB')
  })
})

describe('PNG', () => {
  it.each([
    [1, 0, '1'],
    [2, 0, 'L'],
    [4, 0, 'L'],
    [8, 0, 'L'],
    [16, 0, 'I;16'],
    [8, 2, 'RGB'],
    [16, 2, 'RGB'],
    [1, 3, 'P'],
    [2, 3, 'P'],
    [4, 3, 'P'],
    [8, 3, 'P'],
    [8, 4, 'LA'],
    [16, 4, 'RGBA'],
    [8, 6, 'RGBA'],
    [16, 6, 'RGBA'],
  ])('%i bits of colour type %i', async (depth, colour, mode) => {
    expect(await facts(buildPng(7, 5, depth, colour))).toBe(`7x5 ${mode}`)
  })
})

describe('TIFF', () => {
  const grey = { 256: [7], 257: [5], 262: [1], 277: [1] }
  it.each([
    ['bilevel', { ...grey, 258: [1] }, '1'],
    ['white is zero', { ...grey, 258: [1], 262: [0] }, '1'],
    ['4-bit grey', { ...grey, 258: [4] }, 'L'],
    ['8-bit grey', { ...grey, 258: [8] }, 'L'],
    ['grey with alpha', { ...grey, 258: [8, 8], 277: [2], 338: [2] }, 'LA'],
    ['16-bit grey', { ...grey, 258: [16] }, 'I;16'],
    ['16-bit signed', { ...grey, 258: [16], 339: [2] }, 'I'],
    ['32-bit integer', { ...grey, 258: [32], 339: [2] }, 'I'],
    ['float', { ...grey, 258: [32], 339: [3] }, 'F'],
    ['palette', { ...grey, 258: [8], 262: [3] }, 'P'],
    ['4-bit palette', { ...grey, 258: [4], 262: [3] }, 'P'],
    ['RGB', { ...grey, 258: [8, 8, 8], 262: [2], 277: [3] }, 'RGB'],
    ['16-bit RGB', { ...grey, 258: [16, 16, 16], 262: [2], 277: [3] }, 'RGB'],
    ['RGBA', { ...grey, 258: [8, 8, 8, 8], 262: [2], 277: [4], 338: [2] }, 'RGBA'],
    ['RGB and something', { ...grey, 258: [8, 8, 8, 8], 262: [2], 277: [4], 338: [0] }, 'RGB'],
    ['CMYK', { ...grey, 258: [8, 8, 8, 8], 262: [5], 277: [4] }, 'CMYK'],
    ['YCbCr', { ...grey, 258: [8, 8, 8], 259: [1], 262: [6], 277: [3] }, 'YCbCr'],
    ['YCbCr in JPEG', { ...grey, 258: [8, 8, 8], 259: [7], 262: [6], 277: [3] }, 'RGB'],
    ['LAB', { ...grey, 258: [8, 8, 8], 262: [8], 277: [3] }, 'LAB'],
    ['LogLuv', { ...grey, 258: [16, 16, 16], 262: [32845], 277: [3] }, 'null'],
  ])('%s, in both byte orders and in BigTIFF', async (_, tags, mode) => {
    for (const bigEndian of [false, true]) {
      for (const bigTiff of [false, true]) {
        const bytes = buildTiff({ tags, bigEndian, bigTiff })
        expect(await facts(bytes), `${bigEndian} ${bigTiff}`).toBe(`7x5 ${mode}`)
      }
    }
  })

  it('finds a directory that lies far behind the head', async () => {
    const tags = { 256: [7], 257: [5], 258: [8, 8, 8], 262: [2], 277: [3] }
    expect(await facts(buildTiff({ tags, gap: 300_000 }))).toBe('7x5 RGB')
  })
})

describe('BMP and ICO', () => {
  const greys = Array.from({ length: 256 }, (_, i) => [i, i, i] as const)
  it.each([
    [
      'black and white',
      {
        bits: 1,
        palette: [
          [0, 0, 0],
          [255, 255, 255],
        ],
      },
      '1',
    ],
    [
      'two colours',
      {
        bits: 1,
        palette: [
          [255, 0, 0],
          [255, 255, 255],
        ],
      },
      'P',
    ],
    [
      'palette',
      {
        bits: 8,
        palette: [
          [1, 2, 3],
          [4, 5, 6],
          [7, 8, 9],
        ],
      },
      'P',
    ],
    ['grey palette', { bits: 8, palette: greys }, 'L'],
    ['16 bits', { bits: 16 }, 'RGB'],
    ['24 bits', { bits: 24 }, 'RGB'],
    ['32 bits', { bits: 32 }, 'RGB'],
    ['top down', { bits: 24, topDown: true }, 'RGB'],
    ['alpha mask', { bits: 32, masks: [0xff0000, 0xff00, 0xff, 0xff000000] }, 'RGBA'],
    ['empty alpha mask', { bits: 32, masks: [0xff0000, 0xff00, 0xff, 0] }, 'RGB'],
  ] as const)('%s', async (_, options, mode) => {
    expect(await facts(buildBmp(7, 5, options))).toBe(`7x5 ${mode}`)
  })

  it('reads the largest picture of an icon, a PNG or a bitmap with its mask', async () => {
    const small = { width: 16, height: 16, bits: 32, bytes: buildPng(16, 16, 8, 2) }
    const large = { width: 32, height: 32, bits: 8, bytes: buildDib(32, 64, { bits: 24 }) }
    const huge = { width: 0, height: 0, bits: 32, bytes: buildPng(300, 290, 8, 6) }
    expect(await facts(buildIco([small]))).toBe('16x16 RGB')
    expect(await facts(buildIco([small, large]))).toBe('32x32 RGBA')
    expect(await facts(buildIco([large, huge, small]))).toBe('300x290 RGBA')
  })
})

describe('SVG', () => {
  const svg = (attributes: string): Buffer =>
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" ${attributes}></svg>`)
  it.each([
    ['width="30" height="20"', '30x20'],
    ['width="30px" height=" 20.4 "', '30x20'],
    ['width="1in" height="2.54cm"', '96x96'],
    ["width='72pt' height='25.4mm'", '96x96'],
    ['viewBox="0 0 300 150"', '300x150'],
    ['viewBox="-5,-5 1e2,.5e2"', '100x50'],
    ['width="100%" height="100%" viewBox="0 0 300 150"', '300x150'],
    ['width="600" viewBox="0 0 300 150"', '600x300'],
    ['height="75" viewBox="0 0 300 150"', '150x75'],
    ['width="2em" height="0"', 'nullxnull'],
    ['width="&a;" height="NaN"', 'nullxnull'],
    ['width="1e300" height="1"', 'nullx1'],
    ['', 'nullxnull'],
  ])('%s', async (attributes, size) => {
    expect(await facts(svg(attributes))).toBe(`${size} null`)
  })

  it('is never too large, being drawn at any size', async () => {
    expect(await facts(svg('width="1000000" height="1000000"'))).toBe('1000000x1000000 null')
  })
})

describe('what is damaged or hostile', () => {
  it('gives what the header says of a file that ends behind it', async () => {
    const jpeg = await solid().jpeg().toBuffer()
    expect(await facts(jpeg.subarray(0, jpeg.length - 10))).toBe('20x10 RGB')
    expect(await facts(buildPng(70, 50).subarray(0, 40))).toBe('70x50 RGB')
    expect(await facts(Buffer.from('GIF89a\x05\0\x04\0', 'latin1'))).toBe('5x4 P')
    expect(await facts(fixture('fixture.heic').subarray(0, 660))).toBe('24x16 RGBA')
  })

  it('gives nulls where even the header is cut or senseless', async () => {
    const jpeg = await solid().jpeg().toBuffer()
    expect(await facts(jpeg.subarray(0, 8))).toBe('nullxnull null')
    expect(await facts(Buffer.from('GIF89a\0\0', 'latin1'))).toBe('nullxnull null')
    expect(await facts(Buffer.from('RIFF\0\0\0\0WEBPVP9 ', 'latin1'))).toBe('nullxnull null')
    expect(await facts(Buffer.from('II*\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0', 'latin1'))).toBe(
      'nullxnull null',
    )
    expect(await facts(Buffer.from('\0\0\0\x10ftypheic\0\0\0\0\0\0\0\x08meta', 'latin1'))).toBe(
      'nullxnull null',
    )
    expect(await facts(buildPng(0, 0).subarray(0, 40))).toBe('nullxnull RGB')
  })

  it('gives nulls for a picture format that it does not read', async () => {
    expect(await facts(Buffer.from('8BPS\0\x01\0\0\0\0\0\0\0\x03', 'latin1'))).toBe(
      'nullxnull null',
    )
    expect(await facts(Buffer.from('\0\0\0\x0cJXL \r\n\x87\n', 'latin1'))).toBe('nullxnull null')
  })

  it('refuses 400 megapixels by the header, in no time', async () => {
    const bomb = buildPng(20_000, 20_000, 1, 0)
    expect(bomb.length).toBeLessThan(250_000)
    const start = performance.now()
    expect(await facts(bomb)).toBe('20000x20000 1 too many')
    expect(performance.now() - start).toBeLessThan(50)
    expect(await facts(buildPng(16_383, 1, 1, 0))).toBe('16383x1 1')
  })

  it('walks over a profile of 5 MB', async () => {
    const profile = Buffer.alloc(5_000_000, 'profile')
    expect(await facts(buildPng(7, 5, 8, 2, [pngProfile(profile)]))).toBe('7x5 RGB')
    const jpeg = await solid().jpeg().toBuffer()
    const segment = Buffer.concat([Buffer.from([0xff, 0xe2, 0xff, 0xff]), Buffer.alloc(65_533)])
    const segments = Buffer.concat(Array.from({ length: 77 }, () => segment))
    const large = Buffer.concat([jpeg.subarray(0, 2), segments, jpeg.subarray(2)])
    expect(await facts(large)).toBe('20x10 RGB')
  })

  it('does not look at the frames of a GIF, be they 10,000', async () => {
    const frame = Buffer.from('2c00000000010001000002024401003b', 'hex').subarray(0, 15)
    const head = Buffer.from('474946383961050004008000000000000ffffff', 'hex')
    const frames = Buffer.concat(Array.from({ length: 10_000 }, () => frame))
    const start = performance.now()
    expect(await facts(Buffer.concat([head, frames, Buffer.from(';')]))).toBe('5x4 P')
    expect(performance.now() - start).toBeLessThan(200)
  })

  it('expands no entity of an SVG', async () => {
    const entities = Array.from(
      { length: 60 },
      (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`,
    ).join('')
    const bomb = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e0 "ha">${entities}]><svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">&e60;</svg>`
    const start = performance.now()
    expect(await facts(Buffer.from(bomb))).toBe('30x20 null')
    expect(performance.now() - start).toBeLessThan(200)
  })

  it('takes a file that is two things for what it begins as', async () => {
    const script = Buffer.from('GIF89a/*\x01\x02*/=1;alert(document.domain)', 'latin1')
    expect(await facts(script)).toBe(`${0x2a2f}x${0x0201} P`)
    expect(await facts(Buffer.from('GIF89a=1;alert(document.domain)//'))).toMatch(/ P/)
    const jpeg = await solid().jpeg().toBuffer()
    const zip = Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1')
    expect(await facts(Buffer.concat([jpeg, zip]))).toBe('20x10 RGB')
  })
})
