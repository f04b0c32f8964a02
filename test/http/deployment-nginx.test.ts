import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { Upload } from 'tus-js-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arrivedFiles } from '../support/arrived.ts'
import { type Nginx, shipped, startNginx } from '../support/nginx.ts'
import { findProgram } from '../support/programs.ts'
import { type CuttableProxy, startProxy } from '../support/proxy.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, encode, tusClient } from '../support/tus.ts'

const program = findProgram('nginx', {
  for: 'two servers behind docker/nginx.conf (test/http/deployment-nginx.test.ts)',
  from: 'apt-get install -y nginx-light',
})
const run = promisify(execFile)

describe.skipIf(program === undefined)('two servers behind docker/nginx.conf', () => {
  let server: TestServer
  let nginx: Nginx
  /** The network between clients and nginx. */
  let network: CuttableProxy

  beforeAll(async () => {
    server = await startServer({
      replicas: 2,
      env: { SERVE_WITH: 'x-accel-redirect', TRUST_PROXY: 'true' },
    })
    await chmod(server.dataDir, 0o755)
    nginx = await startNginx(program ?? '', {
      config: 'shipped',
      backend: server.replicas.map(({ url }) => url),
      files: path.join(server.dataDir, 'files'),
    })
    network = await startProxy()
    network.pointTo(nginx.url)
  })
  afterAll(async () => {
    await network?.close()
    await nginx?.close()
    await server.close()
  })

  it('is a configuration that nginx -t takes', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'landfall-nginx-t-'))
    try {
      const file = path.join(folder, 'nginx.conf')
      const backend = ['http://127.0.0.1:1', 'http://127.0.0.1:2']
      await writeFile(file, await shipped(folder, { backend, files: folder, port: 8080 }))
      const args = ['-t', '-q', '-p', folder, '-e', path.join(folder, 'log'), '-c', file]
      expect(await run(program ?? '', args)).toEqual({ stdout: '', stderr: '' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('gives requests to both of them, with headers that are long', async () => {
    const tus = tusClient(nginx.url, server.admin)
    const metadata = encode({ description: 'long '.repeat(1_700) })
    const made = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
    const url = made.headers.get('location') ?? ''
    expect(new URL(url).origin).toBe(nginx.url)
    for (let n = 0; n < 4; n++) {
      const head = await tus.head(url)
      expect([head.status, head.headers.get('upload-metadata')]).toEqual([200, metadata])
    }
    for (const { url: each } of server.replicas) {
      const figures = await (await fetch(`${each}/metrics`)).text()
      expect(figures).toContain('door="tus"')
    }
  })

  it('says nothing of health and figures to those outside', async () => {
    for (const name of ['healthz', 'readyz', 'metrics', 'metrics/']) {
      const from = (localAddress: string) => statusOf(`${nginx.url}/${name}`, localAddress)
      expect([name, await from('127.0.0.1'), await from('127.0.0.2')]).toEqual([name, 200, 403])
    }
  })

  it('keeps what came before a cut, and brings 20 MB past the end of one of them', async () => {
    const bytes = randomBytes(20_000_000)
    const begun = await tusClient(network.url, server.admin).begin(bytes.length, NAMED)
    const raw = await openRaw(network.url)
    raw.send(patchHead(begun, bytes.length, server.admin))
    raw.send(bytes.subarray(0, 8_000_000))
    // While the body is still open: nginx holds nothing back.
    const stored = path.join(server.dataDir, 'files', storagePathOf(begun))
    await expect.poll(async () => (await stat(stored)).size, { timeout: 10_000 }).toBe(8_000_000)
    network.cut()

    const offsets: number[] = []
    const done = new Promise<string>((resolve, reject) => {
      const upload = new Upload(bytes, {
        uploadUrl: begun,
        headers: { Authorization: server.admin },
        retryDelays: Array(30).fill(100),
        onBeforeRequest(sent) {
          if (sent.getMethod() === 'PATCH') offsets.push(Number(sent.getHeader('Upload-Offset')))
        },
        onSuccess: ({ lastResponse }) =>
          resolve(lastResponse.getHeader('Landfall-Media-Url') ?? ''),
        onError: reject,
      })
      upload.start()
    })
    await network.passed(12_000_000)
    await server.replicas[0]?.landfall.close()

    const url = await done
    expect(offsets[0]).toBe(8_000_000)
    expect(new URL(url).origin).toBe(network.url)
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(bytes)).toBe(true)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const left = { ...server, url: nginx.url }
    expect(await arrivedFiles(left)).toEqual([{ name: 'holiday.bin', size: 20_000_000, sha256 }])
  })
})

const NAMED = { filename: 'holiday.bin' }

function patchHead(url: string, length: number, authorization: string): string {
  const { pathname, host } = new URL(url)
  return [
    `PATCH ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: ${authorization}`,
    'Tus-Resumable: 1.0.0',
    'Upload-Offset: 0',
    `Content-Type: ${BODY_TYPE}`,
    `Content-Length: ${length}`,
    '\r\n',
  ].join('\r\n')
}

function storagePathOf(url: string): string {
  const id = url.slice(url.lastIndexOf('/') + 1)
  return path.join(id.slice(0, 2), id)
}

/** The status that a client with this address of its own gets. */
function statusOf(url: string, localAddress: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { localAddress, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    asked.on('error', reject)
    asked.end()
  })
}
