import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { mediaFiles, users } from '../../src/db/schema.ts'
import { Fault } from '../../src/errors.ts'
import { encodeManifest, manifestKey } from '../../src/media/manifest.ts'
import type { Rebuilt } from '../../src/media/rebuild.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createPostgresDatabase, openLossyDatabase } from '../support/database.ts'
import { createHome, type Home } from '../support/process.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { pdf, sessionClient } from '../support/sessions.ts'
import { tusClient } from '../support/tus.ts'

const authorization = `Token ${ADMIN_KEY}`
const MANIFESTS = { MEDIA_MANIFESTS: 'true' }
const root = path.resolve(import.meta.dirname, '../..')

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

async function homeOf(kind: Parameters<typeof createHome>[0]): Promise<Home> {
  const home = await createHome(kind)
  undo.push(() => home.remove())
  return home
}

async function namesOf(url: string): Promise<string[]> {
  const headers = { Authorization: authorization }
  const answer = await fetch(`${url}/api/media/files?ordering=name`, { headers })
  return ((await answer.json()) as { results: { name: string }[] }).results.map(({ name }) => name)
}

/** What `landfall rebuild` would do: nothing, where every record has its manifest. */
async function wouldDo(home: Home): Promise<Rebuilt> {
  const config = readConfig({ DATA_DIR: home.dataDir, ...MANIFESTS })
  const log = createLog({ level: 'silent' })
  const landfall = await compose(config, { log, database: await home.openDatabase() })
  const problems = { onProblem: () => {} }
  return landfall.rebuild({ dryRun: true, ...problems }).finally(() => landfall.close())
}

const nothing = { made: 0, written: 0, unsubmitted: 0, failed: 0 }

