import { readFile, writeFile } from 'node:fs/promises'
import { configurationReference } from '../src/config-reference.ts'
import { configurationTable } from '../src/config-variables.ts'

/** Writes the lists in the documents that are made from the code. test/meta compares them. */

/** Between `<!-- mark -->` and `<!-- /mark -->`. */
async function write(file: string, mark: string, text: string): Promise<void> {
  const url = new URL(`../${file}`, import.meta.url)
  const [before, rest = ''] = (await readFile(url, 'utf8')).split(`<!-- ${mark} -->`)
  const [, after] = rest.split(`<!-- /${mark} -->`)
  if (after === undefined) throw new Error(`${file} has no marks of ${mark}`)
  await writeFile(url, `${before}<!-- ${mark} -->\n\n${text}\n\n<!-- /${mark} -->${after}`)
}

await write('README.md', 'configuration', configurationTable())
await write('docs/configuration.md', 'reference', configurationReference())
