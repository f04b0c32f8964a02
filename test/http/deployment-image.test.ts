import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificate } from '../support/certificate.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { buildContext, readDockerfile, type Stage } from '../support/dockerfile.ts'
import { freePort } from '../support/free-port.ts'
import { root } from '../support/source.ts'

const run = promisify(execFile)

/** Process 1 of a namespace of its own, as in a container. Needs no root where users may do that. */
const AS_FIRST = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child']
const canBeFirst = spawnSync('unshare', [...AS_FIRST, 'true']).status === 0
if (!canBeFirst)
  console.warn('SKIPPED: the server as process 1. Namespaces of users are not allowed here.')

/**
 * docker/Dockerfile without an engine: what its instructions do is done in folders. Only `npm ci` is
 * not, whose result is the checkout's own node_modules.
 */
describe('the image of docker/Dockerfile', () => {
  let folder: string
  let database: { url: string; drop(): Promise<void> }
  let image: Stage
  /** ENV of the image, and what a container is given. */
  let env: Record<string, string>
  let port: number

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'landfall-image-'))
    database = await createPostgresDatabase()
    const stages = await readDockerfile()
    for (const stage of stages) await make(stage)
    image = stages.at(-1) ?? { from: '', name: '', instructions: [] }
    port = await freePort()
    env = {
      PATH: process.env.PATH ?? '',
      ...environmentOf(image),
      DATA_DIR: path.join(folder, 'data'),
      PORT: String(port),
      DATABASE_URL: database.url,
    }
  })
  afterAll(async () => {
    await database.drop()
    await rm(folder, { recursive: true, force: true })
  })

  const folderOf = (stage: string) => path.join(folder, stage === '' ? 'image' : stage)

  async function make({ name, instructions }: Stage): Promise<void> {
    const here = folderOf(name)
    await mkdir(here)
    for (const { name: what, text, options } of instructions) {
      if (what === 'COPY') {
        const words = text.split(/\s+/)
        const to = words.pop() ?? ''
        for (const from of words) await copy(from, to, here, options.from)
      } else if (what === 'RUN' && text.startsWith('npm ci')) {
        await symlink(path.join(root, 'node_modules'), path.join(here, 'node_modules'))
      } else if (what === 'RUN' && text.startsWith('npm run')) {
        await run('sh', ['-euc', text], { cwd: here })
      }
    }
  }

  /** From another stage, or from what the build is given. */
  async function copy(from: string, to: string, here: string, stage?: string): Promise<void> {
    const target = path.join(here, to.endsWith('/') ? path.join(to, path.basename(from)) : to)
    if (stage !== undefined) {
      const source = path.join(folderOf(stage), from.replace(/^\/landfall\//, ''))
      return cp(source, target, { recursive: true, verbatimSymlinks: true })
    }
    const context = await buildContext()
    const entries = from === '.' ? context : [from]
    for (const entry of entries) {
      if (!context.includes(entry)) throw new Error(`${entry} is kept out of the build`)
      const into = from === '.' ? path.join(here, entry) : target
      await cp(path.join(root, entry), into, { recursive: true })
    }
  }

  function start(
    prefix: string[] = [],
    more = {},
  ): { child: ChildProcess; ended: Promise<unknown[]> } {
    const command = [...prefix, ...(JSON.parse(textOf(image, 'CMD')) as string[])]
    const [program = '', ...args] = command
    const child = spawn(program, args, {
      cwd: folderOf(''),
      env: { ...env, ...more },
      stdio: 'ignore',
    })
    return { child, ended: once(child, 'exit') }
  }

  const healthcheck = async (more = {}) => {
    const [program = '', ...args] = JSON.parse(
      textOf(image, 'HEALTHCHECK').replace(/^.*?CMD /, ''),
    ) as string[]
    const child = spawn(program, args, {
      cwd: folderOf(''),
      env: { ...env, ...more },
      stdio: 'inherit',
    })
    const [code] = await once(child, 'exit')
    return code
  }

  it('serves, is healthy while it does, and ends well by its stop signal', async () => {
    expect(await healthcheck()).toBe(1)
    const { child, ended } = start()
    await expect.poll(healthcheck, { timeout: 30_000 }).toBe(0)
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect(answer.status).toBe(200)
    child.kill(textOf(image, 'STOPSIGNAL') as NodeJS.Signals)
    expect(await ended).toEqual([0, null])
    expect(await healthcheck()).toBe(1)
  })

  it.skipIf(!canBeFirst)(
    'ends well as process 1 too, where signals do nothing by themselves',
    async () => {
      const { child, ended } = start(['unshare', ...AS_FIRST])
      await expect.poll(healthcheck, { timeout: 30_000 }).toBe(0)
      const pids = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
      const server = Number(pids.trim())
      expect(await readFile(`/proc/${server}/status`, 'utf8')).toMatch(/^NSpid:\t\d+\t1$/m)
      process.kill(server, 'SIGTERM')
      expect(await ended).toEqual([0, null])
    },
  )

  it('is healthy with TLS of its own, whatever name the certificate has', async () => {
    const { cert, key } = createCertificate()
    const files = { TLS_CERT: path.join(folder, 'cert.pem'), TLS_KEY: path.join(folder, 'key.pem') }
    await writeFile(files.TLS_CERT, cert)
    await writeFile(files.TLS_KEY, key)
    const { child, ended } = start([], files)
    try {
      await expect.poll(() => healthcheck(files), { timeout: 30_000 }).toBe(0)
    } finally {
      child.kill('SIGTERM')
      await ended
    }
  })

  it('is not root, and keeps what it stores in a volume that its user may write', () => {
    const [user, group] = textOf(image, 'USER').split(':')
    expect([Number(user), Number(group)]).toEqual([1000, 1000])
    const { DATA_DIR, HOST } = environmentOf(image)
    expect([textOf(image, 'VOLUME'), HOST]).toEqual([DATA_DIR, '0.0.0.0'])
    expect(textOf(image, 'RUN')).toContain(`chown node:node ${DATA_DIR}`)
  })
})

const textOf = (stage: Stage, name: string) =>
  stage.instructions.find((instruction) => instruction.name === name)?.text ?? ''

function environmentOf(stage: Stage): Record<string, string> {
  const pairs = [...textOf(stage, 'ENV').matchAll(/(\w+)=(\S+)/g)]
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]))
}
