import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitSearch } from '../../../src/media/search.ts'

describe('splitSearch', () => {
  // As search_smart_split of Django REST framework 3.18, less what is empty or repeated.
  it.each([
    ['', []],
    ['one', ['one']],
    ['one two,three', ['one', 'two', 'three']],
    [' , one ,, two ,', ['one', 'two']],
    ['"one two" three', ['one two', 'three']],
    ["'one two' three", ['one two', 'three']],
    ['"one, two",three', ['"one', 'two"', 'three']],
    ['a,"b c"', ['a', '"b c"']],
    ['"a b","c d"', ['a b","c d']],
    ['"a b"x "c d"y', ['"a b"x', '"c d"y']],
    ["'it''s' x", ["it''s", 'x']],
    ["'a\" b'", ['a" b']],
    ['"', []],
    [',"one two",', ['one two']],
    ['"say \\"hi\\" now"', ['say "hi" now']],
    ['"back\\\\slash"', ['back\\slash']],
    ['it\'s "fine', ["it's", '"fine']],
    ['"open one', ['"open', 'one']],
    ['a"b c"d', ['a"b c"d']],
    ['"a" \'b', ['a', "'b"]],
    ['50% a_b c\\d', ['50%', 'a_b', 'c\\d']],
    ['no\0t', ['not']],
    ['"" x', ['x']],
    ['x x "x"', ['x']],
  ])('splits %j', (text, terms) => {
    expect(splitSearch(text)).toEqual(terms)
  })

  it('gives terms that are neither empty nor repeated, whatever comes', () => {
    const text = fc.string({ unit: fc.constantFrom('"', "'", '\\', ' ', ',', 'a', 'b', '\0', '%') })
    fc.assert(
      fc.property(text, (value) => {
        const terms = splitSearch(value)
        expect(terms).not.toContain('')
        expect(new Set(terms).size).toBe(terms.length)
        expect(terms.join('')).not.toContain('\0')
      }),
    )
  })

  it('takes time in proportion to a text full of quotes that never close', () => {
    const began = performance.now()
    splitSearch('" \\'.repeat(200_000))
    splitSearch(`"${'\\" '.repeat(200_000)}`)
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})
