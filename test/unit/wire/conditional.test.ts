import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  evaluatePreconditions,
  ifRangeHolds,
  type Preconditions,
} from '../../../src/wire/conditional.ts'

const etag = '"abc"'
// Half a second past the minute: HTTP dates cannot say so.
const lastModified = new Date('2026-03-04T05:06:00.500Z')
const same = 'Wed, 04 Mar 2026 05:06:00 GMT'
const earlier = 'Wed, 04 Mar 2026 05:05:59 GMT'
const later = 'Wed, 04 Mar 2026 05:06:01 GMT'

const verdict = (conditions: Partial<Preconditions>) =>
  evaluatePreconditions({ method: 'GET', ...conditions }, { etag, lastModified })

describe('evaluatePreconditions', () => {
  it('proceeds without conditions', () => {
    expect(verdict({})).toBe('proceed')
  })

  it.each([
    [etag, 'not-modified'],
    ['W/"abc"', 'not-modified'],
    ['"x", "abc"', 'not-modified'],
    ['"x" , W/"abc" ,', 'not-modified'],
    ['"x","a,b","abc"', 'not-modified'],
    ['*', 'not-modified'],
    ['"x"', 'proceed'],
    ['"ABC"', 'proceed'],
    ['abc', 'proceed'],
    ['"abc" "x"', 'proceed'],
    ['"abc', 'proceed'],
    ['', 'proceed'],
  ])('If-None-Match: %s', (ifNoneMatch, expected) => {
    expect(verdict({ ifNoneMatch })).toBe(expected)
  })

  it('fails If-None-Match for a method that would change something', () => {
    expect(verdict({ method: 'PUT', ifNoneMatch: '*' })).toBe('precondition-failed')
    expect(verdict({ method: 'HEAD', ifNoneMatch: '*' })).toBe('not-modified')
  })

  it.each([
    [etag, 'proceed'],
    ['"x", "abc"', 'proceed'],
    ['*', 'proceed'],
    ['W/"abc"', 'precondition-failed'],
    ['"x"', 'precondition-failed'],
    ['abc', 'precondition-failed'],
    ['', 'precondition-failed'],
  ])('If-Match: %s', (ifMatch, expected) => {
    expect(verdict({ ifMatch })).toBe(expected)
  })

  it('never matches a weak tag of its own by If-Match', () => {
    const weak = { etag: 'W/"abc"', lastModified }
    expect(evaluatePreconditions({ method: 'GET', ifMatch: 'W/"abc"' }, weak)).toBe(
      'precondition-failed',
    )
  })

  it.each([
    [same, 'not-modified'],
    [later, 'not-modified'],
    [earlier, 'proceed'],
    ['yesterday', 'proceed'],
  ])('If-Modified-Since: %s', (ifModifiedSince, expected) => {
    expect(verdict({ ifModifiedSince })).toBe(expected)
  })

  it('heeds If-Modified-Since for GET and HEAD only', () => {
    expect(verdict({ method: 'HEAD', ifModifiedSince: same })).toBe('not-modified')
    expect(verdict({ method: 'DELETE', ifModifiedSince: same })).toBe('proceed')
  })

  it.each([
    [same, 'proceed'],
    [later, 'proceed'],
    [earlier, 'precondition-failed'],
    ['yesterday', 'proceed'],
  ])('If-Unmodified-Since: %s', (ifUnmodifiedSince, expected) => {
    expect(verdict({ ifUnmodifiedSince })).toBe(expected)
  })

  it('prefers tags to dates and If-Match to If-None-Match', () => {
    expect(verdict({ ifMatch: etag, ifUnmodifiedSince: earlier })).toBe('proceed')
    expect(verdict({ ifNoneMatch: '"x"', ifModifiedSince: same })).toBe('proceed')
    expect(verdict({ ifMatch: '"x"', ifNoneMatch: etag })).toBe('precondition-failed')
    expect(verdict({ ifMatch: etag, ifNoneMatch: etag })).toBe('not-modified')
    expect(verdict({ ifUnmodifiedSince: same, ifModifiedSince: same })).toBe('not-modified')
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        verdict({ ifMatch: text })
        verdict({ ifNoneMatch: text, ifUnmodifiedSince: text })
        verdict({ ifModifiedSince: text })
      }),
    )
  })
})

describe('ifRangeHolds', () => {
  it.each([
    [etag, true],
    ['W/"abc"', false],
    ['"x"', false],
    ['abc', false],
    [same, true],
    [earlier, false],
    [later, false],
    ['', false],
  ])('%s: %s', (ifRange, holds) => {
    expect(ifRangeHolds(ifRange, { etag, lastModified })).toBe(holds)
  })

  it('does not hold for a weak tag that is equal', () => {
    expect(ifRangeHolds('W/"abc"', { etag: 'W/"abc"', lastModified })).toBe(false)
  })
})
