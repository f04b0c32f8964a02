import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { buildAssets } from '../../build/assets.ts'
import { buildEmptyDatabase } from '../../build/empty-database.ts'
import { root } from './source.ts'

const run = promisify(execFile)

export interface Packed {
  /** What `npm publish` would send. */
  tarball: string
  /** Paths in it. */
  files: string[]
  /** Bytes, unpacked. */
  size: number
  remove(): Promise<void>
}

/** What lies in a checkout, or is left by a build, and is nobody's who installs the package. */
const strangers = [
  '.env',
  'data/files/ab/ab12',
  'docs/page.md',
  'src/stale.ts',
  'test/stale.test.ts',
  'dist/stale.js.map',
  'dist/stale.d.ts',
]

/**
 * Packs the package from a build of its own, beside the checkout: `npm pack` there would empty dist/
 * for whoever runs from it.
 */
export async function packPackage(): Promise<Packed> {
  const folder = await mkdtemp(path.join(tmpdir(), 'landfall-package-'))
  const checkout = path.join(folder, 'checkout')
  await mkdir(checkout)
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'drizzle'])
    await cp(path.join(root, name), path.join(checkout, name), { recursive: true })
  await build(path.join(checkout, 'dist'))
  for (const name of strangers) {
    await mkdir(path.dirname(path.join(checkout, name)), { recursive: true })
    await writeFile(path.join(checkout, name), '')
  }
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    { cwd: checkout },
  )
  const [packed] = JSON.parse(stdout) as [
    { filename: string; unpackedSize: number; files: { path: string }[] },
  ]
  return {
    tarball: path.join(folder, packed.filename),
    files: packed.files.map((file) => file.path),
    size: packed.unpackedSize,
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** What `npm run build` does. */
async function build(dist: string): Promise<void> {
  const tsc = path.join(
    path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
    'bin/tsc',
  )
  // The types are checked by `npm run check`; declarations are made all the same.
  const options = ['-p', path.join(root, 'tsconfig.build.json'), '--noCheck', '--outDir', dist]
  await run(process.execPath, [tsc, ...options])
  await buildAssets(dist)
  await buildEmptyDatabase(path.join(dist, 'db'))
}

/**
 * Unpacks it where npm would install it, beside links to the packages that it asks for and to no
 * others; `folder` is then as after `npm install`, without the time that takes.
 */
export async function unpackInto(folder: string, tarball: string): Promise<string> {
  const modules = path.join(folder, 'node_modules')
  const unpacked = path.join(modules, 'landfall')
  await mkdir(unpacked, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', unpacked])
  const { dependencies } = JSON.parse(
    await readFile(path.join(unpacked, 'package.json'), 'utf8'),
  ) as { dependencies: Record<string, string> }
  for (const name of Object.keys(dependencies)) {
    await mkdir(path.dirname(path.join(modules, name)), { recursive: true })
    await symlink(path.join(root, 'node_modules', name), path.join(modules, name))
  }
  return unpacked
}
