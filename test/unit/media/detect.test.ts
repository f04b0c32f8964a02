import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { fromBytes } from '../../../src/media/bytes.ts'
import { detect } from '../../../src/media/detect.ts'
import type { FileKind } from '../../../src/media/file-types.ts'

const folder = new URL('../../fixtures/', import.meta.url)
const openXml = 'application/vnd.openxmlformats-officedocument.'
const openDocument = 'application/vnd.oasis.opendocument.'

/** What each fixture is, whatever it is called. Made by ffmpeg, LibreOffice, libheif and packers. */
const fixtures: Record<string, `${FileKind['type']} ${string}`> = {
  'audio-only.mov': 'audio audio/mp4',
  'audio-only.mp4': 'audio audio/mp4',
  'audio-only.webm': 'audio audio/webm',
  'fixture.3gp': 'video video/3gpp',
  'fixture.7z': 'compressed application/x-7z-compressed',
  'fixture.aac': 'audio audio/aac',
  'fixture.ac3': 'audio audio/vnd.dolby.dd-raw',
  'fixture.aiff': 'audio audio/aiff',
  'fixture.avi': 'video video/vnd.avi',
  'fixture.bz2': 'compressed application/x-bzip2',
  'fixture.cab': 'compressed application/vnd.ms-cab-compressed',
  'fixture.doc': 'document application/msword',
  'fixture.docx': `document ${openXml}wordprocessingml.document`,
  'fixture.dotx': `document ${openXml}wordprocessingml.template`,
  'fixture.epub': 'document application/epub+zip',
  'fixture.flac': 'audio audio/flac',
  'fixture.flv': 'video video/x-flv',
  'fixture.fodp': `presentation ${openDocument}presentation-flat-xml`,
  'fixture.gz': 'compressed application/gzip',
  'fixture.heic': 'image image/heic',
  'fixture.lz4': 'compressed application/x-lz4',
  'fixture.m4a': 'audio audio/mp4',
  'fixture.mka': 'audio audio/matroska',
  'fixture.mkv': 'video video/matroska',
  'fixture.mov': 'video video/quicktime',
  'fixture.mp3': 'audio audio/mpeg',
  'fixture.mp4': 'video video/mp4',
  'fixture.mpg': 'video video/mpeg',
  'fixture.mts': 'video video/mp2t',
  'fixture.ods': `spreadsheet ${openDocument}spreadsheet`,
  'fixture.oga': 'audio audio/ogg',
  'fixture.ogv': 'video video/ogg',
  'fixture.opus': 'audio audio/ogg',
  'fixture.rtf': 'document application/rtf',
  'fixture.tar': 'compressed application/x-tar',
  'fixture.wav': 'audio audio/wav',
  'fixture.webm': 'video video/webm',
  'fixture.wma': 'audio audio/x-ms-asf',
  'fixture.wmv': 'video video/x-ms-asf',
  'fixture.xls': 'spreadsheet application/vnd.ms-excel',
  'fixture.xlsx': `spreadsheet ${openXml}spreadsheetml.sheet`,
  'fixture.xz': 'compressed application/x-xz',
  'fixture.zip': 'compressed application/zip',
  'fixture.zst': 'compressed application/zstd',
  'sound-and-picture.mp4': 'video video/mp4',
  'turned.avif': 'image image/avif',
}

const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)))

