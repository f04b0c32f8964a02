import { once } from 'node:events'
import { truncateSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Upload } from 'tus-js-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { run } from '../../src/commands/program.ts'
import { collectFiles } from '../../src/commands/upload-files.ts'
import { uploadOne } from '../../src/commands/upload-one.ts'
import { openUploadState } from '../../src/commands/upload-state.ts'
import { contentOf } from '../support/content.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

const MIB = 1024 * 1024

/** What stands before the server: it is asked at this URL. */
interface Front {
  url: string
  close(): void
}

let server: TestServer
let folder: string
let memory: string
const fronts = new Set<Front>()

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-trust-'))
  memory = await mkdtemp(path.join(tmpdir(), 'landfall-memory-'))
})
afterEach(async () => {
  for (const each of fronts) each.close()
  fronts.clear()
  for (const each of [folder, memory]) await rm(each, { recursive: true, force: true })
})

async function listen(
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Front> {
  const listener = createServer(onRequest).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const front = {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    close() {
      listener.closeAllConnections()
      listener.close()
    },
  }
  fronts.add(front)
  return front
}

/** Passes a request on; `Location` is as `locate` would have it. */
function pass(
  request: IncomingMessage,
  response: ServerResponse,
  locate = (location: string) => location,
): void {
  const { headers, method, url = '' } = request
  const upstream = httpRequest(server.url + url, { headers, method }, (answer) => {
    const { location } = answer.headers
    response.writeHead(answer.statusCode ?? 0, {
      ...answer.headers,
      ...(location !== undefined && { location: locate(location) }),
    })
    answer.pipe(response)
  })
  upstream.on('error', () => response.destroy())
  request.on('error', () => upstream.destroy())
  request.pipe(upstream)
}

async function landfall(args: string[], url = server.url) {
  const [stdout, stderr]: [string[], string[]] = [[], []]
  const code = await run(args, {
    env: { LANDFALL_URL: url, LANDFALL_TOKEN: ADMIN_KEY, XDG_STATE_HOME: memory },
    output: { result: (line) => stdout.push(line), note: (line) => stderr.push(line) },
    terminal: false,
  })
  return { code, stdout, stderr }
}

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(folder, name)
  await writeFile(file, content)
  return file
}

/** The URLs that are kept of uploads that were begun. */
async function keptUrls(): Promise<string[]> {
  const kept = path.join(memory, 'landfall/uploads')
  const texts = (await readdir(kept)).map((name) => readFile(path.join(kept, name), 'utf8'))
  return (await Promise.all(texts)).map((text) => JSON.parse(text).uploadUrl)
}

const recordsOf = async (search: string) =>
  (await createClient({ url: server.url, token: ADMIN_KEY }).files.list({ search })).results

/** Somewhere that no token is meant for. */
async function stranger() {
  const asked: string[] = []
  const { url } = await listen((request, response) => {
    asked.push(`${request.method} ${request.headers.authorization}`)
    response.writeHead(204, { 'Tus-Resumable': '1.0.0' }).end()
  })
  return { url, asked }
}

describe('the token goes to no other address than the one that was given', () => {
  it('where the server calls itself by another, in what is sent and in what is kept', async () => {
    const { url: elsewhere, asked } = await stranger()
    let refuses = true
    const front = await listen((request, response) => {
      if (request.method === 'PATCH' && refuses) return void response.writeHead(403).end('no')
      pass(request, response, (location) => elsewhere + new URL(location).pathname)
    })
    const file = await fileOf('named.txt', 'a name of its own')
    expect((await landfall(['upload', file], front.url)).code).toBe(1)
    expect(await keptUrls()).toEqual([expect.stringMatching(`^${front.url}/files/[^/]+$`)])
    refuses = false
    const { code } = await landfall(['upload', file], front.url)
    expect([code, asked]).toEqual([0, []])
    expect(await recordsOf('named.txt')).toHaveLength(1)
  })

  it('where the URL that was kept is of another', async () => {
    const { url: elsewhere, asked } = await stranger()
    const file = await fileOf('kept.txt', 'kept')
    const begun = await fetch(`${server.url}/files/`, {
      method: 'POST',
      headers: {
        'Tus-Resumable': '1.0.0',
        'Upload-Length': '4',
        'Upload-Metadata': `filename ${Buffer.from('kept.txt').toString('base64')}`,
        Authorization: server.admin,
      },
    })
    const { pathname } = new URL(begun.headers.get('location') ?? '')
    const [found] = await collectFiles([file], () => {})
    if (found === undefined) throw new Error('there is no file')
    const state = openUploadState(path.join(memory, 'landfall/uploads'), server.url)
    state.keep(found, elsewhere + pathname)
    const { code, stdout } = await landfall(['upload', file, '--json'])
    expect([code, asked]).toEqual([0, []])
    expect(JSON.parse(stdout.join(''))[0].upload).toBe(server.url + pathname)
  })
})

