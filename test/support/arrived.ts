import { createHash } from 'node:crypto'
import type { TestServer } from './server.ts'

export interface ArrivedFile {
  name: string
  size: number
  /** Of the bytes that are served. */
  sha256: string
}

/** Every record of the media list, with the digest of what its URL gives. */
export async function arrivedFiles(server: TestServer): Promise<ArrivedFile[]> {
  const list = await fetch(`${server.url}/api/media/files?limit=1000&ordering=id`, {
    headers: { Authorization: server.admin },
  })
  const { results } = (await list.json()) as {
    results: { name: string; size: number; f: string }[]
  }
  const files: ArrivedFile[] = []
  for (const { name, size, f } of results) {
    const hash = createHash('sha256')
    const { body } = await fetch(f)
    for await (const chunk of body ?? []) hash.update(chunk)
    files.push({ name, size, sha256: hash.digest('hex') })
  }
  return files
}
