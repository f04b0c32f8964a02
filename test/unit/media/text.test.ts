import { expect, it } from 'vitest'
import { fromBytes } from '../../../src/media/bytes.ts'
import { detect } from '../../../src/media/detect.ts'

const kindOf = async (
  content: string | Uint8Array,
  name = '',
  declaredType: string | null = null,
): Promise<string> => {
  const { type, mimeType } = await detect(fromBytes(Buffer.from(content)), { name, declaredType })
  return `${type} ${mimeType}`
}

const utf16 = (text: string, bigEndian = false): Buffer => {
  const bytes = Buffer.from(text, 'utf16le')
  return bigEndian ? bytes.swap16() : bytes
}

it.each([
  ['notes.txt', 'text text/plain'],
  ['README.md', 'text text/markdown'],
  ['data.json', 'text application/json'],
  ['page.html', 'text text/html'],
  ['app.py', 'text text/plain'],
  ['module.ts', 'text text/plain'],
  ['server.log', 'text text/plain'],
  ['style.css', 'text text/css'],
  ['table.csv', 'spreadsheet text/csv'],
  ['TABLE.TSV', 'spreadsheet text/tab-separated-values'],
  ['Makefile', 'text text/plain'],
  ['photo.png', 'text text/plain'],
  ['archive.br', 'text text/plain'],
  ['letter.docx', 'text text/plain'],
])('calls plain text by the name %s', async (name, expected) => {
  expect(await kindOf('a,b\n1,2\n', name)).toBe(expected)
})

it('asks the declared type where the name says nothing', async () => {
  expect(await kindOf('a,b\n', 'export', 'text/csv; charset=utf-8')).toBe('spreadsheet text/csv')
  expect(await kindOf('{}', '', 'application/json')).toBe('text application/json')
  expect(await kindOf('a,b\n', 'a.txt', 'text/csv')).toBe('text text/plain')
  expect(await kindOf('a', '', 'image/png')).toBe('text text/plain')
  expect(await kindOf('a', '', 'text/x<script>')).toBe('text text/plain')
})

it('reads UTF-16 in both orders, with and without its mark', async () => {
  expect(await kindOf(utf16('\ufeffhello, wörld\n'))).toBe('text text/plain')
  expect(await kindOf(utf16('\ufeffhello, wörld\n', true))).toBe('text text/plain')
  expect(await kindOf(utf16('hello, world\n'))).toBe('text text/plain')
  expect(await kindOf(utf16('hello, world\n', true))).toBe('text text/plain')
  expect(await kindOf(utf16('\ufeff日本語のテキスト\n'), 'a.csv')).toBe('spreadsheet text/csv')
  expect(await kindOf(utf16('\ufeff<?xml version="1.0"?><svg/>'))).toBe('image image/svg+xml')
})

it('knows no text with control characters, and none that does not decode', async () => {
  expect(await kindOf('a\0b', 'a.txt')).toBe('other application/octet-stream')
  expect(await kindOf('a\x01b', 'a.txt')).toBe('other application/octet-stream')
  expect(await kindOf('a\x7fb', 'a.txt')).toBe('other application/octet-stream')
  expect(await kindOf('a\u0090b', 'a.txt')).toBe('other application/octet-stream')
  expect(await kindOf(Buffer.from([0x61, 0xc3, 0x28, 0x0a]), 'a.txt')).toBe(
    'other application/octet-stream',
  )
  expect(await kindOf('a\ufffeb', 'a.txt')).toBe('other application/octet-stream')
  expect(await kindOf(utf16('\ufeffa\0b'))).toBe('other application/octet-stream')
  expect(await kindOf('<?xml version="1.0"?><a>\0</a>', 'a.xml')).toBe(
    'other application/octet-stream',
  )
})

it('allows tabs, line ends, form feeds and the colours of a log', async () => {
  expect(await kindOf('a\tb\r\nc\fd\n\x1b[31mred\x1b[0m\n')).toBe('text text/plain')
})

