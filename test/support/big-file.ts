import { createCipheriv, createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'

/** Writes so many bytes that no program can compress or guess, and gives their SHA-256. */
export async function writeRandomFile(file: string, size: number): Promise<string> {
  const hash = createHash('sha256')
  const out = createWriteStream(file)
  // A stream cipher over zeros: as fast as the disk, the same bytes in every run.
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16))
  const zeros = Buffer.alloc(1024 * 1024)
  for (let at = 0; at < size; at += zeros.length) {
    const chunk = cipher.update(zeros.subarray(0, Math.min(zeros.length, size - at)))
    hash.update(chunk)
    if (!out.write(chunk)) await once(out, 'drain')
  }
  out.end()
  await finished(out)
  return hash.digest('hex')
}
