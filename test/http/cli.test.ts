import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { run } from '../../src/commands/program.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { keepSecret, watchedText } from '../support/secrets.ts'

const root = path.resolve(import.meta.dirname, '../..')
const ADMIN_KEY = 'the-key-of-the-operator'
keepSecret(ADMIN_KEY)

let directory: string
let server: ChildProcess
let greeting = ''
let log = ''
let url = ''

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'landfall-cli-'))
  server = landfall([], { ADMIN_TOKEN: ADMIN_KEY, DATA_DIR: directory, PORT: '0' })
  const check = watchedText()
  server.stderr?.on('data', (chunk) => {
    log += chunk
    check(String(chunk))
  })
  for await (const chunk of server.stdout ?? []) {
    greeting += chunk
    url = /serving at (http:\/\/\S+)\n/.exec(greeting)?.[1] ?? ''
    if (url !== '') break
  }
  if (url === '') throw new Error(`the server did not start: ${log}`)
})
afterAll(async () => {
  server.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

/** The command line as a process of its own, in an environment of nothing but this. */
function landfall(args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [path.join(inject('compiled'), 'src/cli.js'), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function outcome(child: ChildProcess) {
  const written = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => {
    written.stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    written.stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code: code as number, ...written }
}

/** The same in this process, against the running server. */
async function remote(args: string[], env: Record<string, string> = {}) {
  const stdout: string[] = []
  const stderr: string[] = []
  const code = await run(args, {
    env: { LANDFALL_URL: url, LANDFALL_TOKEN: ADMIN_KEY, ...env },
    output: { result: (line) => stdout.push(line), note: (line) => stderr.push(line) },
    terminal: false,
  })
  return { code, stdout: stdout.join('\n'), stderr: stderr.join('\n') }
}

describe('a process of landfall', () => {
  it.each([
    [['unknown'], 2],
    [['users', 'add', 'bob', '--role', 'boss'], 2],
    [['files', '--colour', 'red'], 2],
    [['serve', 'now'], 2],
    [['--version'], 0],
    [['users', 'list'], 78],
  ])('given %j exits with %i', async (args, code) => {
    const ended = await outcome(landfall(args))
    expect(ended.code).toBe(code)
    if (code === 0) expect(ended.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    else expect([ended.stdout, ended.stderr]).toEqual(['', expect.stringMatching(/\S/)])
  })

  it('with a bad configuration exits with 78 and names all of it', async () => {
    const env = { PORT: 'x', UPLOAD_MAXSIZE: '1', DATA_DIR: directory }
    const { code, stdout, stderr } = await outcome(landfall(['serve'], env))
    expect([code, stdout]).toEqual([78, ''])
    expect(stderr).toMatch(/UPLOAD_MAXSIZE: unknown; did you mean UPLOAD_MAX_SIZE\?\n.*PORT: "x"/s)
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  it('is refused by a data directory that a running one holds', async () => {
    const { code, stderr } = await outcome(landfall(['sweep'], { DATA_DIR: directory }))
    expect(code).toBe(1)
    expect(stderr).toContain('Another Landfall is using')
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  it('migrates and sweeps, and prints the counts alone', async () => {
    const { url: databaseUrl, drop } = await createPostgresDatabase()
    const env = { DATABASE_URL: databaseUrl, DATA_DIR: path.join(directory, 'own') }
    expect((await outcome(landfall(['migrate'], env))).code).toBe(0)
    const swept = await outcome(landfall(['sweep', '--json'], env))
    expect(swept.code).toBe(0)
    expect(Object.values(JSON.parse(swept.stdout)).every((count) => count === 0)).toBe(true)
    await drop()
  })

  it('rebuilds, and prints the sum alone', async () => {
    const { url: databaseUrl, drop } = await createPostgresDatabase()
    const env = { DATABASE_URL: databaseUrl, DATA_DIR: path.join(directory, 'own') }
    const { code, stdout, stderr } = await outcome(landfall(['rebuild', '--json'], env))
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ manifests: { found: 0, made: 0 }, failed: 0 })
    expect(stderr).toMatch(/Token of the user admin, shown this once:\n {2}lf_/)
    const dry = await outcome(landfall(['rebuild', '--dry-run'], env))
    expect([dry.code, dry.stdout, dry.stderr]).toEqual([
      0,
      expect.stringMatching(/^0 of 0 records would be made, .*0 problems\n$/s),
      '',
    ])
    expect((await outcome(landfall(['rebuild', '--wet-run'], env))).code).toBe(2)
    await drop()
  })

  it('says what to do about an embedded database that is damaged', async () => {
    const folder = path.join(directory, 'damaged')
    await mkdir(path.join(folder, 'db'), { recursive: true })
    await writeFile(path.join(folder, 'db', 'PG_VERSION'), '18\n')
    const { code, stderr } = await outcome(landfall(['sweep'], { DATA_DIR: folder }))
    expect([code, stderr]).toEqual([1, expect.stringMatching(/damaged.*`landfall rebuild`/)])
  })

  it('whose database is away says so without its password', async () => {
    const env = { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x', DATA_DIR: directory }
    const { code, stdout, stderr } = await outcome(landfall(['migrate'], env))
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('ECONNREFUSED')
    expect(stderr).not.toMatch(/hunter2|\n\s+at /)
  })
})

describe('a running server', () => {
  it('says where it serves and keeps the key of ADMIN_TOKEN to itself', () => {
    expect(greeting).toContain(`${url}/files/`)
    expect(greeting + log).not.toContain(ADMIN_KEY)
    expect(greeting).not.toContain('shown this once')
  })

  it('says in greeting and log what the embedded database is worth', () => {
    for (const said of [greeting, log]) {
      expect(said).toMatch(/embedded.*for this process alone.*survives a crash/)
      expect(said).toContain('not a power cut')
    }
  })

  it('has its users and tokens managed from the command line', async () => {
    const added = await remote(['users', 'add', 'bob', '--role', 'staff', '--first-name', 'Bob'])
    expect(added).toEqual({ code: 0, stdout: '', stderr: expect.stringContaining('Made bob') })
    const listed = await remote(['users', 'list', '--json'])
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { username: 'admin', role: 'admin' },
      { username: 'bob', role: 'staff', full_name: 'Bob' },
    ])
    expect((await remote(['users', 'list'])).stdout).toMatch(/^ID +USERNAME.*\n.*admin.*\n.*bob/s)

    const token = await remote(['tokens', 'add', 'bob', '--label', 'laptop'])
    expect(token.stdout).toMatch(/^lf_[\w-]{43}$/)
    const files = await remote(['files', '--json'], { LANDFALL_TOKEN: token.stdout })
    expect(JSON.parse(files.stdout)).toMatchObject({ count: 0, results: [] })
    const id = /Token (\d+) of bob/.exec(token.stderr)?.[1] ?? ''
    expect((await remote(['tokens', 'revoke', id])).code).toBe(0)
    const refused = await remote(['files'], { LANDFALL_TOKEN: token.stdout })
    expect(refused).toEqual({
      code: 1,
      stdout: '',
      stderr: 'landfall: Invalid token. (401)',
    })
  })

  it('gives a new user and a new token as JSON', async () => {
    const user = JSON.parse(
      (await remote(['users', 'add', 'eve', '--role', 'user', '--json'])).stdout,
    )
    expect(user).toMatchObject({ username: 'eve', role: 'user' })
    const end = ['--expires-at', '2040-01-01T00:00:00Z']
    const token = JSON.parse((await remote(['tokens', 'add', 'eve', '--json', ...end])).stdout)
    expect(token).toMatchObject({ key: expect.any(String), expires_at: '2040-01-01T00:00:00Z' })
  })

  it('passes the filters of files on and shows what is wrong with them', async () => {
    const form = new FormData()
    form.set('f', new File(['hello'], 'notes.txt'))
    const headers = { Authorization: `Token ${ADMIN_KEY}` }
    const made = await fetch(`${url}/api/media/files`, { method: 'POST', headers, body: form })
    expect(made.status).toBe(201)
    const found = await remote(['files', '--type', 'text', '--size-min', '5', '--limit', '1'])
    expect(found.stdout).toMatch(/^ID +TYPE.*\n\d+ +text +5 bytes .*notes\.txt/)
    expect(found.stderr).toBe('1 of 1')
    const none = await remote(['files', '--size-min', '6', '--json'])
    expect(JSON.parse(none.stdout)).toMatchObject({ count: 0 })
    const wrong = await remote(['files', '--size-min', 'many', '--created-date', 'x'])
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
    expect(wrong.stderr).toContain('size_min: Enter a number.\ncreated_date: Enter a valid date.')
  })

  it('answers a refusal of the server with exit code 1 and its words', async () => {
    expect(await remote(['users', 'add', 'admin', '--role', 'user'])).toMatchObject({
      code: 1,
      stderr: 'landfall: username: A user with that username already exists.',
    })
    expect((await remote(['tokens', 'add', 'nobody'])).stderr).toContain('no user nobody')
    expect((await remote(['tokens', 'revoke', '4000000000'])).code).toBe(1)
  })

  it('that is not there is said so', async () => {
    const { code, stderr } = await remote(['files'], { LANDFALL_URL: 'http://127.0.0.1:1' })
    expect([code, stderr]).toEqual([1, expect.stringContaining('No answer from')])
  })

  it('logs no token and no query, and stops with exit code 0', async () => {
    expect(log).toContain('"path":"/api/media/files"')
    expect(log).not.toMatch(/size_min|Enter a|lf_/)
    server.kill('SIGTERM')
    const [code] = await once(server, 'exit')
    expect(code).toBe(0)
  })
})
