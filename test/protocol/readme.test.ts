import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { access, chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { findPython } from '../support/python.ts'
import { type Block, readmeBlocks } from '../support/readme.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { root } from '../support/source.ts'

interface Listed {
  count: number
  results: { name: string; size: number; f: string; description: string }[]
}

const python = await findPython('tuspy', ['tusclient', 'tinydb'])
afterAll(() => python?.remove())
const blocks = await readmeBlocks()
const inSection = (section: string, language = 'sh') =>
  blocks.filter((block) => block.section === section && block.language === language)

/** Blocks that no test here runs, and who does. */
const elsewhere = new Map([
  ['npm ci && npm start\n', '.ci/run starts it and stops it'],
  ['npm ci && npm test\n', '.ci/run takes it from README.md'],
])

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-readme-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

let server: TestServer
let gate: Gate
beforeAll(async () => {
  gate = createGate()
  server = await startServer({ replaced: { wrapStorage: gate.wrap } })
})
afterAll(() => server.close())

/** Holds back writes once there was one, so that a client can be stopped in the middle. */
interface Gate {
  wrap(storage: Storage): Storage
  /** Lets one write through and no more; resolves when the next one waits. */
  close(): Promise<void>
  open(): void
}

function createGate(): Gate {
  let passed: Promise<void> | undefined
  let left = Number.POSITIVE_INFINITY
  let open = () => {}
  let waits = () => {}
  return {
    wrap: (storage) => ({
      ...storage,
      async append(key, offset) {
        const appender = await storage.append(key, offset)
        return {
          ...appender,
          async write(buffers) {
            if (left-- <= 0) {
              waits()
              await passed
            }
            await appender.write(buffers)
          },
        }
      },
    }),
    close() {
      left = 1
      passed = new Promise((resolve) => {
        open = resolve
      })
      return new Promise((resolve) => {
        waits = resolve
      })
    },
    open() {
      left = Number.POSITIVE_INFINITY
      open()
    },
  }
}

/** What README tells the reader to set, and programs of ours before those of the machine. */
function environment(programs = ''): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: `${programs}${path.delimiter}${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH}`,
    LANDFALL_URL: server.url,
    LANDFALL_TOKEN: ADMIN_KEY,
    FILE: 'holiday.jpg',
  }
}

async function run(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** All blocks of a section as one script: what one sets, the next uses. */
const shell = (given: Block[], env: NodeJS.ProcessEnv) =>
  run('sh', ['-euc', given.map((block) => block.text).join('\n')], env)

async function list(name: string): Promise<Listed> {
  const answer = await fetch(`${server.url}/api/media/files?search=${name}`, {
    headers: { Authorization: server.admin },
  })
  return (await answer.json()) as Listed
}

async function bytesOf(url: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(url)).arrayBuffer())
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

/** A folder with one program in it. */
async function programFolder(name: string, lines: string[]): Promise<string> {
  const programs = await mkdtemp(path.join(folder, 'bin-'))
  await writeFile(path.join(programs, name), `#!/bin/sh\n${lines.join('\n')}\n`)
  await chmod(path.join(programs, name), 0o755)
  return programs
}

describe('README.md', () => {
  it('has no block that is not run', () => {
    const run = [
      ...inSection('Upload'),
      ...inSection('With tus-js-client', 'js'),
      ...inSection('With curl'),
      ...inSection('With Python', 'python'),
      ...inSection('Accounts'),
      ...inSection('With Postgres'),
    ]
    const others = blocks.filter((block) => !run.includes(block) && !elsewhere.has(block.text))
    expect(others).toEqual([])
    for (const text of elsewhere.keys()) expect(blocks.some((one) => one.text === text)).toBe(true)
  })
})

const machinesOwn = await Promise.all(
  (process.env.PATH ?? '').split(path.delimiter).map((at) => exists(path.join(at, 'curl'))),
)
const curls = ['a stand-in', ...(machinesOwn.includes(true) ? ["the machine's own curl"] : [])]

