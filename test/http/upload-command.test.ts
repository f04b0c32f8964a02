import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Upload } from 'tus-js-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { createClient, type MediaFile } from '../../src/client/client.ts'
import { run } from '../../src/commands/program.ts'
import { collectFiles } from '../../src/commands/upload-files.ts'
import { uploadOne } from '../../src/commands/upload-one.ts'
import { openUploadState } from '../../src/commands/upload-state.ts'
import { contentDigest, contentOf } from '../support/content.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

const MIB = 1024 * 1024
const SIZE = 24 * MIB

let server: TestServer
let proxy: CuttableProxy
/** One folder for each test, and one for what its commands remember. */
let folder: string
let memory: string
const running = new Set<ChildProcess>()

beforeAll(async () => {
  server = await startServer({ env: { MEDIA_DIGEST: 'sha256' } })
})
afterAll(() => server.close())
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-upload-'))
  memory = await mkdtemp(path.join(tmpdir(), 'landfall-memory-'))
  proxy = await startProxy()
  proxy.pointTo(server.url)
})
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL')
  await proxy.close()
  for (const each of [folder, memory]) await rm(each, { recursive: true, force: true })
})

const env = () => ({
  LANDFALL_URL: proxy.url,
  LANDFALL_TOKEN: ADMIN_KEY,
  XDG_STATE_HOME: memory,
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** The command as a process of its own. */
function start(args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const program = path.join(inject('compiled'), 'src/cli.js')
  const child = spawn(process.execPath, [program, 'upload', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const written = { stdout: '', stderr: '' }
  child.stdout?.on('data', (text) => {
    written.stdout += text
  })
  child.stderr?.on('data', (text) => {
    written.stderr += text
  })
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child)
    return { code: code as number | null, ...written }
  })
  return { child, ended }
}

/** The same in this process. */
async function here(args: string[], more: Record<string, string> = {}) {
  const written = { stdout: [] as string[], stderr: [] as string[] }
  const code = await run(['upload', ...args], {
    env: { ...env(), ...more },
    output: {
      result: (line) => written.stdout.push(line),
      note: (line) => written.stderr.push(line),
    },
    terminal: false,
  })
  return { code, ...written }
}

async function bigFile(name: string, seed: number): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, contentOf(seed, 0, SIZE))
  return file
}

/** The URL that is kept of the one upload that was begun. */
async function keptUrl(): Promise<string> {
  const kept = path.join(memory, 'landfall/uploads')
  const [name = ''] = await readdir(kept)
  return JSON.parse(await readFile(path.join(kept, name), 'utf8')).uploadUrl
}

async function recordsOf(search: string): Promise<MediaFile[]> {
  const client = createClient({ url: server.url, token: ADMIN_KEY })
  return (await client.files.list({ search, ordering: 'id' })).results
}

