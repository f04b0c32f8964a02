import { describe, expect, it } from 'vitest'
import { fromBytes } from '../../../src/media/bytes.ts'
import { detect } from '../../../src/media/detect.ts'
import { readZipDirectory, readZipEntry } from '../../../src/media/zip.ts'
import { buildOle2, type Ole2Entry } from '../../support/ole2.ts'
import { buildPackage, buildZip, type ZipFile } from '../../support/zip.ts'

const kindOf = async (bytes: Uint8Array, name = '', declared: string | null = null) => {
  const { type, mimeType } = await detect(fromBytes(bytes), { name, declaredType: declared })
  return `${type} ${mimeType}`
}

const files = (...names: string[]): ZipFile[] => names.map((name) => ({ name, content: name }))

const mimetype = (content: string): ZipFile => ({ name: 'mimetype', content, stored: true })

const openXml = 'application/vnd.openxmlformats-officedocument.'

describe('zip', () => {
  it.each([
    [`${openXml}wordprocessingml.document.main+xml`, 'word', 'document'],
    [`${openXml}wordprocessingml.template.main+xml`, 'word', 'document'],
    ['application/vnd.ms-word.document.macroEnabled.main+xml', 'word', 'document'],
    ['application/vnd.ms-word.template.macroEnabledTemplate.main+xml', 'word', 'document'],
    [`${openXml}spreadsheetml.sheet.main+xml`, 'xl', 'spreadsheet'],
    ['application/vnd.ms-excel.sheet.macroEnabled.main+xml', 'xl', 'spreadsheet'],
    ['application/vnd.ms-excel.sheet.binary.macroEnabled.main', 'xl', 'spreadsheet'],
    [`${openXml}presentationml.presentation.main+xml`, 'ppt', 'presentation'],
    [`${openXml}presentationml.slideshow.main+xml`, 'ppt', 'presentation'],
    [`${openXml}presentationml.template.main+xml`, 'ppt', 'presentation'],
    ['application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml', 'ppt', 'presentation'],
  ])('knows the package whose main part is %s', async (contentType, folder, type) => {
    const kind = await kindOf(buildPackage(contentType, folder), 'x.zip', 'application/zip')
    expect(kind.startsWith(`${type} `)).toBe(true)
    expect(kind).not.toContain('main')
    // What macros or templates are is told by content types alone, not by the folder.
    expect(await kindOf(buildPackage(contentType, 'elsewhere'))).toBe(kind)
  })

  it('goes by the folders where the content types say nothing', async () => {
    const names = ['[Content_Types].xml', 'xl/workbook.xml']
    expect(await kindOf(buildZip(files(...names)))).toBe(
      `spreadsheet ${openXml}spreadsheetml.sheet`,
    )
  })

  it('calls an archive with a folder called word just an archive', async () => {
    expect(await kindOf(buildZip(files('word/document.xml')), 'a.docx')).toBe(
      'compressed application/zip',
    )
    expect(await kindOf(buildZip(files('a/[Content_Types].xml', 'a/word/document.xml')))).toBe(
      'compressed application/zip',
    )
  })

  it.each([
    ['application/vnd.oasis.opendocument.text', 'document'],
    ['application/vnd.oasis.opendocument.text-template', 'document'],
    ['application/vnd.oasis.opendocument.spreadsheet', 'spreadsheet'],
    ['application/vnd.oasis.opendocument.presentation', 'presentation'],
    ['application/vnd.oasis.opendocument.graphics', 'other'],
    ['application/epub+zip', 'document'],
  ])('believes the mimetype entry %s', async (mime, type) => {
    expect(await kindOf(buildZip([mimetype(mime), ...files('content.xml')]))).toBe(
      `${type} ${mime}`,
    )
  })

  it('does not serve whatever a mimetype entry says', async () => {
    expect(await kindOf(buildZip([mimetype('text/html')]))).toBe('compressed application/zip')
    expect(await kindOf(buildZip([mimetype('application/vnd.oasis.opend&cument.text')]))).toBe(
      'compressed application/zip',
    )
    expect(await kindOf(buildZip([mimetype('application/epub+zip\r\nX: y')]))).toBe(
      'compressed application/zip',
    )
  })

  it('knows what is no archive to its users', async () => {
    expect(await kindOf(buildZip(files('META-INF/MANIFEST.MF', 'a/B.class')))).toBe(
      'other application/java-archive',
    )
    expect(
      await kindOf(buildZip(files('META-INF/MANIFEST.MF', 'AndroidManifest.xml', 'classes.dex'))),
    ).toBe('other application/vnd.android.package-archive')
  })

  it('tells Keynote by its slides, Pages and Numbers by their names', async () => {
    const pages = buildZip(files('Index/Document.iwa', 'Metadata/Properties.plist'))
    expect(await kindOf(pages, 'a.numbers')).toBe('spreadsheet application/vnd.apple.numbers')
    expect(await kindOf(pages, 'a.pages')).toBe('document application/vnd.apple.pages')
    expect(await kindOf(pages, 'a')).toBe('document application/vnd.apple.pages')
    const keynote = buildZip(files('Index/Document.iwa', 'Index/Slide-1.iwa'))
    expect(await kindOf(keynote, 'a.pages')).toBe('presentation application/vnd.apple.keynote')
    expect(await kindOf(buildZip(files('a.txt')), 'a.pages')).toBe('compressed application/zip')
  })

  it('finds the directory behind a comment, before other bytes, and in zip64 records', async () => {
    const jar = files('META-INF/MANIFEST.MF')
    const expected = 'other application/java-archive'
    expect(await kindOf(buildZip(jar, { comment: 'PK\x05\x06'.repeat(9_000) }))).toBe(expected)
    expect(await kindOf(buildZip(jar, { zip64: true }))).toBe(expected)
    const odt = [...files('a'), mimetype('application/vnd.oasis.opendocument.text')]
    const text = 'document application/vnd.oasis.opendocument.text'
    expect(await kindOf(buildZip(odt, { before: Buffer.from('PK\x07\x08') }))).toBe(text)
    expect(await kindOf(buildZip(odt, { zip64: true }))).toBe(text)
  })

  it('is not led astray by a comment that looks like the end of an archive', async () => {
    const bytes = buildZip(files('a', 'b'), { comment: 'PK\x05\x06'.repeat(9_000) })
    const entries = await readZipDirectory(fromBytes(bytes))
    expect(entries?.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('unpacks an entry only up to its limit', async () => {
    const source = fromBytes(buildZip([{ name: 'a', content: 'x'.repeat(5_000) }]))
    const [entry] = (await readZipDirectory(source)) ?? []
    if (!entry) throw new Error('no entry')
    expect((await readZipEntry(source, entry, 5_000))?.length).toBe(5_000)
    expect(await readZipEntry(source, entry, 4_999)).toBeNull()
  })

  it('goes by the local headers where the end is missing', async () => {
    const whole = buildZip([...files('a'), mimetype('application/epub+zip')])
    expect(await kindOf(whole.subarray(0, whole.length - 30))).toBe('document application/epub+zip')
    expect(await kindOf(whole.subarray(0, 20))).toBe('compressed application/zip')
    expect(await kindOf(buildZip([]))).toBe('compressed application/zip')
  })

  it('survives a directory that points nowhere, and content types that explode', async () => {
    const broken = Buffer.from(buildZip(files('[Content_Types].xml')))
    broken.writeUInt32LE(0xfffffff0, broken.length - 6)
    expect(await kindOf(broken)).toBe('compressed application/zip')
    const bomb = buildZip([{ name: '[Content_Types].xml', content: Buffer.alloc(50_000_000) }])
    const start = performance.now()
    expect(await kindOf(bomb)).toBe('compressed application/zip')
    expect(performance.now() - start).toBeLessThan(1_000)
  })
})

describe('OLE2', () => {
  const streams = (...names: string[]): Ole2Entry[] => names.map((name) => ({ name }))
  const summary = '\x05SummaryInformation'

  it.each([
    ['WordDocument', 'document application/msword'],
    ['Workbook', 'spreadsheet application/vnd.ms-excel'],
    ['Book', 'spreadsheet application/vnd.ms-excel'],
    ['PowerPoint Document', 'presentation application/vnd.ms-powerpoint'],
    ['__properties_version1.0', 'other application/vnd.ms-outlook'],
    ['Catalog', 'other application/x-cfb'],
  ])('tells by the stream %s, whatever the name says', async (stream, expected) => {
    const bytes = buildOle2(streams(summary, '1Table', 'Data', stream, 'x', 'y', 'z'))
    expect(await kindOf(bytes, 'a.doc', 'application/vnd.ms-powerpoint')).toBe(expected)
  })

  it('does not take an embedded document for the file', async () => {
    const embedded = buildOle2([
      {
        name: 'ObjectPool',
        children: [{ name: '_1', children: streams('Workbook', 'WordDocument') }],
      },
      ...streams('PowerPoint Document'),
    ])
    expect(await kindOf(embedded)).toBe('presentation application/vnd.ms-powerpoint')
  })

  it('follows the directory through the file', async () => {
    const many = Array.from({ length: 60 }, (_, index) => `stream ${index}`)
    const bytes = buildOle2(streams(...many, 'Workbook'), true)
    expect(await kindOf(bytes)).toBe('spreadsheet application/vnd.ms-excel')
  })

  it('asks the name only where the directory does not tell', async () => {
    const locked = buildOle2(streams('EncryptionInfo', 'EncryptedPackage'))
    expect(await kindOf(locked, 'secret.xlsx')).toBe(`spreadsheet ${openXml}spreadsheetml.sheet`)
    expect(await kindOf(locked, 'secret.png', 'image/png')).toBe('other application/x-cfb')
    const cut = buildOle2(streams('Workbook')).subarray(0, 600)
    expect(await kindOf(cut, 'a.ppt')).toBe('presentation application/vnd.ms-powerpoint')
  })

  it('comes to an end where sectors or siblings run in circles', async () => {
    const bytes = Buffer.from(buildOle2(streams('a', 'b', 'c', 'd', 'e')))
    // The directory's last sector leads back to its first.
    bytes.writeUInt32LE(1, 512 + 2 * 4)
    bytes.writeUInt32LE(1, 1024 + 128 + 72)
    expect(await kindOf(bytes, 'a.doc')).toBe('other application/x-cfb')
  })
})