describe.each(curls)('With curl (%s)', (which) => {
  it('stores a file in two pieces and a form, and lists both', async () => {
    const [settings] = inSection('Upload')
    const steps = inSection('With curl')
    expect(settings?.text.match(/^export (\w+)=/gm)).toEqual([
      'export LANDFALL_URL=',
      'export LANDFALL_TOKEN=',
      'export FILE=',
    ])
    const standIn = path.join(root, 'test/support/curl.mjs')
    const programs =
      which === 'a stand-in'
        ? await programFolder('curl', [`exec node '${standIn}' "$@"`])
        : undefined
    const name = `${randomBytes(6).toString('hex')}.bin`
    const bytes = randomBytes(250_000)
    await writeFile(path.join(folder, name), bytes)

    const said = await shell(steps, { ...environment(programs), FILE: name })
    expect(said).toMatch(/^landfall-media-file: \d+\r?$/im)
    const { count, results } = await list(name)
    expect(count).toBe(2)
    expect(results.map(({ description }) => description)).toEqual(['sent as a form', ''])
    for (const { f } of results) expect((await bytesOf(f)).equals(bytes)).toBe(true)
    // The list block ran before the form was sent.
    expect(said).toContain(results[1]?.f)
  })
})

/** What a section's program is, and what it takes to run it. */
interface Resumed {
  section: string
  language: string
  file: string
  program: string
  /** Beside it, for what it imports. */
  modules?: string
}

/** Runs a program until it is in the middle of a file, kills it, and runs it again. */
async function runTwice({ section, language, file, program, modules }: Resumed): Promise<void> {
  const [block] = inSection(section, language)
  const bytes = randomBytes(24 * 1024 * 1024)
  const name = `${randomBytes(6).toString('hex')}.bin`
  await writeFile(path.join(folder, name), bytes)
  await writeFile(path.join(folder, file), block?.text ?? '')
  if (modules !== undefined) await symlink(modules, path.join(folder, path.basename(modules)))
  const env = { ...environment(), FILE: name }
  const creations = () =>
    server.logged.filter(({ path, method }) => path === '/files/' && method === 'POST').length
  const before = creations()

  const stuck = gate.close()
  const first: ChildProcess = spawn(program, [file], { cwd: folder, env, stdio: 'ignore' })
  await stuck
  first.kill('SIGKILL')
  await once(first, 'exit')
  gate.open()
  expect((await list(name)).count).toBe(0)

  const said = await run(program, [file], env)
  const { count, results } = await list(name)
  expect(count).toBe(1)
  expect(said.trim().split('\n').at(-1)).toBe(results[0]?.f)
  expect((await bytesOf(results[0]?.f ?? '')).equals(bytes)).toBe(true)
  expect(creations() - before, 'the second run must not create another upload').toBe(1)
}

describe('With tus-js-client', () => {
  it('goes on where it was stopped', () =>
    runTwice({
      section: 'With tus-js-client',
      language: 'js',
      file: 'upload.mjs',
      program: process.execPath,
      modules: path.join(root, 'node_modules'),
    }))
})

describe.skipIf(python === undefined)('With Python', () => {
  it('goes on where it was stopped', () =>
    runTwice({
      section: 'With Python',
      language: 'python',
      file: 'upload.py',
      program: python?.program ?? '',
    }))
})

describe('Accounts', () => {
  it('makes a user with a token and lists them', async () => {
    const cli = path.join(root, 'src/cli.ts')
    const tsx = path.join(root, 'node_modules/tsx/dist/loader.mjs')
    const programs = await programFolder('landfall', [
      `exec node --import '${tsx}' '${cli}' "$@" 2>/dev/null`,
    ])
    const said = await shell(inSection('Accounts'), environment(programs))
    const [key, ...listing] = said.split('\n')
    expect(listing.join('\n')).toMatch(/\banna\b.*\buser\b/)
    const me = await fetch(`${server.url}/api/me`, { headers: { Authorization: `Token ${key}` } })
    expect(await me.json()).toMatchObject({ username: 'anna', role: 'user', first_name: 'Anna' })
  })
})

describe('With Postgres', () => {
  it('hands npm start a URL that the server takes', async () => {
    const programs = await programFolder('npm', ['echo "$DATABASE_URL"', 'echo "$*"'])
    const said = await shell(inSection('With Postgres'), environment(programs))
    const [url, ...command] = said.trim().split('\n')
    expect(command).toEqual(['start'])
    expect(readConfig({ DATABASE_URL: url }).databaseUrl).toBe(url)
  })
})
