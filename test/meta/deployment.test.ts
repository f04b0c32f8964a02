import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { defaults } from '../../src/config-variables.ts'
import { parseDuration } from '../../src/wire/duration.ts'
import { readDockerfile } from '../support/dockerfile.ts'
import { findProgram } from '../support/programs.ts'
import { blocksOf } from '../support/readme.ts'
import { root } from '../support/source.ts'
import { findYamlReader } from '../support/yaml.ts'

const run = promisify(execFile)
const read = (file: string) => readFile(path.join(root, file), 'utf8')
const yaml = await findYamlReader('the compose files and the alerts')
afterAll(() => yaml?.remove())

const durationOf = (text: string) => parseDuration(text) ?? Number.NaN
const { version } = JSON.parse(await read('package.json')) as { version: string }

describe('docker/Dockerfile', () => {
  it('has the Node that CI tests with, and the version of the package', async () => {
    const [, node] = /^node_lts=(\S+)$/m.exec(await read('.ci/run')) ?? []
    const stages = await readDockerfile()
    expect(stages[0]?.from).toBe(`node:${node}-bookworm-slim`)
    // Everything else begins with that one, and names no image of its own.
    expect(new Set(stages.slice(1).map(({ from }) => from))).toEqual(new Set(['node']))
    const label = stages.at(-1)?.instructions.find(({ name }) => name === 'LABEL')
    expect(label?.text).toContain(`org.opencontainers.image.version="${version}"`)
  })

  it('installs for the image what the lock file says, without what is for development', async () => {
    const stages = await readDockerfile()
    const installs = stages.map(({ name, instructions }) => [
      name,
      instructions.filter(({ text }) => text.startsWith('npm ci')).map(({ text }) => text),
    ])
    expect(Object.fromEntries(installs)).toMatchObject({
      dependencies: [expect.stringContaining('--omit=dev')],
      '': [],
    })
  })
})

interface ComposeFile {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  secrets: Record<string, { file: string }>
}

interface Service {
  image: string
  environment?: Record<string, string>
  secrets?: string[]
  volumes?: string[]
  depends_on?: Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  stop_grace_period?: string
  restart?: string
}

