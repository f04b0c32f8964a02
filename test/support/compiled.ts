import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildAssets } from '../../build/assets.ts'
import { buildEmptyDatabase } from '../../build/empty-database.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The server and the programs of the tests as JavaScript, made once for a run: translating it at
 * each start would be most of what a test takes that starts a server a hundred times.
 */
export async function compile(): Promise<{ folder: string; remove(): Promise<void> }> {
  const outputs = path.join(root, '.test-output')
  await mkdir(outputs, { recursive: true })
  const folder = await mkdtemp(path.join(outputs, 'compiled-'))
  const project = path.join(folder, 'tsconfig.json')
  await writeFile(
    project,
    JSON.stringify({
      extends: path.join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: false, noCheck: true, rootDir: root, outDir: folder },
      include: [path.join(root, 'src'), path.join(root, 'test/support/*-process.ts')],
      exclude: [path.join(root, 'src/web')],
    }),
  )
  // Where the code looks for them beside src/.
  for (const name of ['drizzle', 'package.json'])
    await symlink(path.join(root, name), path.join(folder, name))
  const tsc = path.join(
    path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
    'bin/tsc',
  )
  await promisify(execFile)(process.execPath, [tsc, '-p', project])
  await buildAssets(path.join(folder, 'dist'))
  await buildEmptyDatabase(path.join(folder, 'src/db'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}
