import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Files below a folder of the checkout whose path ends in one of `endings`, relative to it. */
export async function filesBelow(folder: string, endings: readonly string[]): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => path.relative(path.join(root, folder), path.join(entry.parentPath, entry.name)))
    .sort()
}

/** `import … from '…'`, `import '…'` and `export … from '…'`, over several lines too. */
const STATEMENT = /^(?:import|export)\s(?:[\w$\s{},*]+\sfrom\s)?\s*'([^'\n]+)'/gm
/** `await import('…')`, and `typeof import('…')` in a type. */
const CALL = /\bimport\(\s*'([^'\n]+)'\s*\)/g

/**
 * What a TypeScript file imports, as it is written there; types count as well. A regular expression
 * is enough, since Biome keeps every statement in one shape.
 */
export function importsOf(text: string): string[] {
  return [STATEMENT, CALL].flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, specifier]) => specifier ?? ''),
  )
}

export interface SourceFile {
  /** Relative to src/. */
  name: string
  text: string
  /** Files of src/ that it imports, relative to src/. */
  files: string[]
  /** Packages that it imports, without a path into them; `node:` ones included. */
  packages: string[]
}

/** Every file of src/, with what it imports. */
export async function readSources(): Promise<SourceFile[]> {
  const names = await filesBelow('src', ['.ts', '.tsx'])
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(root, 'src', name), 'utf8')
      const found = importsOf(text)
      const relative = found.filter((specifier) => specifier.startsWith('.'))
      const bare = found.filter((specifier) => !specifier.startsWith('.'))
      return {
        name,
        text,
        files: relative.map((specifier) => path.join(path.dirname(name), specifier)),
        packages: bare.map(packageOf),
      }
    }),
  )
}

function packageOf(specifier: string): string {
  const [first = '', second = ''] = specifier.split('/')
  return first.startsWith('@') ? `${first}/${second}` : first
}
