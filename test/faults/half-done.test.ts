import { appendFile, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { Fault } from '../../src/errors.ts'
import { openDiskStorage } from '../../src/storage/disk.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { type LossyDatabase, openLossyDatabase, openTestDatabase } from '../support/database.ts'
import { createHome } from '../support/process.ts'
import { openRaw } from '../support/raw.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, type TusClient, tusClient } from '../support/tus.ts'

let undo: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const step of undo.reverse()) await step()
  undo = []
})

async function start(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  const server = await startServer(options)
  undo.push(() => server.close())
  return server
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

async function records(server: TestServer): Promise<number> {
  const answer = await fetch(`${server.url}/api/media/files`, {
    headers: { Authorization: server.admin },
  })
  return ((await answer.json()) as { count: number }).count
}

describe('after a reboot', () => {
  it('bytes that nobody recorded are not trusted at a later start either', async () => {
    const home = await createHome('postgres')
    undo.push(() => home.remove())
    const first = await home.start()
    const tus = tusClient(first.url, `Token ${ADMIN_KEY}`)
    const url = new URL(await tus.begin(1000))
    await tus.patch(url.href, 0, 'a'.repeat(100))
    first.kill('SIGKILL')
    await first.ended
    const [file = ''] = await home.files()
    await appendFile(file, Buffer.alloc(400))
    await writeFile(path.join(home.dataDir, 'boot-id'), 'another boot\n')
    for (let n = 0; n < 2; n++) {
      const server = await home.start()
      const head = await tusClient(server.url, `Token ${ADMIN_KEY}`).head(server.url + url.pathname)
      expect(head.headers.get('upload-offset')).toBe('100')
      server.kill('SIGTERM')
      await server.ended
    }
  })
})

describe('a COMMIT whose answer is lost', () => {
  async function startLossy(): Promise<{ server: TestServer; database: LossyDatabase }> {
    const database = await openLossyDatabase()
    return { server: await start({ replaced: { database } }), database }
  }

  it.each([
    ['of the creation', /insert into uploads/, 'create'],
    ['that makes it receiving', /update "uploads" set "state"/, 'create'],
    ['of the last byte', /update "uploads" set .*"state"/, 'patch'],
    ['of the promotion', /state = 'promoted'/, 'patch'],
    ['of an offset', /update "uploads" set .*"offset"/, 'part'],
  ] as const)('%s changes nothing for the client', async (_name, statement, when) => {
    const { server, database } = await startLossy()
    const tus = tusClient(server.url, server.admin)
    if (when === 'create') database.loseAnswerTo(statement)
    const url = await tus.begin(5)
    if (when === 'part') database.loseAnswerTo(statement)
    expect((await tus.patch(url, 0, 'hel')).status).toBe(204)
    if (when === 'patch') database.loseAnswerTo(statement)
    expect((await tus.patch(url, 3, 'lo')).status).toBe(204)
    expect(await records(server)).toBe(1)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toMatch(/^landfall_open_uploads 0$/m)
  })

  it('of a removal changes nothing for the client', async () => {
    const { server, database } = await startLossy()
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(5)
    database.loseAnswerTo(/set state = \$/)
    expect((await tus.remove(url)).status).toBe(204)
    expect((await tus.head(url)).status).toBe(410)
    expect(await filesBelow(path.join(server.dataDir, 'files'))).toEqual([])
  })
})

describe('an upload whose bytes are all there', () => {
  it('is finished by whoever looks at it, when its end was cut off', async () => {
    let failing = false
    const server = await start({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          async append(key, offset) {
            if (failing) throw new Fault('unavailable')
            return storage.append(key, offset)
          },
        }),
      },
    })
    const tus = tusClient(server.url, server.admin)
    const url = (await tus.create({ 'Upload-Defer-Length': '1' })).headers.get('location') ?? ''
    await tus.patch(url, 0, 'hello')
    failing = true
    expect((await tus.patch(url, 5, '', { 'Upload-Length': '5' })).status).toBe(503)
    failing = false
    const head = await tus.head(url)
    expect(head.status).toBe(200)
    expect(head.headers.get('landfall-media-file')).not.toBeNull()
    expect(await records(server)).toBe(1)
  })

  it('is finished by the sweep, when nobody looks', async () => {
    let failing = false
    let ahead = 0
    const server = await start({
      replaced: {
        now: () => new Date(Date.now() + ahead),
        wrapStorage: (storage) => ({
          ...storage,
          async append(key, offset) {
            if (failing) throw new Fault('unavailable')
            return storage.append(key, offset)
          },
        }),
      },
    })
    const tus = tusClient(server.url, server.admin)
    const url = (await tus.create({ 'Upload-Defer-Length': '1' })).headers.get('location') ?? ''
    await tus.patch(url, 0, 'hello')
    failing = true
    await tus.patch(url, 5, '', { 'Upload-Length': '5' })
    failing = false
    ahead = 120_000
    expect((await server.landfall.sweep()).finished).toBe(1)
    expect(await records(server)).toBe(1)
  })

  it('does not lose a try to trouble that is not its own', async () => {
    let failing = true
    const server = await start({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          async finalise(...given) {
            if (failing) throw new Fault('unavailable')
            await storage.finalise(...given)
          },
        }),
      },
    })
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(5)
    expect((await tus.patch(url, 0, 'hello')).status).toBe(423)
    for (let n = 0; n < 4; n++) expect((await tus.head(url)).status).toBe(423)
    failing = false
    expect((await tus.head(url)).status).toBe(200)
    expect(await records(server)).toBe(1)
  })

  it('waits for an inspector that cannot be started', async () => {
    const { execPath } = process
    process.execPath = '/no/such/program'
    let server: TestServer
    let tus: TusClient
    let url: string
    try {
      server = await start()
      tus = tusClient(server.url, server.admin)
      url = await tus.begin(5)
      expect((await tus.patch(url, 0, 'hello')).status).toBe(423)
      for (let n = 0; n < 3; n++) expect((await tus.head(url)).status).toBe(423)
    } finally {
      process.execPath = execPath
    }
    expect((await tus.head(url)).status).toBe(200)
    expect(await records(server)).toBe(1)
  })

  it('is let go of by a repeated last request that does not end', async () => {
    const server = await start()
    const tus = tusClient(server.url, server.admin)
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'hello')
    const raw = await openRaw(server.url)
    raw.send(
      [
        `PATCH ${new URL(url).pathname} HTTP/1.1`,
        'Host: x',
        `Authorization: ${server.admin}`,
        'Tus-Resumable: 1.0.0',
        `Content-Type: ${BODY_TYPE}`,
        'Upload-Offset: 5',
        'Transfer-Encoding: chunked',
        'Expect: 100-continue',
        '',
        '',
      ].join('\r\n'),
    )
    expect((await raw.answer()).status).toBe(100)
    const answers = await Promise.all([tus.head(url), tus.head(url), tus.head(url)])
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200])
    raw.reset()
  })
})

