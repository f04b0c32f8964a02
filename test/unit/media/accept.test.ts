import { readFileSync } from 'node:fs'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import {
  type AcceptedFormats,
  accepts,
  mayBeAccepted,
  parseAccepted,
  sniffRefuses,
} from '../../../src/media/accept.ts'
import { fromBytes } from '../../../src/media/bytes.ts'
import { detect } from '../../../src/media/detect.ts'
import { buildTiff } from '../../support/images.ts'
import { buildOle2 } from '../../support/ole2.ts'
import { buildZip } from '../../support/zip.ts'

const parse = (text: string): AcceptedFormats => {
  const formats = parseAccepted(text)
  if (!formats) throw new Error(`bad text: ${text}`)
  return formats
}

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/${name}`, import.meta.url)))

describe('parseAccepted', () => {
  it('reads types, MIME types and extensions, without regard to case and spaces', () => {
    expect(parseAccepted(' Image , VIDEO/mp4,.DOCX, audio/*,image/jpg,.tar.gz')).toEqual({
      types: new Set(['image']),
      mimeTypes: new Set(['video/mp4', 'image/jpeg']),
      families: new Set(['audio']),
      extensions: new Set(['.docx', '.tar.gz']),
    })
  })

  it.each([
    '',
    ' ',
    'image,',
    'docx',
    'images',
    '*',
    '*/*',
    '.',
    '.a b',
    'video/',
    '/mp4',
    'image;pdf',
  ])('says that %j is no list of formats', (text) => {
    expect(parseAccepted(text)).toBeNull()
  })
})

describe('accepts', () => {
  const judge = (
    formats: string,
    type: 'image' | 'video' | 'audio' | 'text' | 'document' | 'other',
    mimeType: string,
    name = '',
  ) => accepts(parse(formats), { type, mimeType, name })

  it('accepts by type, by MIME type under any of its names, and by family', () => {
    expect(judge('image', 'image', 'image/png')).toBe(true)
    expect(judge('image', 'video', 'video/mp4')).toBe(false)
    expect(judge('audio/mp3', 'audio', 'audio/mpeg')).toBe(true)
    expect(judge('video/mp4', 'video', 'video/quicktime')).toBe(false)
    expect(judge('video/*', 'video', 'video/quicktime')).toBe(true)
    expect(judge('video/*', 'audio', 'audio/mpeg')).toBe(false)
  })

  it('accepts by extension only what has the name and content that fits it', () => {
    expect(judge('.png', 'image', 'image/png', 'a.PNG')).toBe(true)
    expect(judge('.png', 'image', 'image/png', 'a.gif')).toBe(false)
    expect(judge('.png', 'image', 'image/gif', 'a.png')).toBe(false)
    expect(judge('.png', 'other', 'application/x-msdownload', 'a.png')).toBe(false)
    expect(judge('.txt', 'image', 'image/svg+xml', 'a.txt')).toBe(false)
    expect(judge('.mp4', 'audio', 'audio/mp4', 'a.mp4')).toBe(true)
    expect(judge('.ogg', 'video', 'video/ogg', 'a.ogg')).toBe(true)
    expect(judge('.mp3', 'video', 'video/mp4', 'a.mp3')).toBe(false)
    expect(judge('.heic', 'image', 'image/heif', 'a.heic')).toBe(true)
    expect(judge('.xyz', 'other', 'application/octet-stream', 'a.xyz')).toBe(true)
  })
})

describe('mayBeAccepted', () => {
  const may = (formats: string, name: string, declaredType: string | null = null) =>
    mayBeAccepted(parse(formats), { name, declaredType })

  it('refuses what name or declared type clearly say', () => {
    expect(may('image', 'film.mp4')).toBe(false)
    expect(may('image', '', 'video/mp4')).toBe(false)
    expect(may('image', 'setup.exe', 'application/octet-stream')).toBe(false)
    expect(may('image/png', 'a.jpg')).toBe(false)
    expect(may('.png', 'a.jpg')).toBe(false)
    expect(may('.png', 'README')).toBe(false)
  })

  it('lets pass what is accepted, may be accepted, or says nothing', () => {
    expect(may('image', 'a.JPG')).toBe(true)
    expect(may('image', '', null)).toBe(true)
    expect(may('image', 'README')).toBe(true)
    expect(may('image', 'scan.xyz', 'application/octet-stream')).toBe(true)
    expect(may('image', 'scan.xyz', 'application/unheard-of')).toBe(true)
    expect(may('image', 'scan', 'not a type')).toBe(true)
    expect(may('.png', '')).toBe(true)
    expect(may('.xyz', 'a.xyz', 'video/mp4')).toBe(true)
    expect(may('image', 'a.png', 'video/mp4')).toBe(true)
    expect(may('audio', 'song.mp4')).toBe(true)
    expect(may('video', 'film.ogg')).toBe(true)
    expect(may('video', 'film.ts')).toBe(true)
  })
})

describe('sniffRefuses', () => {
  const refuses = (formats: string, bytes: Uint8Array | string, name = '') =>
    sniffRefuses(parse(formats), Buffer.from(bytes).subarray(0, 4100), { name, declaredType: null })

  it('refuses what the first bytes make certain', async () => {
    expect(await refuses('image', fixture('fixture.mp4'), 'a.png')).toBe(true)
    expect(await refuses('video', fixture('fixture.zip'), 'a.mp4')).toBe(true)
    expect(await refuses('image', fixture('fixture.mp3'))).toBe(true)
    expect(await refuses('image', 'just a text', 'a.png')).toBe(true)
    expect(await refuses('image', '<html><svg></svg></html>')).toBe(true)
    expect(await refuses('image,video', Buffer.alloc(4100, 7))).toBe(true)
    expect(await refuses('image/jpeg', await sharp(fixture('turned.avif')).png().toBuffer())).toBe(
      true,
    )
    expect(await refuses('.png', fixture('fixture.zip'), 'a.png')).toBe(true)
    expect(await refuses('text', Buffer.from('MZ\x90\0', 'latin1'), 'a.txt')).toBe(true)
  })

  it('waits where the rest of the file decides', async () => {
    expect(await refuses('document', fixture('fixture.zip'))).toBe(false)
    expect(await refuses('.xlsx', fixture('fixture.xlsx'), 'a.xlsx')).toBe(false)
    expect(await refuses('spreadsheet', buildOle2([{ name: 'WordDocument' }]))).toBe(false)
    expect(await refuses('audio', fixture('sound-and-picture.mp4'))).toBe(false)
    expect(await refuses('audio', fixture('fixture.ogv'))).toBe(false)
    expect(await refuses('audio', fixture('fixture.wmv'))).toBe(false)
    expect(await refuses('image/x-adobe-dng', buildTiff({ tags: { 256: [1] } }))).toBe(false)
    expect(await refuses('image', `<!--${'x'.repeat(5_000)}--><svg/>`)).toBe(false)
    expect(await refuses('other', 'a text whose end may be none')).toBe(false)
    expect(await refuses('image', '')).toBe(false)
  })

  it('never refuses early what would be accepted in the end', async () => {
    const files = [
      ...['doc', 'docx', 'epub', 'fodp', 'mp4', 'm4a', 'mka', 'webm', 'ogv', 'oga', 'wma', 'wmv'],
      ...[
        'mp3',
        'aac',
        'flac',
        'heic',
        'rtf',
        'tar',
        'gz',
        'zip',
        'xls',
        'ods',
        'br',
        'mts',
        '3gp',
      ],
    ].map((extension) => ({ name: `fixture.${extension}`, bytes: fixture(`fixture.${extension}`) }))
    const built = [
      { name: 'a.svg', bytes: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') },
      {
        name: 'a.svg',
        bytes: Buffer.from(`<?xml version="1.0"?><!--${'x'.repeat(5_000)}--><svg/>`),
      },
      { name: 'a.csv', bytes: Buffer.from('Stra\xdfe,1\n'.repeat(900), 'latin1') },
      { name: 'a.json', bytes: Buffer.from('{}') },
      { name: 'a.sh', bytes: Buffer.from(`#!/bin/sh\n${'#\n'.repeat(50_000)}\0`) },
      {
        name: 'a.jar',
        bytes: Buffer.from(buildZip([{ name: 'META-INF/MANIFEST.MF', content: '' }])),
      },
      { name: 'a.tif', bytes: buildTiff({ tags: { 256: [1], 257: [1] }, gap: 9_000 }) },
      { name: 'empty', bytes: Buffer.alloc(0) },
    ]
    for (const { name, bytes } of [...files, ...built]) {
      const hints = { name, declaredType: null }
      const kind = await detect(fromBytes(bytes), hints)
      for (const formats of [kind.type, kind.mimeType, `.${name.split('.')[1] ?? 'x'}`]) {
        if (!accepts(parse(formats), { ...kind, name })) continue
        const label = `${name} for ${formats}`
        expect(await sniffRefuses(parse(formats), bytes.subarray(0, 4_100), hints), label).toBe(
          false,
        )
        expect(mayBeAccepted(parse(kind.type), { name: '', declaredType: null }), label).toBe(true)
      }
    }
  })
})