it('does not stumble over a character that the end of the head cuts in two', async () => {
  for (const lead of ['', 'a', 'ab', 'abc']) {
    expect(await kindOf(lead + '😀'.repeat(40_000)), lead).toBe('text text/plain')
    expect(await kindOf(utf16(`\ufeff${lead}${'😀'.repeat(40_000)}`)), lead).toBe('text text/plain')
  }
})

it('looks at the end too: a script with a program behind it is no text', async () => {
  const script = `#!/bin/sh\n${'# padding\n'.repeat(10_000)}`
  expect(await kindOf(script, 'install.sh')).toBe('text text/plain')
  expect(await kindOf(`${script}\0\x01\x02`, 'install.sh')).toBe('other application/octet-stream')
})

it('believes the name of a CSV in an older encoding, which is no text by itself', async () => {
  const latin = Buffer.from('Stra\xdfe,K\xf6ln\r\n', 'latin1')
  expect(await kindOf(latin, 'orte.csv')).toBe('spreadsheet text/csv')
  expect(await kindOf(latin, 'orte.txt')).toBe('other application/octet-stream')
})

it('tells SVG by its root element, not by its name', async () => {
  const svg = 'image image/svg+xml'
  const namespace = 'xmlns="http://www.w3.org/2000/svg"'
  expect(await kindOf(`<svg ${namespace}/>`, 'x.txt', 'text/plain')).toBe(svg)
  expect(
    await kindOf(
      `\ufeff<?xml version="1.0"?>\n<!-- <html> -->\n<!DOCTYPE svg [<!ENTITY a "<b>]>">]>\n<svg ${namespace}>`,
    ),
  ).toBe(svg)
  expect(await kindOf('<s:svg xmlns:s="http://www.w3.org/2000/svg"/>')).toBe(svg)
  expect(await kindOf(`<!DOCTYPE svg [${'<!ENTITY a "b">'.repeat(9_000)}]><svg/>`)).toBe(svg)
  expect(
    await kindOf(
      Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><svg>\xe4</svg>', 'latin1'),
    ),
  ).toBe(svg)
  expect(await kindOf('<p>an <svg></svg></p>', 'a.svg')).toBe('text text/plain')
  expect(await kindOf('<!DOCTYPE html><html><svg/></html>', 'a.svg')).toBe('text text/html')
  expect(await kindOf('<svg xmlns="http://example.com/other"/>')).toBe('text text/plain')
})

it('tells flat office documents by their root element', async () => {
  const flat = (kind: string): string =>
    `<?xml version="1.0"?><office:document xmlns:office="urn:x" office:mimetype="application/vnd.oasis.opendocument.${kind}">`
  expect(await kindOf(flat('text'))).toMatch(/^document /)
  expect(await kindOf(flat('spreadsheet'))).toMatch(/^spreadsheet /)
  expect(await kindOf(flat('graphics'))).toMatch(/^other /)
  const silent = '<?xml version="1.0"?><office:document>'
  expect(await kindOf(silent, 'a.fodt')).toMatch(/^document /)
  expect(await kindOf('just a text', 'a.fodt')).toBe('text text/plain')
})

it('knows XML, HTML, calendars and cards without a name', async () => {
  expect(await kindOf('<?xml version="1.0"?><a/>')).toBe('text application/xml')
  expect(await kindOf('<!doctype html>\n<title>x</title>')).toBe('text text/html')
  expect(await kindOf('<HTML><body>')).toBe('text text/html')
  expect(await kindOf('BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n')).toBe('text text/calendar')
  expect(await kindOf('BEGIN:VCARD\r\nEND:VCARD\r\n')).toBe('text text/vcard')
  expect(await kindOf('WEBVTT\n\n')).toBe('text text/vtt')
  expect(await kindOf('{\\rtf1 hello}', 'a.txt')).toBe('document application/rtf')
})
