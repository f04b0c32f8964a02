import { describe, expect, it } from 'vitest'
import { parseConcat } from '../../../src/protocols/tus/concat.ts'

const ids = (list: string) => {
  const concat = parseConcat(`final;${list}`, '/files')
  return concat?.kind === 'final' ? concat.partIds : null
}

describe('the parts of a final upload', () => {
  it.each([
    ['/files/a', 'a'],
    ['/files/a/', 'a'],
    ['/files/a?token=x#y', 'a'],
    ['a', 'a'],
    ['./a', 'a'],
    ['http://one.example/files/a', 'a'],
    ['https://two.example:8443/files/a', 'a'],
    ['//three.example/files/a', 'a'],
    ['/files/x/../a', 'a'],
  ])('are found in %s', (url, id) => {
    expect(ids(url)).toEqual([id])
  })

  it.each([
    '/files',
    '/files/',
    '/other/a',
    '/files/a/b',
    '/files//a',
    '/filesystem/a',
    '../a',
    'x:a',
  ])('are not found in %s', (url) => {
    expect(ids(url)).toEqual([''])
  })

  it('are refused in what is no URL', () => {
    expect(() => ids('http://[')).toThrow(expect.objectContaining({ reason: 'bad-request' }))
  })
})
