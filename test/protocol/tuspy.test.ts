import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { desc, eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { uploads } from '../../src/db/schema.ts'
import { writeRandomFile } from '../support/big-file.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { findPython } from '../support/python.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

const python = await findPython('tuspy', ['tusclient', 'tinydb'])
const script = path.join(root, 'examples/tuspy/upload.py')
const CHUNK = 5_000_000
const SIZE = 32_000_000

let server: TestServer
let proxy: CuttableProxy
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-tuspy-'))
  proxy = await startProxy()
  server = await startServer()
  proxy.pointTo(server.url)
})
afterAll(async () => {
  await proxy.close()
  await server.close()
  await rm(folder, { recursive: true, force: true })
  await python?.remove()
})

function upload(url: string, file: string, authorization: string): ChildProcess {
  return spawn(python?.program ?? '', [script, file], {
    env: {
      PATH: process.env.PATH ?? '',
      LANDFALL_URL: url,
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
  return { code, out: out.trim(), err }
}

async function uploadsOf(userId: number) {
  const { db } = server.database
  return db
    .select()
    .from(uploads)
    .where(eq(uploads.ownerId, userId))
    .orderBy(desc(uploads.createdAt))
}

async function sha256Of(url: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of (await fetch(url)).body ?? []) hash.update(bytes)
  return hash.digest('hex')
}

/** A network that passes everything on and turns one byte, `at` bytes after the first. */
async function startFlipping(target: string, at: number): Promise<{ url: string; net: Server }> {
  const { hostname, port } = new URL(target)
  let passed = 0
  const net = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    upstream.pipe(client)
    client.on('end', () => upstream.end())
    client.on('data', (chunk: Buffer) => {
      const place = at - passed
      passed += chunk.length
      if (place >= 0 && place < chunk.length) chunk[place] = (chunk[place] ?? 0) ^ 1
      upstream.write(chunk)
    })
  })
  net.listen(0, '127.0.0.1')
  await once(net, 'listening')
  const address = net.address()
  if (address === null || typeof address === 'string') throw new Error('the network has no port')
  return { url: `http://127.0.0.1:${address.port}`, net }
}

describe.skipIf(python === undefined)('examples/tuspy', () => {
  it('sends chunks with checksums, is killed, and goes on', { timeout: 60_000 }, async () => {
    const { authorization, id } = await server.accounts.add('user')
    const file = path.join(folder, 'big.bin')
    const sha256 = await writeRandomFile(file, SIZE)

    const killed = upload(proxy.url, file, authorization)
    await proxy.passed(proxy.total() + 12_500_000)
    killed.kill('SIGKILL')
    await once(killed, 'close')
    const [open] = await uploadsOf(id)
    // All of a chunk or nothing: that is what a checksum means.
    expect((open?.offset ?? 1) % CHUNK).toBe(0)

    const done = outcome(upload(proxy.url, file, authorization))
    await proxy.passed(proxy.total() + 8_000_000)
    proxy.cut()
    const { code, out, err } = await done
    expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/^going on at \d+\n$/) })
    expect(await uploadsOf(id)).toMatchObject([{ id: open?.id, state: 'promoted', offset: SIZE }])
    expect(await sha256Of(out)).toBe(sha256)
    expect(await readdir(folder)).toEqual(['big.bin'])
  })

  it('sends a chunk again of which a byte was flipped on the way', {
    timeout: 60_000,
  }, async () => {
    const { authorization } = await server.accounts.add('user')
    const file = path.join(folder, 'big.bin')
    const sha256 = await writeRandomFile(file, SIZE)
    const { url, net } = await startFlipping(server.url, 7_000_000)
    const before = server.logged.filter(({ status }) => status === 460).length
    const { code, out } = await outcome(upload(url, file, authorization))
    expect(code).toBe(0)
    expect(await sha256Of(out)).toBe(sha256)
    net.close()
    expect(server.logged.filter(({ status }) => status === 460).length).toBe(before + 1)
  })
})
