import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Client, Outcome } from '../../bench/client.ts'
import { startLandfall } from '../../bench/landfall.ts'
import { measureJob } from '../../bench/measured.ts'
import { bareWritev } from '../../bench/peers/bare-writev.ts'
import type { UploadServer } from '../../bench/upload-server.ts'
import { createPostgresDatabase } from '../support/database.ts'

const SIZE = 300_000

let folder: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'landfall-bench-test-'))
  file = path.join(folder, 'content.bin')
  await writeFile(file, Buffer.alloc(SIZE, 'landfall'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** In the place of the client in Go, which not every machine can build. */
const client: Client = {
  async do({ URL: uploads, Headers = {}, Size = 0 }) {
    const began = performance.now()
    const headers = { ...Headers, 'Tus-Resumable': '1.0.0' }
    const created = await fetch(uploads, {
      method: 'POST',
      headers: { ...headers, 'Upload-Length': String(Size) },
    })
    const location = new URL(created.headers.get('Location') ?? '', uploads)
    const patched = await fetch(location, {
      method: 'PATCH',
      headers: {
        ...headers,
        'Upload-Offset': '0',
        'Content-Type': 'application/offset+octet-stream',
      },
      body: Buffer.alloc(Size, 'landfall'),
    })
    expect(patched.headers.get('Upload-Offset')).toBe(String(Size))
    const seconds = (performance.now() - began) / 1000
    return { seconds, done: 1 } as Outcome
  },
}

async function filesBelow(at: string): Promise<number> {
  const entries = await readdir(at, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).length
}

/** One run against a server, and what is left of it. */
async function oneRun(server: UploadServer, data: string) {
  try {
    const job = { Mode: 'tus', URL: server.uploads, Headers: server.headers, Size: SIZE } as const
    const sample = await measureJob(client, server, { ...job, File: file })
    expect(sample.seconds).toBeGreaterThan(0)
    expect(sample.cpu).toBeGreaterThanOrEqual(0)
    // A process of Node that has started holds more than this.
    expect(sample.peakMiB).toBeGreaterThan(20)
    expect(await filesBelow(data)).toBeGreaterThan(0)
    await server.clean()
    expect(await filesBelow(data)).toBe(0)
  } finally {
    await server.stop()
  }
  expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
}

describe('one run of the benchmark', () => {
  it('measures a bare server, clears up after it, and ends it', async () => {
    const database = () => Promise.reject(new Error('it needs none'))
    const server = await bareWritev({ synced: true }).start({ cache: folder, folder, database })
    await oneRun(server, path.join(folder, 'uploads'))
  })

  it('measures Landfall as it is built, with a token and a Postgres', async () => {
    const { url: databaseUrl, drop } = await createPostgresDatabase()
    const program = path.join(inject('compiled'), 'src/main.js')
    const deps = { program, folder, name: 'landfall', databaseUrl }
    const server = await startLandfall(deps, { env: { DURABILITY: 'process' } })
    expect(server.chunks).toBe(`${server.origin}/api/chunked-uploads/`)
    await oneRun(server, path.join(server.dataDir, 'files'))
    await drop()
  })
})
