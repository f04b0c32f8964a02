import { describe, expect, it } from 'vitest'
import { printable, table } from '../../../src/commands/output.ts'

describe('a table', () => {
  it('has columns as wide as their longest value and no space at the end', () => {
    const rows = [
      [1, 'a'],
      [1000, null],
    ]
    expect(table(['ID', 'NAME'], rows)).toBe('ID    NAME\n1     a\n1000')
  })

  it('counts an emoji as one character', () => {
    expect(table(['N', 'X'], [['🎉🎉', 1]])).toBe('N   X\n🎉🎉  1')
  })
})

describe('text of others', () => {
  it.each(['\u001b[2Jx', 'a\nb', 'a\u0007', 'a\u202egpj.exe', 'a\u2066b', '\ud800'])(
    'cannot steer the terminal: %j',
    (text) => {
      expect(printable(text)).toContain('\ufffd')
      expect(printable(text)).not.toContain(text)
    },
  )

  it('stays as it is otherwise', () => {
    expect(printable('Zoë 山田 🎉')).toBe('Zoë 山田 🎉')
    expect(printable(null)).toBe('')
  })
})
