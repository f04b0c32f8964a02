import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fault, type Reason, reasons } from '../../../src/errors.ts'
import { uploadLimit } from '../../../src/protocols/resumable-http/answer.ts'
import { claimOf } from '../../../src/protocols/resumable-http/claim.ts'
import { sendInterim } from '../../../src/protocols/resumable-http/interim.ts'
import { CURRENT_INTEROP, dialectOf } from '../../../src/protocols/resumable-http/interop.ts'
import { problemOf } from '../../../src/protocols/resumable-http/problem.ts'
import { parseAppend, parseCreation } from '../../../src/protocols/resumable-http/request.ts'

const reader =
  (fields: Record<string, string>) =>
  (name: string): string | undefined =>
    fields[name]

function faultOf(act: () => unknown): Fault {
  try {
    act()
  } catch (error) {
    if (error instanceof Fault) return error
  }
  throw new Error('nothing was thrown')
}

describe('dialectOf', () => {
  it('speaks 3, 5, 6, 8, 9 and the current version, and the current rules without one', () => {
    const spoken = Array.from({ length: 20 }, (_, version) => dialectOf(String(version)).version)
    expect(spoken.filter((version) => version !== null)).toEqual([3, 5, 6, 8, 9, CURRENT_INTEROP])
    for (const text of [undefined, '', '4', '7', '999', '"10"', '10.0'])
      expect(dialectOf(text)).toEqual({ ...dialectOf(String(CURRENT_INTEROP)), version: null })
  })

  it.each([
    [3, 'Upload-Incomplete', false, true, 201, true, 'expires', false],
    [5, 'Upload-Complete', false, true, 201, true, 'expires', true],
    [6, 'Upload-Complete', true, true, 201, true, 'expires', true],
    [8, 'Upload-Complete', true, false, 204, false, 'max-age', true],
    [9, 'Upload-Complete', true, false, 204, false, 'max-age', true],
    [10, 'Upload-Complete', true, false, 204, false, 'max-age', true],
  ])('%i', (version, completeness, typed, byLength, appended, bare, lifetime, progress) => {
    expect(dialectOf(String(version))).toEqual({
      version,
      completeness,
      typedAppends: typed,
      finishesByLength: byLength,
      appendedStatus: appended,
      bareRetrieval: bare,
      lifetimeKey: lifetime,
      progress,
      completedProblem: version <= 8,
    })
  })
})

describe('claimOf', () => {
  it.each([
    ['POST', { 'tus-resumable': '1.0.0', 'upload-complete': '?1' }, 'theirs'],
    ['POST', { 'upload-complete': '?1' }, 'ours'],
    ['POST', { 'upload-incomplete': '?1' }, 'ours'],
    ['HEAD', { 'upload-draft-interop-version': '6' }, 'ours'],
    ['PATCH', { 'content-type': 'Application/Partial-Upload' }, 'ours'],
    ['PATCH', { 'content-type': 'application/partial-uploads' }, 'unsaid'],
    ['PATCH', {}, 'unsaid'],
    ['GET', { 'upload-draft-interop-version': '6' }, 'unsaid'],
  ] as const)('%s with %j is %s', (method, fields, expected) =>
    expect(claimOf(method, reader(fields))).toBe(expected),
  )
})

describe('parseCreation', () => {
  const current = dialectOf('10')

  it('learns the length from the field, or from a body that is whole', () => {
    fc.assert(
      fc.property(fc.nat(), fc.option(fc.nat()), fc.boolean(), (body, length, complete) => {
        const fields = {
          'upload-complete': complete ? '?1' : '?0',
          ...(length === null ? {} : { 'upload-length': String(length) }),
        }
        const parse = () => parseCreation(reader(fields), current, body)
        const agrees = length === null || (complete ? length === body : body <= length)
        if (!agrees) expect(faultOf(parse).reason).toBe('length-invalid')
        else expect(parse()).toMatchObject({ complete, length: length ?? (complete ? body : null) })
      }),
    )
  })

  it('takes the type of the file, and never that of its carrier', () => {
    const typeOf = (fields: Record<string, string>) =>
      parseCreation(reader({ 'upload-complete': '?1', ...fields }), current, 5).declaredType
    expect(typeOf({ 'content-type': 'image/png' })).toBe('image/png')
    expect(typeOf({ 'content-type': 'application/partial-upload; x=1' })).toBeNull()
    expect(typeOf({ 'content-type': 'application/offset+octet-stream' })).toBeNull()
    const metadata = `filetype ${Buffer.from('video/mp4').toString('base64')}`
    expect(typeOf({ 'content-type': 'text/plain', 'upload-metadata': metadata })).toBe('video/mp4')
  })

  it('takes no metadata that is malformed', () => {
    const fields = { 'upload-complete': '?1', 'upload-metadata': 'a !!!' }
    expect(faultOf(() => parseCreation(reader(fields), current, 5)).reason).toBe('bad-request')
  })
})

