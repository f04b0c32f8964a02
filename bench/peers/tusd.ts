import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { installOnce, programOnPath } from '../install.ts'
import { freePort, runToEnd, startProgram } from '../program.ts'
import type { Peer } from '../upload-server.ts'
import { removeFiles } from './files.ts'

const VERSION = 'v2.8.0'
const MODULE = 'github.com/tus/tusd/v2'

/** The tus server of the protocol's authors, in Go; files in a folder, as by default. */
export const tusd: Peer = {
  name: 'tusd',
  async start({ cache, folder }) {
    const go = await programOnPath('go', 'tusd is installed with `go install`')
    const installed = await installOnce(cache, 'tusd', VERSION, (to) => install(go, to))
    const port = await freePort()
    const uploads = path.join(folder, 'uploads')
    await mkdir(uploads)
    const { pid, stop } = await startProgram({
      name: 'tusd',
      command: path.join(installed, 'bin', 'tusd'),
      args: ['-host', '127.0.0.1', '-port', String(port), '-upload-dir', uploads],
      folder,
      port,
    })
    return {
      pid,
      uploads: `http://127.0.0.1:${port}/files/`,
      headers: {},
      clean: () => removeFiles(uploads),
      stop,
    }
  },
}

/**
 * `go install`, and where that does not do it the same in two steps: some module proxies refuse to
 * be asked for a package's path before they are asked for its module's, and `go install` asks so.
 */
async function install(go: string, folder: string): Promise<void> {
  const bin = path.join(folder, 'bin')
  const program = `${MODULE}/cmd/tusd`
  try {
    await runToEnd(go, ['install', `${program}@${VERSION}`], { env: { GOBIN: bin } })
  } catch {
    await writeFile(path.join(folder, 'go.mod'), 'module bench\n')
    await runToEnd(go, ['get', `${MODULE}@${VERSION}`], { cwd: folder })
    const args = ['build', '-mod=mod', '-o', path.join(bin, 'tusd'), program]
    await runToEnd(go, args, { cwd: folder })
  }
}
