import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** Where system programs are that the PATH of an ordinary user often leaves out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/**
 * The path of a program that a test runs and this project does not install. Where it is missing
 * the output says what is skipped for that and how to get it:
 *
 * ```ts
 * const nginx = findProgram('nginx', { for: 'nginx in front of the server', from: 'apt-get install nginx' })
 * describe.skipIf(nginx === undefined)('nginx', …)
 * ```
 *
 * @param more folders where it may be, beside those of PATH.
 */
export function findProgram(
  name: string,
  hint: { for: string; from: string },
  more: readonly string[] = [],
): string | undefined {
  const onPath = (process.env.PATH ?? '').split(path.delimiter)
  const folders = [...onPath, ...SYSTEM_FOLDERS, ...more]
  const found = folders
    .filter((folder) => path.isAbsolute(folder))
    .map((folder) => path.join(folder, name))
    .find(isProgram)
  if (found === undefined)
    console.warn(`SKIPPED: ${hint.for}. There is no ${name} here; get it with: ${hint.from}`)
  return found
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