describe.skipIf(yaml === undefined).each(['compose.yaml', 'compose.scale.yaml'])(
  'docker/%s',
  (name) => {
    let file: ComposeFile
    /** Where the secrets of docs/deployment.md are, made as it says. */
    let folder: string

    beforeAll(async () => {
      file = (await yaml?.read(`docker/${name}`)) as ComposeFile
      folder = await mkdtemp(path.join(tmpdir(), 'landfall-compose-'))
      const blocks = await blocksOf('docs/deployment.md')
      const making = blocks.filter(({ text }) => text.includes('> secrets/'))
      expect(making).toHaveLength(2)
      const script = making.map(({ text }) => text.replace('cd docker\n', '')).join('')
      // Not every machine of CI has openssl.
      const random = `openssl() { '${process.execPath}' -p 'crypto.randomBytes(24).toString("hex")'; }`
      await run('sh', ['-euc', `${random}\n${script}`], { cwd: folder })
    })
    afterAll(() => rm(folder, { recursive: true }))

    const services = () => Object.entries(file.services)
    const landfalls = () => services().filter(([service]) => service.startsWith('landfall'))

    it('gives the server settings that it takes, with the secrets made as the page says', async () => {
      expect(landfalls().length).toBe(name === 'compose.yaml' ? 1 : 2)
      for (const [, { environment = {}, secrets = [] }] of landfalls()) {
        const env: Record<string, string> = {}
        for (const [variable, value] of Object.entries(environment)) {
          const given = value.replace(/^\$\{\w+:-(.*)\}$/, '$1')
          const secret = /^\/run\/secrets\/(.*)$/.exec(given)?.[1]
          if (secret !== undefined) expect(secrets).toContain(secret)
          env[variable] = secret === undefined ? given : path.join(folder, 'secrets', secret)
          if (!variable.startsWith('AWS_')) expect(Object.keys(defaults)).toContain(variable)
        }
        const config = readConfig(env)
        const password = (await secretOf('database_password')).trim()
        expect(config.databaseUrl).toBe(`postgres://landfall:${password}@postgres:5432/landfall`)
        expect(config.adminToken).toBe((await secretOf('admin_token')).trim())
      }
    })

    const secretOf = (secret: string) => readFile(path.join(folder, 'secrets', secret), 'utf8')

    it('names secrets and volumes that are declared, and secrets that the page makes', async () => {
      const declared = Object.entries(file.secrets)
      for (const [secret, { file: at }] of declared) {
        expect(at).toBe(`./secrets/${secret}`)
        expect((await secretOf(secret)).length).toBeGreaterThan(20)
      }
      const used = services().flatMap(([, { secrets = [] }]) => secrets)
      expect([...new Set(used)].sort()).toEqual(declared.map(([secret]) => secret).sort())
      const mounted = services()
        .flatMap(([, { volumes = [] }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
        .filter((source) => !source.startsWith('.'))
      expect([...new Set(mounted)].sort()).toEqual(Object.keys(file.volumes).sort())
    })

    it('waits for what a service needs, and each of those can say that it is ready', () => {
      for (const [, { depends_on = {} }] of services()) {
        for (const [needed, { condition }] of Object.entries(depends_on)) {
          const service = file.services[needed]
          const ends = service?.restart === 'no'
          expect([needed, condition]).toEqual([
            needed,
            ends ? 'service_completed_successfully' : 'service_healthy',
          ])
          // That of Landfall is in its image.
          if (!ends && !needed.startsWith('landfall')) expect(service?.healthcheck).toBeDefined()
        }
      }
    })

    it('has a version for every image, and ours for the server', () => {
      for (const [service, { image }] of services()) {
        expect(image).toMatch(/:[\w.-]*\d[\w.-]*$/)
        if (service.startsWith('landfall')) expect(image).toBe(`landfall:${version}`)
      }
    })

    it('gives the server longer to stop than it takes', () => {
      for (const [, { environment = {}, stop_grace_period = '10s' }] of landfalls())
        expect(durationOf(stop_grace_period)).toBeGreaterThan(
          durationOf(environment.SHUTDOWN_TIMEOUT ?? ''),
        )
    })

    it('gives the SDK credentials that it reads, where bytes go to S3', async () => {
      const onS3 = landfalls().filter(([, { environment }]) => environment?.STORAGE === 's3')
      expect(onS3.length > 0).toBe(name === 'compose.scale.yaml')
      if (onS3.length === 0) return
      const program = `
      import { S3Client } from '@aws-sdk/client-s3'
      const found = await new S3Client({ region: 'us-east-1' }).config.credentials()
      console.log(JSON.stringify([found.accessKeyId, found.secretAccessKey]))`
      const { stdout } = await run(
        process.execPath,
        ['--input-type=module', '--no-warnings', '-e', program],
        {
          cwd: root,
          env: { AWS_SHARED_CREDENTIALS_FILE: path.join(folder, 'secrets/s3_credentials') },
        },
      )
      expect(JSON.parse(stdout)).toEqual(['landfall', (await secretOf('s3_secret')).trim()])
      expect(file.services.minio?.environment?.MINIO_ROOT_USER).toBe('landfall')
    })
  },
)

describe('docker/landfall.service', () => {
  it('gives the server longer to stop than it takes, and leaves bad settings alone', async () => {
    const unit = await read('docker/landfall.service')
    const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? []
    expect(Number(seconds) * 1000).toBeGreaterThan(durationOf(defaults.SHUTDOWN_TIMEOUT[0]))
    expect(unit).toMatch(/^RestartPreventExitStatus=78$/m)
    expect(unit).toMatch(/^Restart=always$/m)
  })

  const analyze = findProgram('systemd-analyze', {
    for: 'systemd-analyze verify docker/landfall.service',
    from: 'apt-get install systemd',
  })
  it.skipIf(analyze === undefined)('is a unit that systemd takes, without a warning', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'landfall-unit-'))
    try {
      const unit = path.join(folder, 'landfall.service')
      // It looks whether the program is there; the folder of the code need not be.
      const text = (await read('docker/landfall.service')).replace('/usr/bin/node', '/bin/sh')
      await writeFile(unit, text)
      await chmod(unit, 0o644)
      const { stdout, stderr } = await run(analyze ?? '', ['verify', '--man=no', unit])
      expect(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('landfall'))).toEqual(
        [],
      )
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
