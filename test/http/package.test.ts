import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Packed, packPackage, unpackInto } from '../support/package.ts'
import { keepSecret, watchedText } from '../support/secrets.ts'
import { tusClient } from '../support/tus.ts'

const run = promisify(execFile)

/**
 * `LANDFALL_TEST_INSTALL=true` installs the package with npm, which takes a registry and a minute;
 * else it is unpacked where npm would put it.
 */
const installs = process.env.LANDFALL_TEST_INSTALL === 'true'

let packed: Packed
/** A folder with the package installed, and nothing else in it. */
let folder: string

beforeAll(async () => {
  packed = await packPackage()
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-installed-'))
  if (!installs) {
    await unpackInto(folder, packed.tarball)
    return
  }
  await writeFile(path.join(folder, 'package.json'), '{ "private": true }')
  const flags = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund']
  await run('npm', ['install', ...flags, packed.tarball], { cwd: folder })
}, 300_000)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await packed.remove()
})

const read = (...file: string[]) =>
  readFile(path.join(folder, 'node_modules/landfall', ...file), 'utf8')

describe('the package', () => {
  it('has the program, its pages, its database, its client, and nothing else', async () => {
    const kinds: [what: string, pattern: RegExp][] = [
      ['the program', /^dist\/(?!web\/|docs\/)[\w/-]+\.js$/],
      ['types of the client', /^dist\/client\/[\w-]+\.d\.ts$/],
      ['the page', /^dist\/web\/(?:index\.html|assets\/[\w.-]+\.(?:js|css|svg|woff2|png))$/],
      ['the description of the API', /^dist\/docs\/[\w.-]+\.(?:html|js|css|png)$/],
      ['licences of what is in it', /^dist\/docs\/(?:LICENSE|NOTICE|[\w.-]+\.LICENSE\.txt)$/],
      ['licences of what is in the page', /^dist\/web\/LICENSES\.txt$/],
      ['the empty database', /^dist\/db\/empty-database\.br$/],
      ['migrations', /^drizzle\/(?:\d{4}_\w+\.sql|meta\/_journal\.json)$/],
      ['papers', /^(?:README\.md|CHANGELOG\.md|LICENSE|package\.json)$/],
    ]
    const foreign = packed.files.filter((file) => !kinds.some(([, kind]) => kind.test(file)))
    expect(foreign).toEqual([])
    for (const [what, kind] of kinds)
      expect([what, packed.files.some((file) => kind.test(file))]).toEqual([what, true])
    const journal = JSON.parse(await read('drizzle/meta/_journal.json')) as {
      entries: { tag: string }[]
    }
    const sql = packed.files.filter((file) => file.endsWith('.sql'))
    expect(sql.sort()).toEqual(journal.entries.map(({ tag }) => `drizzle/${tag}.sql`).sort())
    // Kilobytes; the two pages are most of it.
    expect(Math.round(packed.size / 1000)).toBeLessThan(5000)
  })

  it('names no file that is not in it', async () => {
    const { bin, exports } = JSON.parse(await read('package.json')) as {
      bin: Record<string, string>
      exports: Record<string, string | Record<string, string>>
    }
    const named = [bin, ...Object.values(exports)].flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    )
    const absent = named.filter((file) => !packed.files.includes(file.replace(/^\.\//, '')))
    expect(absent).toEqual([])
    const maps: string[] = []
    for (const file of packed.files.filter((name) => name.endsWith('.js')))
      if (/^\/\/# sourceMappingURL=/m.test(await read(file))) maps.push(file)
    expect(maps).toEqual([])
  })

  it('gives the client and its types to a program that imports it', async () => {
    const program = path.join(folder, 'program.mts')
    await writeFile(
      program,
      [
        "import * as client from 'landfall/client'",
        "import type { MediaFile } from 'landfall/client'",
        'export const names = (files: MediaFile[]): string[] => files.map(({ name }) => name)',
        'export const count: number = Object.keys(client).length',
        '// @ts-expect-error: a record has no such field, so the types are not any.',
        'export const wrong = (file: MediaFile) => file.nonsense',
        '',
      ].join('\n'),
    )
    const require = createRequire(import.meta.url)
    const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin/tsc')
    const options = ['--module', 'nodenext', '--strict', '--noEmit', '--lib', 'es2023,dom']
    await run(process.execPath, [tsc, ...options, program], { cwd: folder })
    const script = "import('landfall/client').then((m) => console.log(Object.keys(m).length))"
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
    })
    expect(Number(stdout)).toBeGreaterThan(0)
    const inner = "import('landfall/dist/compose.js')"
    await expect(
      run(process.execPath, ['--input-type=module', '-e', inner], { cwd: folder }),
    ).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })
})

interface Started {
  url: string
  key: string
  child: ChildProcess
}

/** As somebody starts it the first time: no variable set but a free port. */
async function start(cwd: string): Promise<Started> {
  const bin = path.join(folder, 'node_modules/landfall/dist/cli.js')
  const [command, args] = installs
    ? ['npx', ['--no-install', '--prefix', folder, 'landfall']]
    : [process.execPath, [bin]]
  const child = spawn(command, args as string[], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // npx does not hand a signal on: it and what it starts are stopped as a group.
    detached: true,
  })
  const check = watchedText()
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
    check(text)
  })
  let said = ''
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (/^ +lf_/m.test(said)) resolve()
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${said}${errors}`)))
  })
  await ready
  const url = /^Landfall is serving at (\S+)$/m.exec(said)?.[1] ?? ''
  const key = /^ +(lf_\S+)$/m.exec(said)?.[1] ?? ''
  keepSecret(key)
  return { url, key, child }
}

describe('landfall, started in an empty folder', () => {
  it('says where it serves, prints a token once, takes a file and gives it back', async () => {
    const cwd = path.join(folder, 'fresh')
    await mkdir(cwd)
    const { url, key, child } = await start(cwd)
    const stop = async () => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
      process.kill(-child.pid, 'SIGTERM')
      await once(child, 'exit')
    }
    onTestFinished(stop)
    const authorization = `Token ${key}`
    const tus = tusClient(url, authorization)
    const upload = await tus.begin(11, { filename: 'hello.txt' })
    const { headers } = await tus.patch(upload, 0, 'hello world')
    expect(await (await fetch(headers.get('landfall-media-url') ?? '')).text()).toBe('hello world')
    const listed = await fetch(`${url}/api/media/files`, {
      headers: { Authorization: authorization },
    })
    expect(await listed.json()).toMatchObject({ count: 1, results: [{ type: 'text' }] })
    for (const page of ['/', '/docs', '/openapi.json', '/readyz']) {
      const answer = await fetch(url + page)
      expect([page, answer.status]).toEqual([page, 200])
      await answer.text()
    }
    expect(await readdir(cwd)).toEqual(['data'])
    await stop()
    if (!installs) expect(child.exitCode).toBe(0)
  })
})
