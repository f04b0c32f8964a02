import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { ended } from '../support/alive.ts'
import { createPostgresDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { openRaw } from '../support/raw.ts'
import { BODY_TYPE, tusClient } from '../support/tus.ts'

const root = path.resolve(import.meta.dirname, '../..')

let dataDir: string
let database: { url: string; drop(): Promise<void> }
let running: Program[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'landfall-workers-'))
  database = await createPostgresDatabase()
})
afterEach(async () => {
  for (const { child } of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  running = []
})
afterAll(async () => {
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

interface Program {
  child: ChildProcess
  stdout(): string
  /** Lines of the log, parsed, and lines that are none as they are. */
  log(): { pid?: number; msg?: string; [key: string]: unknown }[]
  stderr(): string
  exit: Promise<number | null>
}

/** `npm start` without npm, in an environment of nothing but this. */
function start(env: Record<string, string>): Program {
  const child = spawn(process.execPath, [path.join(inject('compiled'), 'src/main.js')], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      PORT: '0',
      WORKERS: '2',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk) => {
    written.stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    written.stderr += chunk
  })
  const program = {
    child,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    log: () =>
      written.stderr
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
    exit: once(child, 'close').then(([code]) => code as number | null),
  }
  running.push(program)
  return program
}

/** Resolves when all workers serve, with where. */
async function serving(program: Program): Promise<string> {
  const serves = /serving at (http:\S+)\n/
  await expect
    .poll(() => serves.test(program.stdout()) || program.child.exitCode !== null, {
      timeout: 60_000,
    })
    .toBe(true)
  const [, url] = serves.exec(program.stdout()) ?? []
  if (url === undefined) throw new Error(`it did not start: ${program.stderr()}`)
  return url
}

/** The processes that have answered so far, by their lines in the log. */
async function workersOf(program: Program, url: string): Promise<number[]> {
  const pids = () => [
    ...new Set(
      program
        .log()
        .filter(({ msg }) => msg === 'request')
        .map(({ pid }) => pid ?? 0),
    ),
  ]
  // Each fetch without keep-alive is a connection of its own, and goes to the next worker.
  await expect
    .poll(async () => {
      await fetch(`${url}/healthz`, { headers: { Connection: 'close' } })
      return pids().length
    })
    .toBeGreaterThanOrEqual(2)
  return pids()
}

const countOf = (text: string, line: RegExp) => Number(line.exec(text)?.[1] ?? Number.NaN)

describe('WORKERS=2', () => {
  it('serves from two processes at one port, sums their figures, and outlives a killed one', {
    timeout: 180_000,
  }, async () => {
    const program = start({ SHUTDOWN_TIMEOUT: '10s' })
    const url = await serving(program)
    const key = /lf_\S+/.exec(program.stdout())?.[0] ?? ''
    expect(program.stdout().match(/lf_/g)).toHaveLength(1)
    expect(program.stdout()).toContain('2 processes')
    const [killed = 0] = await workersOf(program, url)
    expect(killed).not.toBe(program.child.pid)

    const tus = tusClient(url, `Token ${key}`)
    const bytes = randomBytes(30_000)
    for (let n = 0; n < 6; n++) {
      const made = await tus.create({ 'Upload-Length': String(bytes.length), Connection: 'close' })
      const to = made.headers.get('location') ?? ''
      const sent = await tus.patch(to, 0, bytes.subarray(0, 20_000), { Connection: 'close' })
      expect(sent.status).toBe(204)
      if (n > 0) expect((await tus.patch(to, 20_000, bytes.subarray(20_000))).status).toBe(204)
    }
    const figures = async () => (await fetch(`${url}/metrics`)).text()
    const received = /^landfall_bytes_received_total\{door="tus"\} (\d+)$/m
    const before = await figures()
    expect(countOf(before, received)).toBe(6 * bytes.length - 10_000)
    expect(
      countOf(before, /^landfall_uploads_total\{door="tus",outcome="published"\} (\d+)$/m),
    ).toBe(5)
    expect(countOf(before, /^landfall_promotion_seconds_count (\d+)$/m)).toBe(5)
    // Every process counts all of them.
    expect(countOf(before, /^landfall_open_uploads (\d+)$/m)).toBe(1)

    // One of them dies in the middle of a body.
    const open = await tus.begin(1000)
    const raw = await openRaw(url)
    raw.send(
      `PATCH ${new URL(open).pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: Token ${key}\r\n` +
        `Tus-Resumable: 1.0.0\r\nContent-Type: ${BODY_TYPE}\r\nUpload-Offset: 0\r\n` +
        'Content-Length: 1000\r\n\r\nabcde',
    )
    process.kill(killed, 'SIGKILL')
    expect(await ended(killed)).toBe(true)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    await expect
      .poll(() => program.log().filter(({ msg }) => msg?.includes('another one takes its place')))
      .toEqual([expect.objectContaining({ worker: killed, signal: 'SIGKILL' })])
    await expect
      .poll(async () => (await workersOf(program, url)).filter((pid) => pid !== killed).length, {
        timeout: 60_000,
      })
      .toBe(2)
    expect(countOf(await figures(), received)).toBeGreaterThanOrEqual(6 * bytes.length - 10_000)
    const offset = Number((await tus.head(open)).headers.get('upload-offset'))
    expect([0, 5]).toContain(offset)
    expect((await tus.patch(open, offset, 'f'.repeat(1000 - offset))).status).toBe(204)

    const workers = (await workersOf(program, url)).filter((pid) => pid !== killed)
    program.child.kill('SIGTERM')
    expect(await program.exit).toBe(0)
    for (const pid of workers) expect(await ended(pid)).toBe(true)
    expect(program.stdout().match(/lf_/g)).toHaveLength(1)
    expect(program.log().filter(({ level }) => level === 'fatal')).toEqual([])
  })

  it('stops as one server does: bodies are stored and answered 503, also when all are signalled', {
    timeout: 120_000,
  }, async () => {
    const admin = 'the-key-of-the-operator'
    const program = start({
      ADMIN_TOKEN: admin,
      PORT: String(await freePort()),
      MAX_CONNECTIONS: '20',
    })
    const url = await serving(program)
    expect(program.stdout()).not.toContain('lf_')
    const tus = tusClient(url, `Token ${admin}`)
    const to = await tus.begin(1000)
    const bodies = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const upload = await tus.begin(1000)
        const raw = await openRaw(url)
        raw.send(
          `PATCH ${new URL(upload).pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: Token ${admin}\r\n` +
            `Tus-Resumable: 1.0.0\r\nContent-Type: ${BODY_TYPE}\r\nUpload-Offset: 0\r\n` +
            'Content-Length: 1000\r\n\r\n12345',
        )
        const id = upload.slice(upload.lastIndexOf('/') + 1)
        const file = path.join(dataDir, 'files', id.slice(0, 2), id)
        await expect.poll(async () => (await stat(file)).size).toBe(5)
        return raw
      }),
    )
    expect((await tus.patch(to, 0, 'abc')).status).toBe(204)
    const workers = await workersOf(program, url)
    // Twenty for each of the two; who is one too many is not handed from one to the other for ever.
    const many = await Promise.all(Array.from({ length: 60 }, () => openRaw(url)))
    let closed = 0
    for (const { closed: end } of many) void end.then(() => closed++)
    await expect.poll(() => closed, { timeout: 20_000 }).toBeGreaterThanOrEqual(60 - 2 * 20)
    for (const { socket } of many) socket.destroy()
    await expect.poll(() => closed).toBe(60)
    // As Ctrl-C on a terminal and systemd do it.
    for (const pid of [...workers, program.child.pid ?? 0]) process.kill(pid, 'SIGTERM')
    for (const raw of bodies) {
      const answer = await raw.answer()
      expect([answer.status, answer.headers['upload-offset']]).toEqual([503, '5'])
    }
    expect(await program.exit).toBe(0)
  })

  it('ends with the port taken, with nothing said but why', { timeout: 60_000 }, async () => {
    const taken = await openServer()
    try {
      const program = start({ PORT: String(taken.port) })
      expect(await program.exit).toBe(1)
      expect(program.stderr()).toMatch(/EADDRINUSE/)
      expect(program.stdout()).toBe('')
    } finally {
      taken.close()
    }
  })

  it('is refused with the embedded database, before anything is started', async () => {
    const program = start({ DATABASE_URL: '' })
    expect(await program.exit).toBe(78)
    expect(program.stderr()).toMatch(/WORKERS: 2 processes cannot share the embedded database/)
  })
})

async function openServer(): Promise<{ port: number; close(): void }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, close: () => server.close() }
}
