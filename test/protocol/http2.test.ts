import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Certificate, createCertificate } from '../support/certificate.ts'
import { type H2Client, h2Client } from '../support/h2.ts'
import { startServer, type TestServer } from '../support/server.ts'

const PARTIAL = { 'content-type': 'application/partial-upload' }
const VERSION = { 'upload-draft-interop-version': '10' }
const TUS = { 'tus-resumable': '1.0.0' }

let directory: string
let certificate: Certificate
let server: TestServer
let client: H2Client

const startSecure = (env: Record<string, string> = {}) =>
  startServer({
    env: {
      TLS_CERT: path.join(directory, 'cert.pem'),
      TLS_KEY: path.join(directory, 'key.pem'),
      RESUMABLE_HTTP_INTERIM: 'true',
      UPLOAD_IDLE_TIMEOUT: '1s',
      ...env,
    },
  })

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'landfall-tls-'))
  certificate = createCertificate()
  await writeFile(path.join(directory, 'cert.pem'), certificate.cert)
  await writeFile(path.join(directory, 'key.pem'), certificate.key)
  server = await startSecure()
})
afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true, force: true })
})
beforeEach(() => {
  client = h2Client(server.url, certificate.cert, server.admin)
})
afterEach(() => client.close())

const idOf = (url = '') => url.slice(url.lastIndexOf('/') + 1)

const arrived = (url: string, bytes: number) =>
  vi.waitFor(
    async () => {
      const file = path.join(server.dataDir, 'files', idOf(url).slice(0, 2), idOf(url))
      expect((await stat(file)).size).toBeGreaterThanOrEqual(bytes)
    },
    { timeout: 5000, interval: 10 },
  )

async function make(body: string, length: number): Promise<string> {
  const headers = { ...VERSION, 'upload-complete': '?0', 'upload-length': String(length) }
  const answer = await client.ask('POST', '/files/', headers, body)
  expect(answer.status).toBe(201)
  return answer.headers.location ?? ''
}

const patchHeaders = (offset: number, complete: boolean) => ({
  ...VERSION,
  ...PARTIAL,
  'upload-offset': String(offset),
  'upload-complete': complete ? '?1' : '?0',
})

describe('the IETF protocol over HTTP/2', () => {
  it('announces the upload with a 104 and answers with the record', async () => {
    const begun = client.begin(
      'POST',
      '/files/',
      { ...VERSION, 'upload-complete': '?1', 'content-disposition': 'attachment; filename=a.txt' },
      { body: true },
    )
    begun.stream.write('hello')
    await once(begun.stream, 'headers')
    expect(begun.interim[0]?.[':status']).toBe(104)
    expect(begun.interim[0]?.location).toMatch(new RegExp(`^${server.url}/files/[0-9a-f-]{36}$`))
    expect(begun.interim[0]?.['upload-limit']).toContain('max-age=')
    begun.stream.end(' world')
    const answer = await begun.answer
    expect(answer.status).toBe(201)
    expect(answer.headers['upload-complete']).toBe('?1')
    const record = JSON.parse(answer.body) as { name: string; size: number; f: string }
    expect(record).toMatchObject({ name: 'a.txt', size: 11 })
    expect(record.f).toMatch(new RegExp(`^${server.url}/media/`))
    expect((await client.ask('GET', new URL(record.f).pathname)).body).toBe('hello world')
  })

  it('tells how far a slow body has come', async () => {
    const url = await make('hello', 100_000)
    const begun = client.begin('PATCH', url, patchHeaders(5, true), { body: true })
    const timer = setInterval(() => begun.stream.write('x'.repeat(100)), 50)
    const [head] = await once(begun.stream, 'headers')
    clearInterval(timer)
    expect(head[':status']).toBe(104)
    expect(Number(head['upload-offset'])).toBeGreaterThan(5)
    expect(head.location).toBeUndefined()
    begun.stream.close()
  })

  it('keeps what arrived of a stream that is reset, and does not take it for whole', async () => {
    const headers = { ...VERSION, 'upload-complete': '?1' }
    const begun = client.begin('POST', '/files/', headers, { body: true })
    begun.stream.write('hello')
    await once(begun.stream, 'headers')
    const url = begun.interim[0]?.location ?? ''
    await arrived(url, 5)
    // `close` would end the body first, as if it were whole.
    begun.stream.destroy()
    const head = await client.ask('HEAD', url, VERSION)
    expect(head.status).toBe(204)
    expect(head.headers).toMatchObject({ 'upload-offset': '5', 'upload-complete': '?0' })
    expect(head.headers['upload-length']).toBeUndefined()
    const last = await client.ask('PATCH', url, patchHeaders(5, true), ' world')
    expect(JSON.parse(last.body)).toMatchObject({ size: 11 })
  })

  it('resets what is taken over, and no other stream of the connection', async () => {
    const url = await make('hello', 11)
    const bystander = client.begin('POST', '/files/', { 'upload-complete': '?1' }, { body: true })
    bystander.stream.write('still ')
    const slow = client.begin('PATCH', url, patchHeaders(5, true), { body: true })
    slow.stream.write(' wo')
    await arrived(url, 8)
    const head = await client.ask('HEAD', url, VERSION)
    expect(head.headers['upload-offset']).toBe('8')
    await expect(slow.answer).rejects.toThrow()
    bystander.stream.end('here')
    expect(JSON.parse((await bystander.answer).body)).toMatchObject({ size: 10 })
  })

  it('resets a stream that goes silent, and keeps its bytes and the connection', async () => {
    const url = await make('hello', 11)
    const silent = client.begin('PATCH', url, patchHeaders(5, true), { body: true })
    silent.stream.write(' wo')
    await expect(silent.answer).rejects.toThrow()
    const head = await client.ask('HEAD', url, VERSION)
    expect(head.headers['upload-offset']).toBe('8')
  })

  it('answers a refusal without reading the rest', async () => {
    const url = await make('hello', 11)
    const headers = { ...patchHeaders(3, true) }
    const answer = await client.ask('PATCH', url, headers, 'x'.repeat(8))
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.body)).toMatchObject({ 'expected-offset': 5 })
  })
})

