import { opendir } from 'node:fs/promises'
import path from 'node:path'

/**
 * The files below a folder whose names end like this, as paths relative to it, in no order. Names
 * that begin with a dot are left out: no object has one.
 */
export async function* filesBelow(
  root: string,
  ending: string,
  below = '',
): AsyncGenerator<string> {
  for await (const entry of await opendir(path.join(root, below), { bufferSize: 256 })) {
    if (entry.name.startsWith('.')) continue
    const found = path.posix.join(below, entry.name)
    if (entry.isDirectory()) yield* filesBelow(root, ending, found)
    else if (entry.isFile() && entry.name.endsWith(ending)) yield found
  }
}