describe('what is left on disk', () => {
  it('is nothing when the sweep overtakes a creation', async () => {
    let ahead = 0
    let sweepNow: (() => Promise<unknown>) | undefined
    const server = await start({
      replaced: {
        now: () => new Date(Date.now() + ahead),
        wrapStorage: (storage) => ({
          ...storage,
          async create(key) {
            ahead = 120_000
            await sweepNow?.()
            await storage.create(key)
          },
        }),
      },
    })
    sweepNow = () => server.landfall.sweep()
    const tus = tusClient(server.url, server.admin)
    expect((await tus.create({ 'Upload-Length': '5' })).status).toBe(410)
    expect(await filesBelow(path.join(server.dataDir, 'files'))).toEqual([])
  })

  it('is nothing of a put that a crash cut short, after a sweep', async () => {
    let ahead = 0
    const server = await start({ replaced: { now: () => new Date(Date.now() + ahead) } })
    const folder = path.join(server.dataDir, 'files', '.tmp')
    await writeFile(path.join(folder, 'half-a-manifest'), '{"half":')
    await server.landfall.sweep()
    // It may be one that is being written right now.
    expect(await filesBelow(folder)).toHaveLength(1)
    ahead = 120_000
    await server.landfall.sweep()
    expect(await filesBelow(folder)).toEqual([])
  })

  it('is nothing when a put fails', async () => {
    const server = await start()
    const root = path.join(server.dataDir, 'files')
    const storage = await openDiskStorage({ root, durability: 'process' })
    await storage.create('taken')
    await expect(storage.put('taken/below', Buffer.from('x'))).rejects.toMatchObject({
      reason: 'unavailable',
    })
    expect(await filesBelow(path.join(root, '.tmp'))).toEqual([])
  })
})

describe('the first start', () => {
  it('does not make a key that it cannot show', async () => {
    const blocker = createServer()
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
    const address = blocker.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const home = await createHome('embedded')
    const database = await openTestDatabase('embedded')
    undo.push(home.remove, database.close)
    const log = createLog({ level: 'silent' })
    const env = { DATA_DIR: home.dataDir, PORT: String(address.port) }
    // Closing it would close the database too, which the next start needs.
    const kept = { ...database, close: async () => {} }
    const first = await compose(readConfig(env), { log, database: kept })
    await expect(first.listen()).rejects.toThrow('EADDRINUSE')
    await first.close()
    await new Promise((resolve) => blocker.close(resolve))
    const second = await compose(readConfig({ ...env, PORT: '0' }), { log, database: kept })
    expect((await second.listen()).adminKey).toMatch(/^lf_/)
    await second.close()
  })
})
