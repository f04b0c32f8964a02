import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrivedFiles } from '../support/arrived.ts'
import { writeRandomFile } from '../support/big-file.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

const script = path.join(root, 'examples/node/upload.mjs')
const SIZE = 60_000_000

let server: TestServer
let proxy: CuttableProxy
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-node-'))
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  proxy = await startProxy()
  server = await startServer({ env: { PUBLIC_URL: proxy.url } })
  proxy.pointTo(server.url)
})
afterAll(async () => {
  await proxy.close()
  await server.close()
  await rm(folder, { recursive: true, force: true })
})

function upload(files: string[]) {
  return spawn(process.execPath, [script, ...files], {
    env: {
      PATH: process.env.PATH ?? '',
      LANDFALL_URL: proxy.url,
      LANDFALL_TOKEN: ADMIN_KEY,
      NOTES: path.join(folder, 'notes.json'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

describe('examples/node', () => {
  it('sends two files, is killed in the first, and goes on with it', async () => {
    const [large, small] = [path.join(folder, 'large.bin'), path.join(folder, 'small.bin')]
    const digests = [await writeRandomFile(large, SIZE), await writeRandomFile(small, 1000)]

    const killed = upload([large, small])
    await proxy.passed(SIZE / 2)
    killed.kill('SIGKILL')
    await once(killed, 'close')
    expect(await arrivedFiles(server)).toEqual([])

    const resumed = upload([large, small])
    // One more interruption, which the client itself gets over.
    proxy.passed(0.8 * SIZE).then(() => proxy.cut())
    const ended = once(resumed, 'close')
    const [out, err] = await Promise.all([text(resumed.stdout), text(resumed.stderr)])
    expect([await ended, err]).toEqual([[0, null], `${large}: going on\n`])
    expect(await arrivedFiles(server)).toEqual([
      { name: 'large.bin', size: SIZE, sha256: digests[0] },
      { name: 'small.bin', size: 1000, sha256: digests[1] },
    ])
    expect(out.trim().split('\n')).toHaveLength(2)
    expect(JSON.parse(await readFile(path.join(folder, 'notes.json'), 'utf8'))).toEqual({})
    const created = server.logged.filter(
      ({ path, method, status }) => path === '/files/' && method === 'POST' && status === 201,
    )
    expect(created).toHaveLength(2)
  })

  it('says what was refused, goes on with the next, and ends with 1', async () => {
    const small = path.join(folder, 'next.bin')
    await writeRandomFile(small, 10)
    const child = upload([path.join(folder, 'absent.bin'), small])
    const ended = once(child, 'close')
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    expect([await ended, err]).toEqual([[1, null], expect.stringContaining('ENOENT')])
    expect(out).toMatch(/^http\S+next\.bin\n$/)
  })
})
