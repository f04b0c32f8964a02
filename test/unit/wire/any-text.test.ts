import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clientNetwork } from '../../../src/wire/client-address.ts'
import { evaluatePreconditions, ifRangeHolds } from '../../../src/wire/conditional.ts'
import {
  cleanFilename,
  contentDisposition,
  dispositionFilename,
} from '../../../src/wire/content-disposition.ts'
import { parseContentRange } from '../../../src/wire/content-range.ts'
import { parseIntegrity, preferredDigest } from '../../../src/wire/digest-header.ts'
import { parseDuration } from '../../../src/wire/duration.ts'
import { originOf, parseHost } from '../../../src/wire/host.ts'
import { parseHttpDate } from '../../../src/wire/http-date.ts'
import { parseNonNegativeInteger } from '../../../src/wire/integer.ts'
import { parseAnyInteger, parsePaging } from '../../../src/wire/paging.ts'
import { parseRange } from '../../../src/wire/range.ts'
import { parseSize } from '../../../src/wire/size.ts'
import { strftime } from '../../../src/wire/strftime.ts'
import {
  parseBooleanItem,
  parseDictionary,
  parseIntegerItem,
} from '../../../src/wire/structured-field.ts'
import { parseDay, parseInstant } from '../../../src/wire/time.ts'
import { parseUploadChecksum } from '../../../src/wire/upload-checksum.ts'
import { parseUploadConcat } from '../../../src/wire/upload-concat.ts'
import { parseUploadMetadata } from '../../../src/wire/upload-metadata.ts'

const validators = { etag: '"x"', lastModified: new Date(0) }
const precondition = (name: string) => (text: string) =>
  evaluatePreconditions({ method: 'GET', [name]: text }, validators)

/** Everything here that reads text which a client has written. */
const readers: Record<string, (text: string) => unknown> = {
  ifMatch: precondition('ifMatch'),
  ifNoneMatch: precondition('ifNoneMatch'),
  ifModifiedSince: precondition('ifModifiedSince'),
  ifUnmodifiedSince: precondition('ifUnmodifiedSince'),
  ifRange: (text) => ifRangeHolds(text, validators),
  dispositionFilename,
  cleanFilename,
  contentDisposition: (text) => contentDisposition('inline', text),
  parseContentRange,
  parseIntegrity,
  preferredDigest,
  parseDuration,
  parseHost,
  forwarded: (text) =>
    originOf({
      trustProxy: true,
      header: (name) => (name === 'forwarded' ? text : undefined),
      fallbackHost: 'x',
      encrypted: false,
    }),
  forwardedProto: (text) =>
    originOf({ trustProxy: true, header: () => text, fallbackHost: 'x', encrypted: false }),
  clientNetwork: (text) => clientNetwork({ trustProxy: true, header: () => text, remote: text }),
  parseHttpDate,
  parseNonNegativeInteger,
  parseAnyInteger,
  parsePaging: (text) => parsePaging(new URLSearchParams(text)),
  parseRange: (text) => parseRange(text, 100),
  parseSize,
  strftime: (text) => strftime(text, new Date(0)),
  parseBooleanItem,
  parseDictionary,
  parseIntegerItem,
  parseDay,
  parseInstant,
  parseUploadChecksum,
  parseUploadConcat,
  parseUploadMetadata,
}

/** What the grammars are made of, so that their insides are reached. */
const pieces = fc.constantFrom(
  ...[' ', '\t', ',', ';', '=', ':', '/', '-', '+', '"', '\\', '?1', '?0', '*', '%', '%41', 'W/'],
  ...[
    'bytes',
    '0',
    '9',
    '2026-01-01',
    'T',
    '10:00',
    'Z',
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'sha-256',
  ],
  ...[
    'YQ==',
    'final;',
    'partial',
    'for',
    'host',
    'proto',
    'https',
    '[::1]',
    'attachment',
    'filename*',
  ],
  ...[
    "UTF-8''",
    '\0',
    '\r\n',
    '\ud800',
    'é',
    '٥',
    '__proto__',
    '(',
    ')',
    '@',
    '%Y',
    'MB',
    'KiB',
    'ms',
  ],
)
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 }))).map((parts) => parts.join('')),
)

describe.each(Object.keys(readers))('%s', (name) => {
  const read = readers[name] as (text: string) => unknown

  it('reads any text without throwing', () => {
    fc.assert(fc.property(text, (each) => void read(each)))
  })

  it('reads 64 KiB of one thing in no time, whatever it is', () => {
    const units = [
      ' ',
      ',',
      '"',
      '\\',
      '\t',
      '0',
      '9 ',
      'a=',
      '%',
      '; ',
      ', ',
      'W/"',
      '=;',
      '+',
      '/',
    ]
    for (const before of ['', 'bytes=', 'final;', 'a', '"', 'attachment; filename="', 'x=("'])
      for (const unit of units) {
        const long = before + unit.repeat(65_536 / unit.length)
        const began = performance.now()
        read(`${long}\0`)
        // A quadratic reader takes seconds here; a linear one a few milliseconds.
        expect(performance.now() - began).toBeLessThan(1_000)
      }
  }, 120_000)
})

it('is every reader there is', async () => {
  const { readdir, readFile } = await import('node:fs/promises')
  const folder = new URL('../../../src/wire/', import.meta.url)
  const exported = new Set<string>()
  for (const file of await readdir(folder)) {
    const source = await readFile(new URL(file, folder), 'utf8')
    for (const [, name = ''] of source.matchAll(/^export function (parse\w+)/gm)) exported.add(name)
  }
  const missing = [...exported].filter((name) => !(name in readers))
  // An address is one of the socket's, or of a proxy that is trusted: it has properties of its own.
  expect(missing.filter((name) => !name.includes('Address'))).toEqual([])
})
