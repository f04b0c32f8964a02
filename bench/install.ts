import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Absent } from './absent.ts'
import { runToEnd } from './program.ts'

/**
 * Runs an installation once: its folder in the cache keeps what was installed, by `recipe`, and a
 * changed recipe installs anew. What fails is tried again with the next run.
 *
 * @throws Absent with what the package manager said.
 */
export async function installOnce(
  cache: string,
  name: string,
  recipe: string,
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path.join(cache, name)
  const mark = path.join(folder, '.installed')
  const before = await readFile(mark, 'utf8').catch(() => '')
  if (before === recipe) return folder
  await mkdir(folder, { recursive: true })
  process.stderr.write(`installing ${name}\n`)
  try {
    await install(folder)
  } catch (error) {
    throw new Absent(firstLines((error as Error).message))
  }
  await writeFile(mark, recipe)
  return folder
}

/** The path of a program on this machine. @throws Absent with where it comes from. */
export async function programOnPath(name: string, from: string): Promise<string> {
  try {
    const PATH = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`
    return (await runToEnd('sh', ['-c', 'command -v "$0"', name], { env: { PATH } })).trim()
  } catch {
    throw new Absent(`no ${name} on this machine (${from})`)
  }
}

/** What fits into a cell of the table. */
function firstLines(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 200)}…` : line
}