describe('parseAppend', () => {
  const full = {
    'content-type': 'application/partial-upload',
    'upload-offset': '5',
    'upload-complete': '?0',
  }

  it('wants media type, offset and completeness', () => {
    expect(parseAppend(reader(full), dialectOf('10'), 3)).toMatchObject({
      offset: 5,
      complete: false,
      length: null,
      bodyLength: 3,
    })
    const without = { 'content-type': 'type-unsupported', 'upload-offset': 'bad-request' }
    for (const [name, reason] of Object.entries({ ...without, 'upload-complete': 'bad-request' })) {
      const fields: Record<string, string> = { ...full }
      delete fields[name]
      expect(faultOf(() => parseAppend(reader(fields), dialectOf('10'), 3)).reason).toBe(reason)
    }
  })

  it('lets interop 5 and 6 leave completeness out, but not write it wrong', () => {
    const { 'upload-complete': _, ...bare } = full
    for (const version of ['5', '6']) {
      expect(parseAppend(reader(bare), dialectOf(version), 3).complete).toBe(false)
      const wrong = { ...bare, 'upload-complete': 'true' }
      expect(faultOf(() => parseAppend(reader(wrong), dialectOf(version), 3)).status).toBe(400)
    }
  })

  it('throws nothing but Faults, whatever the fields hold', () => {
    const names = ['content-type', 'upload-offset', 'upload-complete', 'upload-length'] as const
    const digests = ['content-digest', 'repr-digest', 'want-repr-digest'] as const
    const fields = fc.dictionary(fc.constantFrom(...names, ...digests), fc.string())
    fc.assert(
      fc.property(fields, fc.constantFrom('3', '6', '10'), (found, version) => {
        for (const parse of [parseAppend, parseCreation])
          try {
            parse(reader({ ...full, ...found }), dialectOf(version), 3)
          } catch (error) {
            expect(error).toBeInstanceOf(Fault)
          }
      }),
    )
  })
})

describe('uploadLimit', () => {
  const now = () => new Date('2026-01-01T00:00:00Z')
  const limits = { maxSize: null, maxAppendSize: null, expiresAfterMs: 90_000, now }

  it('is never empty', () => {
    expect(uploadLimit(limits, dialectOf('10'))).toBe('min-size=0, max-age=90')
    expect(uploadLimit({ ...limits, maxSize: 5, maxAppendSize: 3 }, dialectOf('6'))).toBe(
      'max-size=5, max-append-size=3, expires=90',
    )
  })
})

describe('problemOf', () => {
  it('has an answer for every reason, with no status but its own or the 400 of a digest', () => {
    for (const reason of Object.keys(reasons) as Reason[]) {
      const { status, body } = problemOf(new Fault(reason), dialectOf('10'))
      expect(status).toBe(reason === 'digest-mismatch' ? 400 : reasons[reason][0])
      expect(body).toMatchObject({ status, detail: reasons[reason][1] })
      expect(body.title).not.toBe('')
    }
  })

  it('speaks for the resource where a whole file is refused, not where one request is', () => {
    const dialect = dialectOf('10')
    expect(problemOf(new Fault('digest-mismatch'), dialect).final).toBe(true)
    expect(problemOf(new Fault('digest-mismatch', { offset: 5 }), dialect).final).toBe(false)
    expect(problemOf(new Fault('offset-mismatch'), dialect).final).toBe(false)
  })
})

describe('sendInterim', () => {
  it.each(['a\r\nSet-Cookie: x', 'a\nb', 'a\0b', '€'])('refuses the value %j', (value) => {
    const env = {} as Parameters<typeof sendInterim>[0]
    expect(() => sendInterim(env, { Location: value })).toThrow('line end')
  })
})