/** `landfall rebuild` as a process of its own. */
function rebuilding(env: Record<string, string>): ChildProcess {
  return spawn(
    process.execPath,
    [path.join(inject('compiled'), 'src/cli.js'), 'rebuild', '--json'],
    {
      cwd: root,
      env: { PATH: process.env.PATH, ADMIN_TOKEN: ADMIN_KEY, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
}

async function sumOf(child: ChildProcess) {
  let stdout = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  const [code] = await once(child, 'close')
  return { code, sum: JSON.parse(stdout) }
}

describe('kill -9 between manifest and record', () => {
  it('of an upload: both are made after the restart, and agree', async () => {
    const home = await homeOf('postgres')
    const dying = await home.start({ ...MANIFESTS, CRASH_AT: 'manifest-stored' })
    const tus = tusClient(dying.url, authorization)
    await tus.patch(await tus.begin(5), 0, 'hello').catch(() => {})
    expect((await dying.ended).signal).toBe('SIGKILL')
    const server = await home.start(MANIFESTS)
    await server.sweep({ aheadMs: 120_000 })
    expect(await namesOf(server.url)).toHaveLength(1)
    expect(await wouldDo(home)).toMatchObject({ ...nothing, found: 1, present: 1 })
  })

  it('of a submission: it is submitted again, and a file that is removed instead leaves nothing', async () => {
    const home = await homeOf('postgres')
    const dying = await home.start({ ...MANIFESTS, CRASH_AT: 'manifest-stored' })
    const [token, other] = await Promise.all(
      ['a', 'b'].map(async (name) => {
        const client = sessionClient(dying.url, authorization)
        const token = await client.open()
        for (const n of [1, 2]) await client.add(token, `${name}${n}.pdf`, pdf(name))
        return token
      }),
    )
    const submit = `/${token}/submit`
    const client = sessionClient(dying.url, authorization)
    await client.json('POST', submit).catch(() => {})
    await dying.ended
    expect(await wouldDo(home)).toMatchObject({ found: 2, made: 2, unsubmitted: 0 })
    const server = await home.start(MANIFESTS)
    const again = sessionClient(server.url, authorization)
    expect((await again.call('DELETE', `/${token}/files/a1.pdf/`)).status).toBe(204)
    expect((await again.json('POST', submit)).status).toBe(200)
    expect((await again.json('POST', `/${other}/submit`)).status).toBe(200)
    expect(await namesOf(server.url)).toEqual(['a2.pdf', 'b1.pdf', 'b2.pdf'])
    expect(await wouldDo(home)).toMatchObject({ ...nothing, found: 3, present: 3 })
    expect(await home.files()).toHaveLength(3)
  })

  it('and the loss of the embedded database: rebuild makes the record', async () => {
    const home = await homeOf('embedded')
    const dying = await home.start({ CRASH_AT: 'manifest-stored' })
    const tus = tusClient(dying.url, authorization)
    const url = new URL(await tus.begin(5, { filename: 'kept.txt' }))
    await tus.patch(url.href, 0, 'hello').catch(() => {})
    await dying.ended
    await rm(path.join(home.dataDir, 'db'), { recursive: true })
    const { code, sum } = await sumOf(rebuilding({ DATA_DIR: home.dataDir }))
    expect([code, sum]).toMatchObject([0, { manifests: { found: 1, made: 1 }, failed: 0 }])
    const server = await home.start()
    expect(await namesOf(server.url)).toEqual(['kept.txt'])
    const bytes = await fetch(server.url + url.pathname, {
      headers: { Authorization: authorization },
    })
    expect(await bytes.text()).toBe('hello')
  })
})

describe('a manifest', () => {
  let server: TestServer

  async function start(options: Parameters<typeof startServer>[0] = {}) {
    server = await startServer({ env: MANIFESTS, ...options })
    undo.push(() => server.close())
  }

  const api = (method: string, id: number, body?: object) =>
    fetch(`${server.url}/api/media/files/${id}`, {
      method,
      headers: { Authorization: server.admin, 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })

  async function begin(): Promise<{ id: number; file: string }> {
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(5, { filename: 'a.txt' })
    const done = await tus.patch(url, 0, 'hello')
    const upload = path.basename(new URL(url).pathname)
    const file = path.join(server.dataDir, 'files', upload.slice(0, 2), upload)
    return { id: Number(done.headers.get('landfall-media-file')), file }
  }

  const mediaOf = async (file: string) =>
    JSON.parse(await readFile(manifestKey(file), 'utf8')).media as Record<string, unknown>

  it('says what the record says after changes at the same time', async () => {
    await start()
    const { id, file } = await begin()
    const names = Array.from({ length: 12 }, (_, n) => `name ${n}.txt`)
    const answers = await Promise.all(names.map((name) => api('PATCH', id, { name })))
    expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
    const record = (await (await api('GET', id)).json()) as Record<string, unknown>
    const { name, updated_at } = await mediaOf(file)
    expect([name, updated_at]).toEqual([record.name, record.updated_at])
  })

  it('goes with its file, also while that is being changed', async () => {
    await start()
    const { id } = await begin()
    const changes = Array.from({ length: 5 }, (_, n) => api('PATCH', id, { description: `${n}` }))
    const [gone] = await Promise.all([api('DELETE', id), ...changes])
    expect(gone?.status).toBe(204)
    const sum = await server.landfall.rebuild({ dryRun: true, onProblem: () => {} })
    expect(sum).toMatchObject({ found: 0, checked: 0 })
  })

  it('that cannot be written leaves the upload to be published later, and a record as it was', async () => {
    let full = false
    await start({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          put: (key, bytes) =>
            full ? Promise.reject(new Fault('storage-full')) : storage.put(key, bytes),
        }),
      },
    })
    const { id } = await begin()
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(5)
    full = true
    expect((await api('PATCH', id, { name: 'new.txt' })).status).toBe(507)
    expect(await (await api('GET', id)).json()).toMatchObject({ name: 'a.txt' })
    expect((await tus.patch(url, 0, 'world')).status).toBe(423)
    full = false
    expect((await tus.head(url)).headers.get('landfall-media-file')).not.toBeNull()
  })

  it('is that of the record where the answer to its transaction was lost', async () => {
    const database = await openLossyDatabase()
    await start({ replaced: { database } })
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(5)
    database.loseAnswerTo(/state = 'promoted'/)
    expect((await tus.patch(url, 0, 'hello')).status).toBe(204)
    const sum = await server.landfall.rebuild({ dryRun: true, onProblem: () => {} })
    expect(sum).toMatchObject({ ...nothing, found: 1, present: 1 })
  })
})

describe('a rebuild that is killed', () => {
  const FILES = 1_500

  /** A library without a database, of files that are as many bytes long as their number says. */
  async function library(): Promise<string> {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-rebuild-'))
    undo.push(() => rm(dataDir, { recursive: true, force: true }))
    const folder = path.join(dataDir, 'files', 'ab')
    await mkdir(folder, { recursive: true })
    const now = '2026-01-02T03:04:05Z'
    const none = { title: null, declaredType: null, metadata: null, expectedDigest: null }
    for (let n = 1; n <= FILES; n++) {
      const id = `ab000000-0000-4000-8000-${String(n).padStart(12, '0')}`
      const common = { description: '', createdAt: now, updatedAt: now }
      const manifest = encodeManifest({
        media: {
          ...{ id: n, key: `key-of-the-file-${n}`, type: 'text', mimeType: 'text/plain' },
          ...{ name: `${n}.txt`, size: n % 10, width: null, height: null, mode: null },
          ...{ digest: null, ...common },
        },
        upload: {
          ...{ id, door: 'tus', storageKey: `ab/${id}`, finalKey: null, filename: `${n}.txt` },
          ...{ purpose: 'file', digestAlgorithms: null, recipe: null, sessionToken: null },
          ...{ ...none, ...common },
        },
        owner: { id: 7, username: 'anna', firstName: 'Anna', lastName: '' },
      })
      await writeFile(path.join(folder, id), 'x'.repeat(n % 10))
      await writeFile(path.join(folder, manifestKey(id)), manifest)
    }
    return dataDir
  }

  it('goes on where it was, and makes nothing twice', async () => {
    const { url, drop } = await createPostgresDatabase()
    undo.push(drop)
    const database = await openPostgres({ url, migrate: false, maxConnections: 1 })
    undo.push(() => database.close())
    const env = { DATA_DIR: await library(), DATABASE_URL: url }
    const child = rebuilding(env)
    while ((await database.db.$count(mediaFiles)) < 50) await delay(5)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const made = await database.db.$count(mediaFiles)
    expect(made).toBeLessThan(FILES)
    const { code, sum } = await sumOf(rebuilding(env))
    expect(code).toBe(0)
    expect(sum.manifests).toMatchObject({ found: FILES, already_there: made, made: FILES - made })
    expect(await database.db.$count(mediaFiles)).toBe(FILES)
    const anna = (await database.db.select().from(users)).find(({ id }) => id === 7)
    const bytes = Array.from({ length: FILES }, (_, n) => (n + 1) % 10).reduce((a, b) => a + b)
    expect(anna).toMatchObject({ usedBytes: bytes, openUploads: 0, isActive: false })
  })
})
