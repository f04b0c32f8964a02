import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { installOnce, programOnPath } from '../install.ts'
import { freePort, runToEnd, startProgram } from '../program.ts'
import type { Peer } from '../upload-server.ts'
import { removeFiles } from './files.ts'

const VERSION = '0.5.10'

/**
 * A tus server in Rust; files in a folder, as by default. It takes bodies of 256 KiB and holds them
 * in memory: the limit is raised, since the client that all share sends one body.
 */
export const rustus: Peer = {
  name: 'rustus',
  async start({ cache, folder }) {
    const cargo = await programOnPath('cargo', 'rustus is installed with `cargo install`')
    const installed = await installOnce(cache, 'rustus', VERSION, async (to) => {
      // It takes minutes, and what else runs is not to notice.
      const args = ['-n', '19', cargo, 'install', 'rustus', '--version', VERSION, '--root', to]
      await runToEnd('nice', args)
    })
    const port = await freePort()
    const uploads = path.join(folder, 'uploads')
    await mkdir(uploads)
    const { pid, stop } = await startProgram({
      name: 'rustus',
      command: path.join(installed, 'bin', 'rustus'),
      args: ['--host', '127.0.0.1', '--port', String(port), '--data-dir', uploads].concat([
        '--info-dir',
        uploads,
        '--max-body-size',
        String(2 ** 31),
      ]),
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