const kindOf = async (
  bytes: Uint8Array | string,
  name = '',
  declaredType: string | null = null,
): Promise<string> => {
  const source = fromBytes(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
  const { type, mimeType } = await detect(source, { name, declaredType })
  return `${type} ${mimeType}`
}

it.each(Object.entries(fixtures))('knows %s by its content alone', async (name, expected) => {
  expect(await kindOf(read(name))).toBe(expected)
})

it('has an expectation for every fixture', () => {
  const nameOnly = ['fixture.br']
  expect(readdirSync(folder).filter((name) => !fixtures[name] && !nameOnly.includes(name))).toEqual(
    [],
  )
})

it('lets neither name nor declared type override what the content says', async () => {
  for (const [name, expected] of Object.entries(fixtures)) {
    expect(await kindOf(read(name), 'holiday.jpg', 'text/html'), name).toBe(expected)
    expect(await kindOf(read(name), 'table.csv', 'application/x-brotli'), name).toBe(expected)
  }
})

it('knows Brotli by its name, having no signature to go by', async () => {
  expect(await kindOf(read('fixture.br'), 'page.html.br')).toBe('compressed application/x-brotli')
  expect(await kindOf(read('fixture.br'))).toBe('other application/octet-stream')
})

it('does not believe a name or declared type of bytes that tell nothing', async () => {
  const noise = Buffer.alloc(600, 'a0b1c2d3e4f5060708', 'hex')
  expect(await kindOf(noise, 'a.png', 'image/png')).toBe('other application/octet-stream')
  expect(await kindOf(noise, 'a.mp4', 'video/mp4')).toBe('other application/octet-stream')
  expect(await kindOf(noise, 'a.docx', null)).toBe('other application/octet-stream')
  expect(await kindOf(noise, 'a.txt', 'text/plain')).toBe('other application/octet-stream')
})

it('calls an empty file other, whatever its name', async () => {
  expect(await kindOf('', 'a.txt', 'text/plain')).toBe('other application/octet-stream')
})

it('calls programs, fonts and databases other', async () => {
  const elf = Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(64)])
  expect(await kindOf(elf)).toBe('other application/x-elf')
  expect(await kindOf(Buffer.from('MZ\x90\0\x03\0\0\0', 'latin1'))).toMatch(/^other /)
  expect(await kindOf(Buffer.from('SQLite format 3\0\x10\0', 'latin1'))).toMatch(/^other /)
  expect(await kindOf(Buffer.from('\0\x01\0\0\0\x0c', 'latin1'), 'a.ttf')).toBe('other font/ttf')
})

it.each([
  ['BM is short for something', 'BM'],
  ['MZ was an engineer', 'MZ'],
  ['ID3 tags explained', 'ID3'],
  ['FORM 27B must be filled in', 'FORM'],
  ['MAC addresses of the printers', 'MAC'],
  ['SQLi attacks, a primer', 'SQLi'],
  ['solid advice for beginners', 'solid'],
  ['BZh is how bzip2 begins', 'BZh'],
  ['8BPS stands for Photoshop', '8BPS'],
  ['abcdfree as in speech', 'free'],
  [`G${'x'.repeat(187)}G${'y'.repeat(187)}G`, 'transport stream'],
])('takes a text for text although it begins as %s does (%s)', async (text) => {
  expect(await kindOf(text)).toBe('text text/plain')
})

it('does not take two lucky bytes for a sound or a picture', async () => {
  expect(await kindOf(Buffer.alloc(900, 0xff))).toMatch(/^other/)
  expect(await kindOf(Buffer.concat([Buffer.from([0xff, 0xfb, 0x90]), Buffer.alloc(900)]))).toMatch(
    /^other/,
  )
  expect(await kindOf(Buffer.concat([Buffer.from('BM'), Buffer.alloc(200, 1)]))).toMatch(/^other/)
  expect(await kindOf(Buffer.from([0, 0, 1, 0, 0, 0, ...Array(40).fill(0)]))).toMatch(/^other/)
})

it('finds the sound behind a tag with a large cover picture', async () => {
  const tag = Buffer.concat([
    Buffer.from([0x49, 0x44, 0x33, 4, 0, 0, 0, 8, 0, 0]),
    Buffer.alloc(2 ** 17),
  ])
  expect(await kindOf(Buffer.concat([tag, read('fixture.aac')]))).toBe('audio audio/aac')
  expect(await kindOf(Buffer.concat([tag, read('fixture.flac')]))).toBe('audio audio/flac')
  expect(await kindOf(Buffer.concat([tag, Buffer.alloc(50)]))).toBe('audio audio/mpeg')
})

it('knows a PDF behind a line of junk and one that is nothing but ASCII', async () => {
  expect(await kindOf('%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n')).toBe('pdf application/pdf')
  const junk = Buffer.concat([Buffer.from('\0junk\r\n', 'latin1'), Buffer.from('%PDF-1.7\n')])
  expect(await kindOf(junk)).toBe('pdf application/pdf')
})

it('reads a bounded part of a large file', async () => {
  let bytesRead = 0
  const size = 10 * 1024 ** 3
  for (const start of [
    'PK\x03\x04',
    '\x1aE\xdf\xa3\x80\x18S\x80g\x80',
    'OggS',
    '\0\0\0\x10ftypisom',
    'text ',
  ]) {
    bytesRead = 0
    const fill = Buffer.from(start, 'latin1')
    await detect(
      {
        size,
        async read(at, length) {
          bytesRead += length
          const bytes = Buffer.alloc(length, fill)
          return at + length > size ? bytes.subarray(0, size - at) : bytes
        },
      },
      { name: 'x', declaredType: null },
    )
    expect(bytesRead, start).toBeLessThanOrEqual(4 * 1024 * 1024)
  }
})
