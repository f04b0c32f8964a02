import type { Stats } from 'node:fs'
import { lstat, opendir, stat } from 'node:fs/promises'
import path from 'node:path'
import { CommandFailure } from './exit.ts'
import { printable } from './output.ts'

/** A file that is to be uploaded. */
export interface LocalFile {
  /** Absolute. */
  path: string
  /** As it was typed, or below a folder that was. */
  shown: string
  /** Its own name. */
  name: string
  /** From the folder that was typed on, with slashes: `holiday/day 1/a.jpg`. Null without one. */
  relativePath: string | null
  /** Bytes. */
  size: number
  mtimeMs: number
}

/**
 * The files that are named, and all below the folders that are, each once and in the order of their
 * names. What is neither, and links below a folder, are left out with a word about it. Rejects with
 * a CommandFailure that names all that cannot be read.
 */
export async function collectFiles(
  named: readonly string[],
  onSkipped: OnSkipped,
): Promise<LocalFile[]> {
  const found = new Map<string, LocalFile>()
  const missing: string[] = []
  for (const each of named) {
    const absolute = path.resolve(each)
    try {
      const facts = await stat(absolute)
      const base = facts.isDirectory() ? path.basename(absolute) : null
      for await (const file of walk(absolute, facts, each, base, onSkipped))
        found.set(file.path, file)
    } catch (error) {
      const { code, path: at = each } = error as NodeJS.ErrnoException
      missing.push(
        `${printable(at)}: ${code === 'ENOENT' ? 'there is no such file' : `not readable (${code})`}`,
      )
    }
  }
  if (missing.length > 0) throw new CommandFailure(missing.join('\n'))
  return [...found.values()]
}

/** Whether a file is not as it was found: another size, another last change, or gone. */
export async function hasChanged({ path: file, size, mtimeMs }: LocalFile): Promise<boolean> {
  const now = await stat(file).catch(() => null)
  return now === null || now.size !== size || now.mtimeMs !== mtimeMs
}

type OnSkipped = (shown: string, why: string) => void

async function* walk(
  absolute: string,
  facts: Stats,
  shown: string,
  relativePath: string | null,
  onSkipped: OnSkipped,
): AsyncGenerator<LocalFile> {
  if (facts.isFile()) {
    const { size, mtimeMs } = facts
    yield { path: absolute, shown, name: path.basename(absolute), relativePath, size, mtimeMs }
    return
  }
  if (!facts.isDirectory()) {
    onSkipped(shown, facts.isSymbolicLink() ? 'a link, not followed' : 'no ordinary file')
    return
  }
  const names: string[] = []
  for await (const { name } of await opendir(absolute)) names.push(name)
  for (const name of names.sort()) {
    const inside = path.join(absolute, name)
    // A link that was typed is meant; one that is met may lead anywhere, and round in circles.
    const of = await lstat(inside)
    yield* walk(inside, of, path.join(shown, name), `${relativePath}/${name}`, onSkipped)
  }
}
