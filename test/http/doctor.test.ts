import { once } from 'node:events'
import { chmod, chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Finding } from '../../src/commands/doctor-finding.ts'
import { checkServer, type Patience } from '../../src/commands/doctor-server.ts'
import { run } from '../../src/commands/program.ts'
import { holdDirectory } from '../../src/db/hold-directory.ts'
import { openEmbedded } from '../../src/db/pglite.ts'
import { openPostgres } from '../../src/db/postgres.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { createBucket, hasS3 } from '../support/s3.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-doctor-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Runs the command on a configuration. */
async function doctor(env: Record<string, string> = {}) {
  const stdout: string[] = []
  const stderr: string[] = []
  const code = await run(['doctor', '--json'], {
    env: { DATA_DIR: folder, ...env },
    output: { result: (line) => stdout.push(line), note: (line) => stderr.push(line) },
    terminal: false,
  })
  const findings = JSON.parse(stdout.join('')) as Finding[]
  return { code, stderr: stderr.join('\n'), ...found(findings) }
}

function found(findings: readonly Finding[]) {
  const of = (check: string) => findings.filter((finding) => finding.check === check)
  const bad = findings
    .filter(({ state }) => state !== 'ok')
    .map(({ check, state }) => [check, state])
  return { findings, of, bad }
}

