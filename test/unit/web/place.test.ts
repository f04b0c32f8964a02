import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Place, queryNames, readPlace, writePlace } from '../../../src/web/state/place.ts'

const start: Place = { page: 'library', view: 'grid', file: null, query: {} }

describe('the place in the URL', () => {
  it('is empty where everybody begins', () => {
    expect(writePlace(start)).toBe('')
    expect(readPlace('')).toEqual(start)
  })

  it('reads what it has written', () => {
    const place = fc.record({
      page: fc.constantFrom('library', 'sessions', 'accounts'),
      view: fc.constantFrom('grid', 'list'),
      file: fc.option(fc.nat()),
      query: fc.dictionary(
        fc.constantFrom(...queryNames),
        fc.string({ minLength: 1 }).filter((text) => text.trim() === text && text !== ''),
        { noNullPrototype: true },
      ),
    })
    fc.assert(
      fc.property(place, (each) => {
        expect(readPlace(writePlace(each as Place))).toEqual(each)
      }),
    )
  })

  it('takes whatever somebody has typed there', () => {
    expect(readPlace('?page=nowhere&view=3d&file=-1&size_min=&search=%20&evil=1')).toEqual(start)
  })

  it('leaves the commas of lists to be read', () => {
    expect(writePlace({ ...start, query: { type: 'image,video' } })).toBe('?type=image,video')
  })
})
