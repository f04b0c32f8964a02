import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inject } from 'vitest'
import { compose, type Landfall, type Replacements } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { OpenDatabase } from '../../src/db/database.ts'
import { openDiskStorage } from '../../src/storage/disk.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createAccounts, type TestAccounts } from './accounts.ts'
import { type DatabaseKind, openTestDatabases } from './database.ts'
import { type Mirror, type Mirrored, mirroredStorage } from './mirrored-storage.ts'
import { startNginx } from './nginx.ts'
import { opaqueStorage } from './opaque-storage.ts'
import { findProgram } from './programs.ts'
import { startRoundRobin } from './round-robin.ts'
import { createBucket, serversOnS3 } from './s3.ts'
import { keepSecret, watched } from './secrets.ts'

export const ADMIN_KEY = 'test-admin-key-0123456789abcdef0123'
keepSecret(ADMIN_KEY)

/** One of the servers on one database and one folder. */
export interface Replica {
  url: string
  landfall: Landfall
}

export interface TestServer {
  url: string
  /** An Authorization value for the admin. */
  admin: string
  accounts: TestAccounts
  database: OpenDatabase
  dataDir: string
  landfall: Landfall
  /** Each of the servers behind `url`; one, where there is only one. */
  replicas: Replica[]
  /** Lines of the log, parsed. */
  logged: Record<string, unknown>[]
  close(): Promise<void>
}

export interface TestServerOptions {
  database?: DatabaseKind
  env?: Record<string, string>
  replaced?: Replacements
  /** Default: LANDFALL_TEST_REPLICAS, or 1. */
  replicas?: number
}

/** What `npm run test:replicas` sets: how many servers stand behind a proxy, and which proxy. */
const { LANDFALL_TEST_REPLICAS = '1', LANDFALL_TEST_PROXY = 'node' } = process.env

/**
 * A whole server on a port of its own, in this process, on a database and a folder of its own. With
 * `replicas` several, on one database and one folder, behind a proxy that gives each of them one
 * request in turn; what cannot be shared or passed through a proxy is one server all the same.
 */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { database: kind = 'postgres', env = {}, replaced = {} } = options
  const alone = kind === 'embedded' || 'TLS_CERT' in env || replaced.database !== undefined
  const count = alone ? 1 : (options.replicas ?? Number(LANDFALL_TEST_REPLICAS))
  const dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-data-'))
  const databases = await openTestDatabases(kind, count)
  const logged: Record<string, unknown>[] = []
  const log = createLog({ destination: watched((line) => logged.push(JSON.parse(line))) })
  const config = readConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    ADMIN_TOKEN: ADMIN_KEY,
    SHUTDOWN_TIMEOUT: '2s',
    ...(serversOnS3 && (await createBucket()).env),
    ...env,
  })
  const servers: Replica[] = []
  const mirrors: Mirrored[] = []
  const root = path.join(dataDir, 'files')
  const mirror = serversOnS3 && {
    disk: await openDiskStorage({ root, durability: 'process' }),
    targets: new Map<string, string>(),
  }
  for (const database of databases) {
    const landfall = await compose(config, {
      log,
      database,
      assets: path.join(inject('compiled'), 'dist'),
      ...plainStorage({
        ...replaced,
        ...strictStorage(replaced),
        ...(mirror && mirroring(replaced, mirror, mirrors)),
      }),
    })
    servers.push({ ...(await landfall.listen()), landfall })
  }
  const [first] = servers
  const [database] = databases
  if (first === undefined || database === undefined) throw new Error('no server was started')
  const proxy = count > 1 ? await startProxyFor(servers, dataDir) : undefined
  const url = proxy?.url ?? first.url
  const admin = `Token ${ADMIN_KEY}`
  let closed = false
  const close = async () => {
    closed = true
    await Promise.all(servers.map((each) => each.landfall.close()))
  }
  return {
    url,
    admin,
    accounts: createAccounts(url, admin),
    database,
    dataDir,
    landfall: { ...first.landfall, close },
    replicas: servers,
    logged,
    async close() {
      await proxy?.close()
      const differences = closed ? [] : ((await mirrors.at(-1)?.differences()) ?? [])
      // A test may have closed it already: that is what it tests.
      await close().catch(() => {})
      await rm(dataDir, { recursive: true, force: true })
      if (differences.length > 0) throw new Error(`the store differs: ${differences.join('; ')}`)
    },
  }
}

/** What a test puts around the storage has one way to make an object, and one to open it. */
function plainStorage({ wrapStorage, ...replaced }: Replacements): Replacements {
  if (wrapStorage === undefined) return replaced
  return { ...replaced, wrapStorage: ({ createOpen, ...opened }) => wrapStorage(opened) }
}

/** With a folder beside the store in which the same happens. */
function mirroring({ wrapStorage }: Replacements, mirror: Mirror, mirrors: Mirrored[]) {
  return {
    wrapStorage(opened: Storage) {
      const mirrored = mirroredStorage(opened, mirror)
      mirrors.push(mirrored)
      return wrapStorage?.(mirrored.storage) ?? mirrored.storage
    },
  }
}

/** OPAQUE_STORAGE=true: objects cannot be read before they are finished, in whatever wraps them. */
function strictStorage({ wrapStorage }: Replacements): Replacements {
  if (process.env.OPAQUE_STORAGE !== 'true') return {}
  const wrap = (disk: Storage) => {
    const strict = opaqueStorage(disk)
    return wrapStorage?.(strict) ?? strict
  }
  return { wrapStorage: wrap }
}

async function startProxyFor(servers: readonly Replica[], dataDir: string) {
  const urls = servers.map(({ url }) => url)
  if (LANDFALL_TEST_PROXY === 'node') return startRoundRobin(urls)
  const hint = { for: 'replicas behind nginx', from: 'apt-get install -y nginx-light' }
  const nginx = findProgram('nginx', hint)
  if (nginx === undefined) throw new Error('LANDFALL_TEST_PROXY: there is no nginx')
  return startNginx(nginx, { backend: urls, files: path.join(dataDir, 'files'), gzip: false })
}