describe('landfall doctor', () => {
  it('finds nothing to mend where all is well, and leaves nothing behind', async () => {
    const { code, bad, findings, stderr } = await doctor()
    expect([code, bad]).toEqual([0, []])
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        'node',
        'configuration',
        'data folder',
        'lock',
        'boot id',
        'storage',
      ]),
    )
    expect(stderr).toBe('Nothing failed, 0 warned.')
    const left = await readdir(folder, { recursive: true })
    expect(left.filter((name) => name.includes('doctor'))).toEqual([])
  })

  it('prints a line for each thing, and what to do about it', async () => {
    const lines: string[] = []
    const env = { DATA_DIR: folder, PORT: 'x' }
    const output = { result: (line: string) => lines.push(line), note: () => {} }
    expect(await run(['doctor'], { env, output, terminal: false })).toBe(1)
    expect(lines[0]).toMatch(/^ok {4}node: Node /)
    expect(lines[1]).toMatch(/^fail {2}configuration: PORT: "x".*\n {6}→ see docs/)
  })

  it('names every variable that is wrong', async () => {
    const { code, of } = await doctor({ PORT: 'x', UPLOAD_MAXSIZE: '1', MEDIA_DIGEST: 'md6' })
    expect(code).toBe(1)
    const said = of('configuration').map(({ state, text }) => `${state} ${text}`)
    for (const name of ['PORT', 'UPLOAD_MAXSIZE', 'MEDIA_DIGEST'])
      expect(said).toContainEqual(expect.stringMatching(`^fail ${name}`))
  })

  it('makes nothing where there is no data folder yet', async () => {
    const DATA_DIR = path.join(folder, 'new')
    expect((await doctor({ DATA_DIR })).bad).toEqual([])
    expect(await readdir(folder)).toEqual([])
    const file = path.join(folder, 'file')
    await writeFile(file, '')
    const { code, bad } = await doctor({ DATA_DIR: file })
    expect([code, bad]).toEqual([1, [['data folder', 'fail']]])
  })

  it('tells who else can write there, and touches nothing of another user', async () => {
    await chmod(folder, 0o777)
    expect((await doctor()).bad).toEqual([['data folder', 'warn']])
    // Only root can give a folder away; everybody else can take away their own right to write.
    if (process.getuid?.() === 0) {
      await chown(folder, 65_534, 65_534)
      const { bad, of, findings } = await doctor()
      expect([bad, of('data folder')[0]?.text]).toEqual([
        [['data folder', 'warn']],
        expect.stringContaining('belongs to user 65534'),
      ])
      expect(findings.map(({ check }) => check)).not.toContain('storage')
    } else {
      await chmod(folder, 0o555)
      expect((await doctor()).bad).toEqual([['data folder', 'fail']])
      await chmod(folder, 0o755)
    }
  })

  it('sees that a server holds the folder, and does not disturb it', async () => {
    const hold = await holdDirectory(folder)
    const { code, of } = await doctor()
    expect([code, of('lock')[0]?.text, of('database')[0]?.text]).toEqual([
      0,
      'a running server holds DATA_DIR',
      expect.stringContaining('in use by the running server'),
    ])
    await hold.release()
  })

  it('looks into an embedded database without bringing it up to date', async () => {
    const made = await openEmbedded(folder)
    await made.db.execute(sql`delete from drizzle.__drizzle_migrations where id > 1`)
    await made.close()
    const { code, of, bad } = await doctor()
    expect([code, bad]).toEqual([0, [['tables', 'warn']]])
    expect(of('database')[0]?.text).toMatch(/^embedded Postgres \d+/)
    expect(of('tables')[0]?.text).toMatch(/^\d+ migrations are missing$/)
  })

  it('touches what its help says where the server is stopped, and nothing else', async () => {
    await (await openEmbedded(folder)).close()
    for (const name of ['lock', 'boot-id']) await rm(path.join(folder, name), { force: true })
    const outside = async () => {
      const names = await readdir(folder, { recursive: true })
      return names.filter((name) => !name.startsWith('db/')).sort()
    }
    expect(await outside()).toEqual(['db'])
    expect((await doctor()).code).toBe(0)
    expect(await outside()).toEqual(['db', 'files', 'files/.tmp', 'lock'])
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const env = { DATA_DIR: folder }
    const output = { result: () => {}, note: () => {} }
    expect(await run(['doctor', '--help'], { env, output, terminal: false })).toBe(0)
    const help = written.mock.calls.join('')
    written.mockRestore()
    for (const place of ['DATA_DIR/db', 'DATA_DIR/lock', 'DATA_DIR/files'])
      expect(help).toContain(place)
  })

  it('says where the storage does not take what it is given', async () => {
    await writeFile(path.join(folder, 'files'), 'in the way')
    const { code, of } = await doctor()
    expect([code, of('storage')[0]]).toEqual([
      1,
      expect.objectContaining({ state: 'fail', mend: expect.stringContaining('files') }),
    ])
  })

  it('says where the store of S3 does not answer', async () => {
    const { code, of } = await doctor({
      STORAGE: 's3',
      S3_BUCKET: 'none',
      S3_REGION: 'us-east-1',
      S3_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    })
    expect([code, of('storage')[0]?.state]).toEqual([1, 'fail'])
  })

  it.skipIf(!hasS3)('writes, reads and removes in a bucket', async () => {
    const bucket = await createBucket()
    const { code, of } = await doctor(bucket.env)
    expect([code, of('storage')[0]?.state]).toEqual([0, 'ok'])
    expect(await bucket.keys()).toEqual([])
  })
})

