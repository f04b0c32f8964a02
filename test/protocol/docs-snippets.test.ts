import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrivedFiles } from '../support/arrived.ts'
import { digest } from '../support/chunked.ts'
import { findProgram } from '../support/programs.ts'
import { blocksOf } from '../support/readme.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

const run = promisify(execFile)
const curl = findProgram('curl', {
  for: 'the blocks of docs/chunked.md, docs/upload-sessions.md and docs/media-access.md',
  from: 'apt-get install -y curl',
})

describe.skipIf(curl === undefined)('blocks of the pages about doors', () => {
  let server: TestServer
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-snippets-'))
    server = await startServer({ env: { MEDIA_ACCESS: 'signed' } })
  })
  afterAll(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** The only sh block of a page that has `mark` in it. */
  async function block(page: string, mark: string): Promise<string> {
    const found = (await blocksOf(page)).filter(
      ({ language, text }) => language === 'sh' && text.includes(mark),
    )
    expect(found).toHaveLength(1)
    return found[0]?.text ?? ''
  }

  async function sh(script: string): Promise<string> {
    const env = { PATH: process.env.PATH, LANDFALL_URL: server.url, LANDFALL_TOKEN: ADMIN_KEY }
    return (await run('sh', ['-euc', script], { cwd: folder, env })).stdout
  }

  const write = (name: string, bytes: Uint8Array) => writeFile(path.join(folder, name), bytes)

  it('docs/chunked.md: a file in two chunks and its digest', async () => {
    const bytes = randomBytes(20_000)
    await write('first-10000-bytes', bytes.subarray(0, 10_000))
    await write('next-10000-bytes', bytes.subarray(10_000))
    const text = await block('docs/chunked.md', 'Content-Range')
    const [, md5 = ''] = /md5=(\w{32})/.exec(text) ?? []
    // Between the requests a reader takes the URL from the first answer.
    const [first = '', ...rest] = text.split(/(?<=first-10000-bytes\n)/)
    const begun = JSON.parse(await sh(first)) as { url: string }
    const said = await sh(`URL=${begun.url}\n${rest.join('').replace(md5, digest(bytes))}`)
    expect(said).toContain('"status":2')
    expect(await arrivedFiles(server)).toMatchObject([{ name: 'a.bin', size: 20_000 }])
  })

  it('docs/upload-sessions.md: a session with a file, submitted', async () => {
    const black = sharp({ create: { width: 9, height: 7, channels: 3, background: '#000' } })
    await write('holiday.jpg', await black.jpeg().toBuffer())
    const said = await sh(await block('docs/upload-sessions.md', 'upload-session'))
    expect(said).toContain('"accepted":true')
    expect(said).toMatch(/"status":"stored","files":\[\{"name":"holiday.jpg"/)
  })

  it('docs/media-access.md: a link to a file, which opens it', async () => {
    const list = await fetch(`${server.url}/api/media/files?search=holiday`, {
      headers: { Authorization: server.admin },
    })
    const { results } = (await list.json()) as { results: { id: number }[] }
    const text = await block('docs/media-access.md', '/links')
    const said = await sh(text.replace('/17/', `/${results[0]?.id}/`))
    const { url } = JSON.parse(said) as { url: string }
    const answer = await fetch(url)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/jpeg'])
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment/)
  })
})
