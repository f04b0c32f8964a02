import { cp, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { installOnce } from '../install.ts'
import { freePort, runToEnd, startProgram } from '../program.ts'
import type { Peer } from '../upload-server.ts'
import { removeFiles } from './files.ts'

const PACKAGES = ['@tus/server@2.4.5', '@tus/file-store@2.1.1']
const script = fileURLToPath(new URL('../programs/tus-server.mjs', import.meta.url))

/** `@tus/server` with `@tus/file-store`, as the README of the former sets them up. */
export const tusServer: Peer = {
  name: '@tus/server',
  async start({ cache, folder }) {
    const installed = await installOnce(cache, 'tus-server', PACKAGES.join(' '), async (to) => {
      await writeFile(path.join(to, 'package.json'), '{"private":true,"type":"module"}\n')
      await runToEnd('npm', ['install', '--no-audit', '--no-fund', ...PACKAGES], { cwd: to })
    })
    // Beside the packages, where Node finds them.
    const program = path.join(installed, 'server.mjs')
    await cp(script, program)
    const port = await freePort()
    const uploads = path.join(folder, 'uploads')
    await mkdir(uploads)
    const { pid, stop } = await startProgram({
      name: 'tus-server',
      command: process.execPath,
      args: [program, String(port), uploads],
      folder,
      port,
    })
    return {
      pid,
      uploads: `http://127.0.0.1:${port}/files`,
      headers: {},
      clean: () => removeFiles(uploads),
      stop,
    }
  },
}
