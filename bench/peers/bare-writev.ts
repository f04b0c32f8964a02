import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, startProgram } from '../program.ts'
import type { Peer } from '../upload-server.ts'
import { removeFiles } from './files.ts'

const script = fileURLToPath(new URL('../programs/bare-writev.mjs', import.meta.url))

/**
 * The least that Node can do with an upload: the socket's buffers to a file with writev, one batch
 * ahead. `synced`: with one fdatasync before the answer.
 */
export function bareWritev({ synced }: { synced: boolean }): Peer {
  const name = synced ? 'bare writev, synced' : 'bare writev'
  return {
    name,
    async start({ folder }) {
      const port = await freePort()
      const uploads = path.join(folder, 'uploads')
      await mkdir(uploads)
      const { pid, stop } = await startProgram({
        name,
        command: process.execPath,
        args: [script, String(port), uploads, synced ? 'synced' : 'plain'],
        folder,
        port,
      })
      return {
        pid,
        uploads: `http://127.0.0.1:${port}/`,
        headers: {},
        clean: () => removeFiles(uploads),
        stop,
      }
    },
  }
}
