import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrivedFiles } from '../support/arrived.ts'
import { findProgram } from '../support/programs.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

const run = promisify(execFile)
const script = path.join(root, 'examples/curl/upload.sh')
const programs = ['curl', 'openssl'].map((name) =>
  findProgram(name, { for: 'examples/curl', from: `apt-get install ${name}` }),
)

const DOORS = ['tus', 'tus-at-once', 'resumable-http', 'chunked', 'session', 'form']

describe.skipIf(programs.includes(undefined))('examples/curl', () => {
  let server: TestServer
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-curl-'))
    server = await startServer()
  })
  afterAll(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  const upload = (file: string, authorization: string) =>
    run('sh', [script, file], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        TMPDIR: folder,
        LANDFALL_URL: server.url,
        LANDFALL_TOKEN: authorization.replace('Token ', ''),
      },
    })

  it('stores a file six times, once through each door, with the right bytes', async () => {
    const { authorization } = await server.accounts.add('staff')
    const name = 'a report (2).pdf'
    const bytes = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(300_001)])
    await writeFile(path.join(folder, name), bytes)

    const { stdout, stderr } = await upload(name, authorization)
    expect(stderr).toBe('')
    const lines = stdout.trim().split('\n')
    expect(lines.map((line) => line.split(' ')[0])).toEqual(DOORS)
    for (const line of lines) {
      const answer = await fetch(line.slice(line.indexOf(' ') + 1))
      expect([line, Buffer.from(await answer.arrayBuffer()).equals(bytes)]).toEqual([line, true])
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const expected = { name, size: bytes.length, sha256 }
    expect(await arrivedFiles(server)).toEqual(DOORS.map(() => expected))
    // Nothing is left of its work.
    expect(await readdir(folder)).toEqual([name])
  })

  it('ends with what the server said when it is refused', async () => {
    await writeFile(path.join(folder, 'b.pdf'), '%PDF-1.7\n')
    const refused = upload('b.pdf', 'Token lf_nobody-has-this-token')
    await expect(refused).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('oken'),
    })
  })
})
