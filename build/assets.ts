import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildDocs } from './docs.ts'
import { buildPage } from './page.ts'

/** Everything in `dist` that is not compiled by TypeScript: the pages that the server serves. */
export async function buildAssets(dist: string): Promise<void> {
  await Promise.all([buildDocs(path.join(dist, 'docs')), buildPage(path.join(dist, 'web'))])
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await buildAssets(fileURLToPath(new URL('../dist', import.meta.url)))