describe('a file that changes while it is sent', () => {
  const SIZE = 24 * MIB

  it('is not said to be done, and the upload is named', async () => {
    const file = await fileOf('edited.bin', contentOf(1, 0, SIZE))
    const front = await listen((request, response) => {
      if (request.method === 'PATCH')
        request.once('data', () => writeFileSync(file, contentOf(2, 0, SIZE)))
      pass(request, response)
    })
    const { code, stdout, stderr } = await landfall(['upload', file], front.url)
    expect([code, stdout]).toEqual([1, []])
    const line = stderr.find((each) => each.includes('failed: changed while it was sent'))
    const [url = ''] = /http:\S+$/.exec(line ?? '') ?? []
    expect(url).toMatch(`${front.url}/files/`)
    const headers = { 'Tus-Resumable': '1.0.0', Authorization: server.admin }
    expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204)
    expect(await recordsOf('edited.bin')).toEqual([])
    expect(await keptUrls()).toEqual([])
    expect((await landfall(['upload', file])).code).toBe(0)
  })

  it('is given up where it has become shorter', async () => {
    const file = await fileOf('shorter.bin', contentOf(3, 0, SIZE))
    const methods: string[] = []
    const front = await listen((request, response) => {
      methods.push(request.method ?? '')
      if (request.method === 'PATCH') request.once('data', () => truncateSync(file, MIB))
      pass(request, response)
    })
    const [found] = await collectFiles([file], () => {})
    if (found === undefined) throw new Error('there is no file')
    const sent = uploadOne(
      {
        Upload,
        address: { url: front.url, token: ADMIN_KEY },
        state: openUploadState(memory, front.url),
        signal: new AbortController().signal,
        ...{ name: undefined, description: undefined, silenceMs: 500 },
      },
      found,
      () => {},
    )
    await expect(sent).rejects.toThrow(/^changed while it was sent; .*\/files\//)
    expect(methods.filter((method) => method === 'PATCH')).toHaveLength(1)
  })
})

describe('an upload that was begun with another name or description', () => {
  it.each([
    ['--name', 'Second.txt', 'name'],
    ['--description', 'of June', 'description'],
  ] as const)('is not gone on with: %s', async (option, value, field) => {
    const file = await fileOf('first.txt', `with ${field}`)
    let refuses = true
    const front = await listen((request, response) => {
      if (request.method === 'PATCH' && refuses) return void response.writeHead(403).end('no')
      pass(request, response)
    })
    expect((await landfall(['upload', file], front.url)).code).toBe(1)
    refuses = false
    const { code, stdout } = await landfall(['upload', file, option, value, '--json'], front.url)
    expect(code).toBe(0)
    const client = createClient({ url: server.url, token: ADMIN_KEY })
    expect(await client.files.get(JSON.parse(stdout.join(''))[0].id)).toMatchObject({
      [field]: value,
    })
  })
})

describe('what others wrote is shown without what moves the cursor', () => {
  const ESC = '\u001b'
  const bad = new RegExp(`[${ESC}\\u009b]`)

  it('names of files, which fake no line either', async () => {
    await mkdir(path.join(folder, 'tree'))
    await fileOf('tree/a.txt', 'a')
    await symlink('/etc', path.join(folder, 'tree', `l${ESC}[2J`))
    const skipped = await landfall(['upload', path.join(folder, 'tree')])
    expect(skipped.stderr.join('\n')).toMatch(/l\ufffd\[2J: a link, not followed/)
    const missing = await landfall(['upload', path.join(folder, `no${ESC}[2J\nlandfall: done`)])
    expect(missing.stderr.join('\n')).toMatch(
      /^landfall: .*no\ufffd\[2J\ufffdlandfall: done: there/,
    )
    for (const line of [...skipped.stderr, ...missing.stderr]) expect(line).not.toMatch(bad)
  })

  it('words and URLs of a server', async () => {
    const front = await listen((request, response) => {
      if (request.method === 'GET') {
        const type = { 'Content-Type': 'application/json' }
        return void response.writeHead(403, type).end(JSON.stringify({ detail: `${ESC}[2J no` }))
      }
      response.writeHead(403).end(`${ESC}[2J no`)
    })
    const file = await fileOf('words.txt', 'words')
    const upload = await landfall(['upload', file], front.url)
    expect(upload.stderr.join('\n')).toMatch(/words\.txt: failed: \ufffd\[2J no/)
    const files = await landfall(['files'], front.url)
    expect(files.stderr).toEqual(['landfall: \ufffd[2J no (403)'])

    const naming = await listen((request, response) => {
      request.resume()
      response.writeHead(201, {
        'Tus-Resumable': '1.0.0',
        Location: '/files/1',
        'Landfall-Media-Url': 'http://x/\u009b2J',
      })
      response.end()
    })
    const empty = await fileOf('empty.txt', '')
    const { stdout } = await landfall(['upload', empty], naming.url)
    expect(stdout).toEqual(['http://x/\ufffd2J'])
  })
})
