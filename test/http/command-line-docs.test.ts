import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

let server: TestServer
let folder: string
let blocks: string[]

beforeAll(async () => {
  server = await startServer()
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-commands-'))
  await mkdir(path.join(folder, 'documents'))
  await writeFile(path.join(folder, 'holiday.jpg'), new Uint8Array([0xff, 0xd8, 0xff, 0xe0]))
  await writeFile(path.join(folder, 'documents/report.txt'), 'as promised')
  const page = await readFile(path.join(root, 'docs/command-line.md'), 'utf8')
  blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text)
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

/** Runs a block of docs/command-line.md in a shell where `landfall` is the compiled program. */
async function run(block: string): Promise<string> {
  const program = path.join(inject('compiled'), 'src/cli.js')
  const script = `landfall() { '${process.execPath}' '${program}' "$@"; }\n${block}`
  const { stdout } = await promisify(execFile)('sh', ['-euc', script], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      DATA_DIR: path.join(folder, 'data'),
      LANDFALL_URL: server.url,
      LANDFALL_TOKEN: ADMIN_KEY,
    },
  })
  return stdout
}

it('every block of docs/command-line.md does what is said of it', async () => {
  const [upload = '', files = '', doctor = ''] = blocks
  expect(blocks).toHaveLength(3)
  expect((await run(upload)).trim().split('\n').sort()).toEqual([
    expect.stringMatching(/^http:.*\/media\/.*\/(?:holiday\.jpg|report\.txt)$/),
    expect.stringMatching(/^http:.*\/media\/.*\/(?:holiday\.jpg|report\.txt)$/),
  ])
  expect(await run(files)).toMatch(/^ID +TYPE/)
  expect(await run(doctor)).toMatch(/^ok {4}node: /)
})
