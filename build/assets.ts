import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildDocs } from './docs.ts'
import { buildEmptyDatabase } from './empty-database.ts'
import { buildPage } from './page.ts'

/**
 * Everything that is not compiled by TypeScript: the pages that the server serves, in `dist`, and the
 * database that it begins with, beside the code that reads it.
 *
 * @param code where src/ is as JavaScript; `dist` itself, as it is shipped.
 */
export async function buildAssets(dist: string, code = dist): Promise<void> {
  await Promise.all([
    buildDocs(path.join(dist, 'docs')),
    buildPage(path.join(dist, 'web')),
    buildEmptyDatabase(path.join(code, 'db')),
  ])
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await buildAssets(fileURLToPath(new URL('../dist', import.meta.url)))
