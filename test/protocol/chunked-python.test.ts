import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeRandomFile } from '../support/big-file.ts'
import { chunkedClient } from '../support/chunked.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { findPython } from '../support/python.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

const python = await findPython('python-requests', ['requests'])
const script = path.join(root, 'examples/python-requests/upload.py')
const SIZE = 200_000_000

let server: TestServer
let proxy: CuttableProxy
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-python-'))
  proxy = await startProxy()
  server = await startServer({ env: { PUBLIC_URL: proxy.url } })
  proxy.pointTo(server.url)
})
afterAll(async () => {
  await proxy.close()
  await server.close()
  await rm(folder, { recursive: true, force: true })
  await python?.remove()
})

function upload(program: string, file: string, authorization: string): ChildProcess {
  return spawn(program, [script, file], {
    env: {
      PATH: process.env.PATH ?? '',
      LANDFALL_URL: proxy.url,
      LANDFALL_TOKEN: authorization.replace('Token ', ''),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function outcome(child: ChildProcess): Promise<{ code: number; out: string; err: string }> {
  if (child.stdout === null || child.stderr === null) throw new Error('no pipes')
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ])
  return { code, out, err }
}

describe.skipIf(python === undefined)('examples/python-requests', () => {
  it('sends 200 MB in 5 MB chunks, is killed, and goes on', { timeout: 120_000 }, async () => {
    const { authorization } = await server.accounts.add('user')
    const client = chunkedClient(server.url, authorization)
    const file = path.join(folder, 'big.bin')
    const sha256 = await writeRandomFile(file, SIZE)
    const program = python?.program ?? ''

    const killed = upload(program, file, authorization)
    await proxy.passed(83_000_000)
    killed.kill('SIGKILL')
    await once(killed, 'close')
    const [open] = await client.list()
    expect(open?.offset).toBeGreaterThanOrEqual(75_000_000)
    expect(open?.offset).toBeLessThan(SIZE)
    expect((open?.offset ?? 0) % 5_000_000).toBe(0)

    const resumed = upload(program, file, authorization)
    const done = outcome(resumed)
    // One more interruption, which the client itself gets over.
    await proxy.passed(140_000_000)
    proxy.cut()
    const { code, out, err } = await done
    expect({ code, err: err.split('\n')[0] }).toEqual({
      code: 0,
      err: expect.stringMatching(/^going on at \d+$/),
    })
    const uploads = await client.list()
    expect(uploads).toMatchObject([{ id: open?.id, status: 2, offset: SIZE, filename: 'big.bin' }])
    expect(out.trim()).toBe(uploads[0]?.file)
    const hash = createHash('sha256')
    for await (const bytes of (await fetch(out.trim())).body ?? []) hash.update(bytes)
    expect(hash.digest('hex')).toBe(sha256)
    expect(await readdir(folder)).toEqual(['big.bin'])
  })
})