describe('landfall doctor on Postgres', () => {
  let postgres: Awaited<ReturnType<typeof createPostgresDatabase>>
  beforeAll(async () => {
    postgres = await createPostgresDatabase()
  })
  afterAll(() => postgres.drop())

  it('tells version, tables, clock and connections, and what is switched off', async () => {
    const { code, of, bad } = await doctor({ DATABASE_URL: postgres.url })
    expect(code).toBe(0)
    expect(of('database')[0]?.text).toMatch(/^Postgres \d+.* answers in \d+ ms$/)
    expect(of('tables')[0]?.text).toMatch(/^up to date \(\d+ migrations\)$/)
    for (const check of ['database clock', 'database connections'])
      expect(of(check)[0]?.state).toBe('ok')
    // The database of the tests is fast and forgetful.
    expect(bad).toContainEqual(['database durability', 'warn'])
    const forgetful = await doctor({ DATABASE_URL: postgres.url, DURABILITY: 'process' })
    expect(forgetful.of('database durability')).toEqual([])
  })

  it('refuses a database of a newer version, and warns of an older one', async () => {
    const { db, close } = await openPostgres({ url: postgres.url, migrate: false })
    await db.execute(
      sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 9e12)`,
    )
    const newer = await doctor({ DATABASE_URL: postgres.url })
    expect([newer.code, newer.of('tables')[0]?.text]).toEqual([
      1,
      expect.stringContaining('by a newer Landfall'),
    ])
    await db.execute(sql`drop schema drizzle cascade`)
    const empty = await doctor({ DATABASE_URL: postgres.url })
    expect(empty.of('tables')[0]?.text).toContain('not made yet')
    await close()
  })

  it('says where it is away, without its password', async () => {
    const { code, of } = await doctor({ DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x' })
    expect([code, of('database')[0]?.text]).toEqual([1, expect.stringContaining('ECONNREFUSED')])
    expect(JSON.stringify(of('database'))).not.toContain('hunter2')
  })
})

describe('landfall doctor on a running server', () => {
  let server: TestServer
  const closers: (() => void)[] = []
  beforeAll(async () => {
    server = await startServer({ replicas: 1 })
  })
  afterAll(() => server.close())
  afterEach(() => {
    for (const close of closers.splice(0)) close()
  })

  /** Patient with what is to come, and not with what is not. */
  const patient = { arriveMs: 30_000, refusalMs: 100 }
  const ask = async (url: string, token: string | null = ADMIN_KEY, patience: Patience = patient) =>
    found(await checkServer({ url, token }, patience))

  /** A proxy between, which does to requests and answers what some do. */
  async function proxy(options: {
    headers?: Record<string, string>
    refuses?: (request: IncomingMessage) => boolean
    collectsBodies?: boolean
    collectsAnswers?: boolean
    target?: string
  }): Promise<string> {
    const pass = async (request: IncomingMessage, response: ServerResponse) => {
      if (options.refuses?.(request)) return void response.writeHead(413).end('too large')
      const body = options.collectsBodies ? await buffer(request) : request
      const { method, url } = request
      const headers = { ...request.headers, ...options.headers }
      const to = httpRequest((options.target ?? server.url) + url, { method, headers })
      to.on('error', () => response.destroy())
      request.on('error', () => to.destroy())
      response.on('close', () => to.destroy())
      to.on('response', async (answer: IncomingMessage) => {
        if (!options.collectsAnswers) {
          response.writeHead(answer.statusCode ?? 0, answer.headers)
          return void answer.pipe(response)
        }
        const all = await buffer(answer).catch(() => null)
        if (all === null) return
        response.writeHead(answer.statusCode ?? 0, answer.headers).end(all)
      })
      if (Buffer.isBuffer(body)) to.end(body)
      else body.pipe(to)
    }
    const proxying = createServer((request, response) => {
      pass(request, response).catch(() => response.destroy())
    }).listen(0, '127.0.0.1')
    await once(proxying, 'listening')
    closers.push(() => {
      proxying.closeAllConnections()
      proxying.close()
    })
    return `http://127.0.0.1:${(proxying.address() as AddressInfo).port}`
  }

  const openUploads = async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text()
    return /^landfall_open_uploads(?:\{.*\})? (\d+)$/m.exec(text)?.[1]
  }

  it('finds nothing to mend where all is well, and leaves no upload behind', async () => {
    const { bad, of } = await ask(server.url)
    expect(bad).toEqual([])
    expect(of('server token')[0]?.text).toBe('it is that of admin (admin)')
    expect(of('request buffering')[0]?.text).toContain('while it is being sent')
    expect(of('size of requests')[0]?.text).toContain('5.0 GB')
    expect(of('answer buffering')[0]?.text).toBe('events come as they happen')
    expect(await openUploads()).toBe('0')
  })

  it('asks the server of LANDFALL_URL as the command', async () => {
    const { code, of } = await doctor({ LANDFALL_URL: server.url })
    expect(code).toBe(0)
    expect(of('server')[0]?.text).toMatch(/answers in \d+ ms$/)
    expect(of('server token')[0]).toMatchObject({ state: 'warn' })
    const wrong = await doctor({ LANDFALL_URL: 'nowhere' })
    expect([wrong.code, wrong.of('server')[0]?.state]).toEqual([1, 'fail'])
  })

  it('sees a proxy that collects bodies, answers, or refuses large ones', async () => {
    const impatient = { arriveMs: 500, refusalMs: 100 }
    const collecting = await ask(await proxy({ collectsBodies: true }), ADMIN_KEY, impatient)
    expect(collecting.bad).toContainEqual(['request buffering', 'warn'])
    const holding = await ask(await proxy({ collectsAnswers: true }), ADMIN_KEY, impatient)
    expect(holding.bad).toContainEqual(['answer buffering', 'warn'])
    const limit = 20 * 1024 ** 2
    const refuses = ({ headers }: IncomingMessage) => Number(headers['content-length']) > limit
    const limited = await ask(await proxy({ refuses }), ADMIN_KEY, {
      ...patient,
      refusalMs: 3_000,
    })
    expect(limited.bad).toEqual([['size of requests', 'fail']])
    expect(limited.of('size of requests')[0]).toMatchObject({
      text: 'a proxy refuses bodies of 100.0 MB; 10.0 MB are let through',
      mend: expect.stringContaining('client_max_body_size'),
    })
    expect(await openUploads()).toBe('0')
  })

  it('sees that a server does not know by which name it is reached', async () => {
    const renaming = await ask(await proxy({ headers: { host: 'inner.example' } }))
    expect(renaming.of('proxy headers')[0]).toMatchObject({
      state: 'warn',
      text: expect.stringContaining('it calls itself http://inner.example'),
    })
    const { port } = new URL(server.url)
    const other = await ask(await proxy({ headers: { host: `127.0.0.1:${port}` } }))
    expect(other.of('proxy headers')[0]).toMatchObject({
      state: 'fail',
      mend: expect.stringMatching(/PUBLIC_URL=http:.*TRUST_PROXY=true/),
    })
  })

  it('sees that a server believes whoever sends X-Forwarded-Host', async () => {
    const trusting = await startServer({ replicas: 1, env: { TRUST_PROXY: 'true' } })
    try {
      expect((await ask(trusting.url)).bad).toEqual([['proxy headers', 'warn']])
      const setting = await proxy({
        target: trusting.url,
        headers: { 'x-forwarded-host': 'files.example', forwarded: 'for=192.0.2.1' },
      })
      const behind = await ask(setting)
      expect(behind.of('proxy headers').map(({ text }) => text)).toEqual([
        expect.stringContaining('it calls itself http://files.example'),
      ])
    } finally {
      await trusting.close()
    }
  })

  it('says what is wrong where nothing, or something else, answers', async () => {
    const nobody = await ask(`http://127.0.0.1:${await freePort()}`)
    expect(nobody.of('server')[0]?.text).toContain('does not answer (ECONNREFUSED)')
    const other = createServer((_, response) => void response.end('<h1>Welcome</h1>'))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    closers.push(() => void other.close())
    const strange = await ask(`http://127.0.0.1:${(other.address() as AddressInfo).port}`)
    expect(strange.of('server')[0]?.text).toContain('not as a Landfall')
    expect((await ask(server.url, 'nobody')).bad).toEqual([['server token', 'fail']])
  })

  it('names what a server does without', async () => {
    const broken = createServer((_, response) => {
      response.writeHead(503, { 'Content-Type': 'application/json' })
      response.end('{"status":"unavailable","unavailable":["storage"]}')
    }).listen(0, '127.0.0.1')
    await once(broken, 'listening')
    closers.push(() => void broken.close())
    const { of } = await ask(`http://127.0.0.1:${(broken.address() as AddressInfo).port}`)
    expect(of('server')[0]).toMatchObject({
      state: 'fail',
      text: expect.stringContaining('does without: "storage"'),
    })
  })
})
