import { access, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../../src/config-reference.ts'
import { configurationTable } from '../../src/config-variables.ts'
import { reasons } from '../../src/errors.ts'
import { readmeBlocks } from '../support/readme.ts'
import { filesBelow, root } from '../support/source.ts'

const read = (file: string) => readFile(path.join(root, file), 'utf8')
const readSource = (file: string) => read(`src/${file}`)

/** What stands between `<!-- name -->` and `<!-- /name -->`. */
async function marked(file: string, name: string): Promise<string> {
  const [, rest = ''] = (await read(file)).split(`<!-- ${name} -->`)
  const [text, end] = rest.split(`<!-- /${name} -->`)
  if (text === undefined || end === undefined) throw new Error(`${file} has no marks of ${name}`)
  return text.trim()
}

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...(await filesBelow('docs', ['.md'])).map((file) => `docs/${file}`),
]

/** The id that a heading gets on the usual forges. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

async function isGood(page: string, link: string): Promise<boolean> {
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? page : path.join(path.dirname(page), file)
  if (!(await exists(path.join(root, target)))) return false
  if (anchor === undefined) return true
  const headings = (await read(target)).matchAll(/^#+ (.+)$/gm)
  return [...headings].some(([, heading = '']) => anchorOf(heading) === anchor)
}

describe('the documents', () => {
  it('have the table of variables that the code has', async () => {
    expect(await marked('README.md', 'configuration')).toBe(configurationTable())
  })

  it('describe every variable as the code reads it (`npm run docs` writes it)', async () => {
    expect(await marked('docs/configuration.md', 'reference')).toBe(configurationReference())
  })

  it('list exactly the reasons of src/errors.ts, with status and text', async () => {
    const [, , ...rows] = (await marked('docs/errors.md', 'reasons')).split('\n')
    const listed = rows.map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, 4),
    )
    const known = Object.entries(reasons).map(([reason, [status, text]]) => [
      String(status),
      `\`${reason}\``,
      text,
    ])
    expect(listed.sort()).toEqual(known.sort())
  })

  it('explain exactly the metrics of src/telemetry/metrics.ts, with their labels', async () => {
    const [, , ...rows] = (await marked('docs/operations.md', 'metrics')).split('\n')
    const words = (cell = '') => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word)
    const explained = rows.map((row) => {
      const [, name, labels] = row.split('|')
      return [words(name)[0], words(labels)]
    })
    const source = await read('src/telemetry/metrics.ts')
    const known = [...source.matchAll(/\bname: '(\w+)',[^}]*?\n\s*(?:labelNames: (\[.*\])|\})/g)]
    expect(explained.sort()).toEqual(
      known
        .map(([, name, labels = '[]']) => [name, JSON.parse(labels.replaceAll("'", '"'))])
        .sort(),
    )
    expect(known).toHaveLength([...source.matchAll(/'landfall_\w+'/g)].length)
  })

  it('quote lines of the log that are written', async () => {
    const quoted = [...(await read('docs/operations.md')).matchAll(/“([^”]+)”/g)]
    const source = (await Promise.all((await filesBelow('src', ['.ts'])).map(readSource))).join('')
    expect(quoted.length).toBeGreaterThan(0)
    expect(quoted.map(([, line = '']) => line).filter((line) => !source.includes(line))).toEqual([])
  })

  it('name commands of npm that exist', async () => {
    const { scripts } = JSON.parse(await read('package.json')) as {
      scripts: Record<string, string>
    }
    for (const name of ['start', 'test']) {
      const blocks = await readmeBlocks()
      expect(blocks.map(({ text }) => text)).toContain(`npm ci && npm ${name}\n`)
      expect(Object.keys(scripts)).toContain(name)
    }
    const texts = await Promise.all(pages.map(read))
    const named = texts.flatMap((text) => [...text.matchAll(/\bnpm run ([\w:]+)/g)])
    expect(named.map(([, name]) => name).filter((name = '') => !(name in scripts))).toEqual([])
  })

  it('link to files and headings that exist', async () => {
    const broken: string[] = []
    for (const page of pages) {
      for (const [, link = ''] of (await read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(?:https?|mailto):/.test(link)) continue
        if (!(await isGood(page, link))) broken.push(`${page}: ${link}`)
      }
    }
    expect(broken).toEqual([])
  })
})

describe('the checkout', () => {
  it('names no folder of the machine or of the team that made it', async () => {
    // In pieces, so that this file does not name them.
    const forbidden = [['..', 'shared'].join('/'), ['', 'work', ''].join('/')]
    const folders = ['src', 'test', 'bench', 'docs', 'drizzle', 'docker', 'examples', '.ci']
    const below = await Promise.all(
      folders.map(async (folder) =>
        (await filesBelow(folder, ['']))
          .filter((file) => !(folder === 'test' && file.startsWith('fixtures/')))
          .map((file) => `${folder}/${file}`),
      ),
    )
    const top = ['package.json', 'package-lock.json', 'biome.json', 'tsconfig.json', '.gitignore']
    const found: string[] = []
    for (const file of new Set([...pages, ...top, ...below.flat()])) {
      const text = await read(file)
      if (forbidden.some((name) => text.includes(name))) found.push(file)
    }
    expect(found).toEqual([])
  })
})