describe('an upload that is interrupted', () => {
  it('goes on when the command is run again after it was killed', async () => {
    await bigFile('killed.bin', 1)
    const first = start(['killed.bin'])
    await proxy.passed(8 * MIB)
    proxy.down()
    first.child.kill('SIGKILL')
    await first.ended
    proxy.up()
    const before = proxy.total()
    const second = await start(['killed.bin', '--json']).ended
    expect([second.code, second.stderr]).toEqual([0, expect.stringContaining('went on from')])
    const [outcome] = JSON.parse(second.stdout) as { id: number; resumed_from: number }[]
    expect(outcome?.resumed_from).toBeGreaterThan(0)
    expect(proxy.total() - before).toBeLessThan(SIZE)
    const records = await recordsOf('killed.bin')
    expect(records).toMatchObject([
      { id: outcome?.id, size: SIZE, digest: `sha256:${contentDigest(1, SIZE)}` },
    ])
  })

  it('goes on when it was stopped by hand, and says so', async () => {
    await bigFile('stopped.bin', 2)
    const first = start(['stopped.bin'])
    await proxy.passed(4 * MIB)
    proxy.down()
    first.child.kill('SIGINT')
    const { code, stdout, stderr } = await first.ended
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('Stopped. Run the same command again, and it goes on.')
    proxy.up()
    const second = await start(['stopped.bin', '--json']).ended
    expect(second.code).toBe(0)
    expect(JSON.parse(second.stdout)[0].resumed_from).toBeGreaterThan(0)
    expect(await recordsOf('stopped.bin')).toHaveLength(1)
  })

  it('goes on by itself after the network was cut', async () => {
    await bigFile('cut.bin', 3)
    const { ended } = start(['cut.bin'])
    for (const passed of [4, 10]) {
      await proxy.passed(passed * MIB)
      proxy.cut()
    }
    const { code, stdout } = await ended
    const [record] = await recordsOf('cut.bin')
    expect([code, stdout]).toEqual([0, `${record?.f.replace(server.url, proxy.url)}\n`])
    expect(record?.digest).toBe(`sha256:${contentDigest(3, SIZE)}`)
  })

  it('takes up the rest of many files, and none twice', async () => {
    await mkdir(path.join(folder, 'batch'))
    for (const name of ['1.txt', '2.txt', '3.txt'])
      await writeFile(path.join(folder, 'batch', name), `batch ${name}`)
    await bigFile('batch/4.bin', 4)
    const first = start(['batch', '--parallel', '1'])
    await proxy.passed(4 * MIB)
    proxy.down()
    first.child.kill('SIGKILL')
    await first.ended
    proxy.up()
    const second = await start(['batch', '--parallel', '1']).ended
    expect([second.code, second.stdout.trim().split('\n')]).toEqual([
      0,
      [1, 2, 3, 4].map(() => expect.stringMatching(/^http:.*\/media\//)),
    ])
    const { count } = await createClient({ url: server.url, token: ADMIN_KEY }).files.list({
      id_min: (await recordsOf('1.txt')).at(-1)?.id ?? 0,
    })
    expect(count).toBe(4)
    expect(await readdir(path.join(memory, 'landfall/uploads'))).toEqual([])
  })

  it('begins anew where the server does not know it any more, or the file has changed', async () => {
    const file = await bigFile('anew.bin', 5)
    const begin = async () => {
      const { child, ended } = start(['anew.bin'])
      await proxy.passed(proxy.total() + 4 * MIB)
      proxy.down()
      child.kill('SIGKILL')
      await ended
      proxy.up()
    }
    await begin()
    await fetch(await keptUrl(), {
      method: 'DELETE',
      headers: { 'Tus-Resumable': '1.0.0', Authorization: server.admin },
    })
    await begin()
    await writeFile(file, 'something else')
    const { code, stdout } = await here([file, '--json'])
    expect([code, JSON.parse(stdout.join(''))[0].resumed_from]).toEqual([0, 0])
    expect(await recordsOf('anew.bin')).toMatchObject([{ size: 14 }])
  })

  it('is not begun anew for a proxy that fails for a moment', async () => {
    const file = await bigFile('proxied.bin', 6)
    const methods: string[] = []
    const failing = createServer((request, response) => {
      methods.push(request.method ?? '')
      const isFirst = (method: string) => methods.filter((each) => each === method).length === 1
      if (request.method === 'HEAD' && isFirst('HEAD')) return void response.writeHead(502).end()
      const { headers, method, url: path } = request
      const upstream = httpRequest(server.url + path, { headers, method }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(response)
      })
      upstream.on('error', () => response.destroy())
      request.pipe(upstream)
      // The first body is cut in its middle.
      if (method !== 'PATCH' || !isFirst('PATCH')) return
      let passed = 0
      request.on('data', ({ length }: Buffer) => {
        passed += length
        if (passed > 4 * MIB) request.socket.destroy()
      })
    }).listen(0, '127.0.0.1')
    await once(failing, 'listening')
    const { port } = failing.address() as AddressInfo
    const { code } = await here([file, '--url', `http://127.0.0.1:${port}`])
    failing.closeAllConnections()
    failing.close()
    expect([code, methods]).toEqual([0, ['POST', 'PATCH', 'HEAD', 'HEAD', 'PATCH']])
    expect(await recordsOf('proxied.bin')).toHaveLength(1)
  })

  it('goes on by itself after a connection that has died without a word', async () => {
    const file = await bigFile('silent.bin', 8)
    const { port, hostname } = new URL(server.url)
    let connections = 0
    const dying = createNetServer((client) => {
      connections += 1
      const dies = connections === 1
      const upstream = connect(Number(port), hostname)
      let passed = 0
      for (const socket of [client, upstream]) socket.on('error', () => {})
      client.on('close', () => upstream.destroy())
      upstream.on('close', () => client.destroy())
      upstream.pipe(client)
      client.on('data', (chunk) => {
        passed += chunk.length
        // From here on nothing is passed on, and nothing is closed.
        if (dies && passed > 4 * MIB) return void client.pause()
        if (!upstream.write(chunk)) client.pause()
      })
      upstream.on('drain', () => void (dies && passed > 4 * MIB ? null : client.resume()))
    }).listen(0, '127.0.0.1')
    await once(dying, 'listening')
    const url = `http://127.0.0.1:${(dying.address() as AddressInfo).port}`
    const [found] = await collectFiles([file], () => {})
    if (found === undefined) throw new Error('there is no file')
    const { id } = await uploadOne(
      {
        Upload,
        address: { url, token: ADMIN_KEY },
        state: openUploadState(memory, url),
        signal: new AbortController().signal,
        ...{ name: undefined, description: undefined, silenceMs: 2_000 },
      },
      found,
      () => {},
    )
    dying.close()
    expect(connections).toBeGreaterThan(1)
    expect(await recordsOf('silent.bin')).toMatchObject([
      { id, digest: `sha256:${contentDigest(8, SIZE)}` },
    ])
  })

  it('is uploaded again where its record was removed, and where it succeeded', async () => {
    const file = path.join(folder, 'again.txt')
    await writeFile(file, 'again and again')
    await utimes(file, 1000, 1000)
    expect((await here([file])).code).toBe(0)
    expect((await here([file])).code).toBe(0)
    expect(await recordsOf('again.txt')).toHaveLength(2)
  })
})

describe('landfall upload', () => {
  it('takes folders with everything in them, keeps their paths, and follows no links', async () => {
    await mkdir(path.join(folder, 'tree/day 1'), { recursive: true })
    await writeFile(path.join(folder, 'tree/a.txt'), 'a of the tree')
    await writeFile(path.join(folder, 'tree/day 1/ü.txt'), 'b of the tree')
    await writeFile(path.join(folder, 'tree/empty.txt'), '')
    await symlink('/etc', path.join(folder, 'tree/link'))
    const { code, stdout, stderr } = await here([path.join(folder, 'tree'), '--json'])
    expect(code).toBe(0)
    expect(stderr.join('\n')).toMatch(/tree\/link: a link, not followed/)
    expect(stderr.at(-1)).toMatch(/^3 of 3 files uploaded, 26 bytes sent in 0:0\d$/)
    const outcomes = JSON.parse(stdout.join('')) as Record<string, string | number>[]
    const paths = await Promise.all(
      outcomes.map(async ({ upload }) => {
        const headers = { 'Tus-Resumable': '1.0.0', Authorization: server.admin }
        const { headers: of } = await fetch(String(upload), { method: 'HEAD', headers })
        const [, encoded = ''] =
          /relativePath (\S+?)(?:,|$)/.exec(of.get('upload-metadata') ?? '') ?? []
        return Buffer.from(encoded, 'base64').toString()
      }),
    )
    expect(paths).toEqual(['tree/a.txt', 'tree/day 1/ü.txt', 'tree/empty.txt'])
    const record = await fetch(String(outcomes[1]?.record), {
      headers: { Authorization: server.admin },
    })
    expect(await record.json()).toMatchObject({ id: outcomes[1]?.id, name: 'ü.txt', size: 13 })
  })

  it('gives the one file a name, and every file a description', async () => {
    const file = path.join(folder, 'x.txt')
    await writeFile(file, 'named')
    expect((await here([file, '--name', 'Report.txt', '--description', 'of May'])).code).toBe(0)
    expect(await recordsOf('Report.txt')).toMatchObject([{ description: 'of May' }])
    await writeFile(path.join(folder, 'y.txt'), 'other')
    const two = await here([file, path.join(folder, 'y.txt'), '--name', 'Report.txt'])
    expect([two.code, two.stdout]).toEqual([2, []])
  })

  it('names all that is missing before it sends anything', async () => {
    const file = path.join(folder, 'there.txt')
    await writeFile(file, 'there')
    const { code, stderr } = await here([file, path.join(folder, 'no'), path.join(folder, 'never')])
    expect(code).toBe(1)
    expect(stderr.join('\n')).toMatch(/no: there is no such file\n.*never: there is no such file/s)
    expect(await recordsOf('there.txt')).toEqual([])
  })

  it('goes on with the others where one is refused, and fails in the end', async () => {
    const choosy = await startServer({ env: { ACCEPTED_FILE_FORMATS: 'text' } })
    await writeFile(path.join(folder, '1.zip'), 'PK\u0003\u0004')
    await writeFile(path.join(folder, '2.txt'), 'text')
    const args = [folder, '--url', choosy.url, '--json', '--parallel', '1']
    const { code, stdout, stderr } = await here(args)
    await choosy.close()
    expect(code).toBe(1)
    expect(JSON.parse(stdout.join(''))).toMatchObject([
      { status: 'failed', error: 'Files of this type are not accepted here.' },
      { status: 'uploaded', resumed_from: 0 },
    ])
    expect(stderr.at(-1)).toBe('landfall: 1 failed. Run the same command again for the rest.')
  })

  it('stops at once where the token is refused', async () => {
    for (const name of ['a', 'b', 'c']) await writeFile(path.join(folder, `${name}.txt`), name)
    const before = proxy.total()
    const nobody = { LANDFALL_TOKEN: 'nobody' }
    const { code, stderr } = await here([folder, '--parallel', '1'], nobody)
    expect([code, stderr.filter((line) => line.includes('Invalid token.')).length]).toEqual([1, 1])
    expect(proxy.total() - before).toBeLessThan(2000)
  })

  it('says nothing on standard output but what became of the files', async () => {
    const help = await start(['--help']).ended
    expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('--parallel')])
    const none = await start([]).ended
    expect([none.code, none.stdout]).toEqual([2, ''])
    const wrong = await start(['x', '--parallel', '0']).ended
    expect([wrong.code, wrong.stdout]).toEqual([2, ''])
    const url = await start(['.', '--url', 'ftp://x']).ended
    expect([url.code, url.stdout]).toEqual([2, ''])
  })
})
