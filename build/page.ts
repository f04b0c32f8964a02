import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = path.join(root, 'src/web')

/**
 * Bundles the page at `/` into `outDir`: `index.html`, and below `assets/` a script and a style
 * sheet whose names change with what is in them, so that browsers may keep them for ever.
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
}
