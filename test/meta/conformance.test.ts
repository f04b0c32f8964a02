import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from '../support/source.ts'

interface Row {
  requirement: string
  level: string
  file: string
  /** Names of the describes that it stands in, and its own. */
  names: string[]
}

const LEVELS = [
  'MUST',
  'MUST NOT',
  'REQUIRED',
  'SHALL',
  'SHALL NOT',
  'SHOULD',
  'SHOULD NOT',
  'RECOMMENDED',
  'MAY',
]

const text = await readFile(path.join(root, 'test/conformance/README.md'), 'utf8')

/** Every line of a table that is neither its head nor the line below that. */
const rows: Row[] = text
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\| (?:requirement|---) /.test(line))
  .map((line) => {
    const [requirement = '', level = '', file = '', test = ''] = line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim())
    const names = test.split(' › ')
    return { requirement, level, file: file.replaceAll('`', ''), names }
  })

/** What a table writes with a backslash, TypeScript writes with one too, or without. */
const plain = (name: string) => name.replaceAll('\\', '')

describe('test/conformance/README.md', () => {
  it('has rows of four cells with a level of RFC 2119', () => {
    expect(rows.length).toBeGreaterThan(80)
    const broken = rows.filter(
      ({ requirement, level, file, names }) =>
        !requirement || !LEVELS.includes(level) || !file || names.some((name) => !name),
    )
    expect(broken).toEqual([])
  })

  it('names only tests that exist', async () => {
    const sources = new Map<string, string>()
    for (const file of new Set(rows.map(({ file }) => file)))
      sources.set(file, await readFile(path.join(root, file), 'utf8').catch(() => ''))
    const missing = rows.flatMap(({ file, names }) => {
      const source = plain(sources.get(file) ?? '')
      // A name is a whole string: what was shortened or lengthened is another test.
      const isThere = (name: string) =>
        ["'", '"', '`'].some((quote) => source.includes(quote + plain(name) + quote))
      return names.filter((name) => !isThere(name)).map((name) => `${file}: ${name}`)
    })
    expect([...new Set(missing)]).toEqual([])
  })
})
