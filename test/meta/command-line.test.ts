import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../src/commands/program.ts'
import { filterParameters } from '../../src/media/filters.ts'
import { root } from '../support/source.ts'

const output = { result: () => {}, note: () => {} }
const program = createProgram({ env: {}, output, terminal: false }, () => {})

/** `users add` and the like, with the command. */
function commandsOf(parent: Command, before = ''): [name: string, command: Command][] {
  return parent.commands.flatMap((command) => {
    const name = `${before}${command.name()}`
    return command.commands.length > 0
      ? commandsOf(command, `${name} `)
      : [[name, command] as [string, Command]]
  })
}

/** The part of the page that is about a command. */
function partOf(page: string, name: string): string {
  const parts = page.split(/^(?=#{2,3} )/m)
  const own = parts.filter((part) => part.includes(`landfall ${name}`))
  return own.join('\n')
}

describe('docs/command-line.md', async () => {
  const page = await readFile(path.join(root, 'docs/command-line.md'), 'utf8')

  it.each(commandsOf(program))('has %s with all its options', (name, command) => {
    const part = partOf(page, name)
    expect(part).not.toBe('')
    for (const { long } of command.options)
      expect([name, part.includes(`\`${long}`) || part.includes(` ${long}`)]).toEqual([name, true])
  })

  it('has no option that there is none of', () => {
    const known = new Set(
      commandsOf(program).flatMap(([, { options }]) => options.map(({ long }) => long)),
    )
    const shown = [...page.matchAll(/(?<=[ `])--[a-z][a-z-]+/g)].map(([option]) => option)
    expect(shown.filter((option) => !known.has(option))).toEqual([])
  })
})

describe('landfall files', () => {
  it('has every filter of the list', () => {
    const [, files] = commandsOf(program).find(([name]) => name === 'files') ?? []
    const options = (files?.options ?? []).map(({ long }) => long?.replace('--', ''))
    const filters = [...filterParameters.keys(), 'search', 'ordering', 'limit', 'offset']
    expect([...options].sort()).toEqual(
      [...filters.map((name) => name.replace('_', '-')), 'json'].sort(),
    )
  })
})