describe('the other doors over HTTP/2', () => {
  it('tus uploads, resumes and downloads', async () => {
    const created = await client.ask('POST', '/files/', { ...TUS, 'upload-length': '11' })
    expect(created.status).toBe(201)
    const url = created.headers.location ?? ''
    expect(url).toMatch(new RegExp(`^${server.url}/files/`))
    const type = { 'content-type': 'application/offset+octet-stream' }
    const slow = client.begin(
      'PATCH',
      url,
      { ...TUS, ...type, 'upload-offset': '0' },
      { body: true },
    )
    slow.stream.write('hello')
    await arrived(url, 5)
    const head = await client.ask('HEAD', url, TUS)
    expect(head.headers['upload-offset']).toBe('5')
    const headers = { ...TUS, ...type, 'upload-offset': '5' }
    const last = await client.ask('PATCH', url, headers, ' world')
    expect(last.status).toBe(204)
    expect(last.headers['landfall-media-url']).toMatch(new RegExp(`^${server.url}/media/`))
    const part = await client.ask('GET', url, { range: 'bytes=6-' })
    expect([part.status, part.body]).toEqual([206, 'world'])
  })

  it('forms are taken and listed', async () => {
    const form = new FormData()
    form.append('f', new Blob(['hello']), 'form.txt')
    const encoded = new Response(form)
    const answer = await client.ask(
      'POST',
      '/api/media/files',
      { 'content-type': encoded.headers.get('content-type') ?? '' },
      new Uint8Array(await encoded.arrayBuffer()),
    )
    expect(answer.status).toBe(201)
    const { id } = JSON.parse(answer.body) as { id: number }
    const changed = await client.ask(
      'PATCH',
      `/api/media/files/${id}`,
      { 'content-type': 'application/json' },
      '{"name": "changed"}',
    )
    expect(JSON.parse(changed.body)).toMatchObject({ name: 'changed' })
  })

  it('a download that is reset lets go of the file, and the connection goes on', async () => {
    const bytes = 'x'.repeat(8 * 1024 * 1024)
    const made = await client.ask('POST', '/files/', { 'upload-complete': '?1' }, bytes)
    const { f } = JSON.parse(made.body) as { f: string }
    const begun = client.begin('GET', new URL(f).pathname)
    await once(begun.stream, 'response')
    begun.stream.pause()
    begun.stream.close(8)
    const whole = await client.ask('GET', new URL(f).pathname)
    expect(whole.body.length).toBe(bytes.length)
  })

  it('HTTP/1.1 clients are served on the same port', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request(`${server.url}/api/me`, {
        ca: certificate.cert,
        headers: { Authorization: server.admin },
      })
      asked.on('response', (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      asked.on('error', reject)
      asked.end()
    })
    expect(status).toBe(200)
  })

  it('every request has its line in the log, without a count of bytes', async () => {
    await client.ask('GET', '/healthz', { 'x-request-id': 'over-http2' })
    await vi.waitFor(() => {
      const line = server.logged.find(({ requestId }) => requestId === 'over-http2')
      expect(line).toMatchObject({ status: 200, method: 'GET', path: '/healthz' })
      expect(line).not.toHaveProperty('bytes')
      expect(line).not.toHaveProperty('aborted')
    })
  })
})

describe('closing', () => {
  it('waits for no idle connection, and keeps what a running body has brought', async () => {
    const other = await startSecure()
    const idle = h2Client(other.url, certificate.cert, other.admin)
    const busy = h2Client(other.url, certificate.cert, other.admin)
    await idle.ask('GET', '/healthz')
    const running = busy.begin('POST', '/files/', { 'upload-complete': '?1' }, { body: true })
    running.stream.write('hello')
    await vi.waitFor(async () => {
      const metrics = await idle.ask('GET', '/metrics')
      expect(metrics.body).toContain('landfall_open_uploads 1')
    })
    const began = performance.now()
    await other.landfall.close()
    expect(performance.now() - began).toBeLessThan(1200)
    const answer = await running.answer.catch(() => undefined)
    if (answer !== undefined) expect(answer.status).toBe(503)
    await Promise.all([idle.close(), busy.close()])
    await other.close()
  })
})
