import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'

const BLOCK = 1024 * 1024

/** A file of random bytes; it is kept, so that it is made once. */
export async function randomFile(folder: string, bytes: number): Promise<string> {
  const file = path.join(folder, `content-${bytes}.bin`)
  const size = await stat(file).then(
    (found) => found.size,
    () => -1,
  )
  if (size === bytes) return file
  await mkdir(folder, { recursive: true })
  const output = createWriteStream(file)
  for (let left = bytes; left > 0; left -= BLOCK) {
    const block = randomFillSync(Buffer.allocUnsafe(Math.min(BLOCK, left)))
    if (!output.write(block)) await once(output, 'drain')
  }
  output.end()
  await once(output, 'finish')
  return file
}

/** md5, as hex, of so many bytes of a file that begins again at its end; kept beside it. */
export async function md5Of(file: string, bytes: number): Promise<string> {
  const kept = `${file}.${bytes}.md5`
  const before = await readFile(kept, 'utf8').catch(() => '')
  if (before !== '') return before
  const hash = createHash('md5')
  const { size } = await stat(file)
  for (let left = bytes; left > 0; left -= size) {
    const stream = createReadStream(file, { end: Math.min(size, left) - 1, highWaterMark: BLOCK })
    for await (const chunk of stream) hash.update(chunk)
  }
  const digest = hash.digest('hex')
  await writeFile(kept, digest)
  return digest
}
