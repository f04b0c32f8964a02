import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = path.join(root, 'src/web')

/**
 * Bundles the page at `/` into `outDir`: `index.html`, and below `assets/` a script and a style
 * sheet whose names change with what is in them, so that browsers may keep them for ever. Beside
 * them, and not served, `LICENSES.txt` of all packages that are bundled.
 */
export async function buildPage(outDir: string): Promise<void> {
  await rm(outDir, { recursive: true, force: true })
  const assets = path.join(outDir, 'assets')
  const { metafile } = await build({
    entryPoints: { app: path.join(source, 'main.tsx'), style: path.join(source, 'style/all.css') },
    outdir: assets,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // As it was written: its other builds are ES5 and twice as large.
    alias: { 'tus-js-client': path.join(root, 'node_modules/tus-js-client/lib/browser/index.js') },
    // What they say stands in LICENSES.txt.
    legalComments: 'none',
    metafile: true,
    absWorkingDir: root,
    logLevel: 'warning',
  })
  const names = Object.keys(metafile.outputs).map((name) => path.basename(name))
  const nameOf = (ending: string) => {
    const name = names.find((each) => each.endsWith(ending))
    if (name === undefined) throw new Error(`esbuild made no ${ending}`)
    return `/assets/${name}`
  }
  const template = await readFile(path.join(source, 'index.html'), 'utf8')
  const html = template.replace('{{script}}', nameOf('.js')).replace('{{style}}', nameOf('.css'))
  await mkdir(outDir, { recursive: true })
  await writeFile(path.join(outDir, 'index.html'), html)
  await writeFile(path.join(outDir, 'LICENSES.txt'), await licencesOf(Object.keys(metafile.inputs)))
}

/**
 * What their licences ask of whoever hands the packages on. Rejects where one of them has none.
 *
 * @param inputs paths from the root of all files that were bundled.
 */
async function licencesOf(inputs: readonly string[]): Promise<string> {
  const found = inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [])
  const texts = [...new Set(found)].sort().map(async (folder) => {
    const within = path.join(root, folder)
    const { name, version } = JSON.parse(
      await readFile(path.join(within, 'package.json'), 'utf8'),
    ) as { name: string; version: string }
    const file = (await readdir(within)).find((each) => /^licen[cs]e(?:\.|$)/i.test(each))
    if (file === undefined) throw new Error(`${name} is bundled, and has no licence`)
    const text = await readFile(path.join(within, file), 'utf8')
    return `# ${name} ${version}\n\n${text.trim()}\n`
  })
  return (await Promise.all(texts)).join('\n')
}
