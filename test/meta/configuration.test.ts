import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { configurationTable } from '../../src/config-variables.ts'

describe('README.md', () => {
  it('has the table of variables that the code has', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
    const [, table] = /<!-- configuration -->\n(.*?)\n<!-- \/configuration -->/s.exec(readme) ?? []
    expect(table?.trim()).toBe(configurationTable())
  })
})
