import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  answered,
  CHUNKED,
  type ChunkedClient,
  type ChunkedUpload,
  chunk,
  chunkedClient,
  digest,
  formOf,
} from '../support/chunked.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: ChunkedClient
let user: { id: number; authorization: string }

beforeAll(async () => {
  server = await startServer()
  user = await server.accounts.add('user')
  client = chunkedClient(server.url, user.authorization)
})
afterAll(() => server.close())

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$/

async function bytesOf(url: string | null): Promise<Buffer> {
  return Buffer.from(await (await fetch(url ?? '')).arrayBuffer())
}

/** `chunked_uploads/%Y/%m/%d` */
const folderOf = (created: string) =>
  path.join(server.dataDir, 'files/chunked_uploads', ...created.slice(0, 10).split('-'))

describe('an upload in chunks', () => {
  it('is what the source says it is, from the first chunk to the record', async () => {
    const bytes = randomBytes(250_000)
    const first = await client.begin(bytes.subarray(0, 100_000), bytes.length, 'naïve 😀.bin')
    expect(first).toEqual({
      id: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
      url: `${server.url}${CHUNKED}/${first.id}`,
      file: null,
      filename: 'naïve 😀.bin',
      offset: 100_000,
      created_at: expect.stringMatching(iso),
      expires: expect.stringMatching(iso),
      status: 1,
      completed_at: null,
      user: user.id,
      media_file: null,
    })
    expect(Date.parse(first.expires) - Date.parse(first.created_at)).toBe(86_400_000)
    expect(await client.show(first.url)).toEqual(first)
    const next = await client.put(first.url, 'bytes 100000-249999/250000', {
      file: bytes.subarray(100_000),
    })
    expect(await next.json()).toEqual({ ...first, offset: 250_000 })

    const last = (await (
      await client.post(first.url, { md5: digest(bytes) })
    ).json()) as ChunkedUpload
    expect(last).toEqual({
      ...first,
      offset: 250_000,
      file: expect.stringContaining(`${server.url}/media/`),
      status: 2,
      completed_at: expect.stringMatching(iso),
      media_file: expect.any(Number),
    })
    expect((await bytesOf(last.file)).equals(bytes)).toBe(true)
    expect(await client.show(first.url)).toEqual(last)
    expect(await client.list()).toEqual([last])
    const record = await fetch(`${server.url}/api/media/files/${last.media_file}`, {
      headers: { Authorization: server.admin },
    })
    expect(await record.json()).toMatchObject({ f: last.file, name: 'naïve 😀.bin', size: 250_000 })
  })

  it('works with and without slashes at the end, in every method', async () => {
    const first = await client.begin('hello', 10)
    expect((await client.show(`${first.id}/`)).offset).toBe(5)
    const next = await client.put(`${first.id}/`, 'bytes 5-9/10', { file: chunk('world') })
    expect(next.status).toBe(200)
    const headers = { Authorization: user.authorization, 'Content-Range': 'bytes 0-1/2' }
    const body = new FormData()
    body.append('file', new Blob(['hi']), 'a.bin')
    const bare = await fetch(server.url + CHUNKED, { method: 'PUT', headers, body })
    expect(bare.status).toBe(200)
    expect((await client.call('HEAD', first.id)).status).toBe(200)
  })

  it.each<[string, (md5: string) => RequestInit]>([
    ['a form', (md5) => ({ body: formOf({ md5 }) })],
    ['urlencoded', (md5) => ({ body: new URLSearchParams({ md5 }) })],
    [
      'JSON',
      (md5) => ({
        body: JSON.stringify({ md5 }),
        headers: { 'Content-Type': 'application/json' },
      }),
    ],
  ])('is completed by a digest in a body that is %s', async (_, init) => {
    const { url } = await client.begin('hello', 5)
    const [status, body] = await answered(client.call('POST', url, init(digest('hello'))))
    expect([status, (body as ChunkedUpload).status]).toEqual([200, 2])
  })

  it('takes its name from the field before or after the file, or else from the part', async () => {
    const range = 'bytes 0-4/10'
    const file = chunk('hello', 'part.bin')
    for (const [parts, name] of [
      [{ filename: 'field.bin', file }, 'field.bin'],
      [{ file, filename: 'field.bin' }, 'field.bin'],
      [{ file }, 'part.bin'],
      [{ file, filename: ' ' }, 'part.bin'],
      [{ filename: '../../etc/passwd', file }, '../../etc/passwd'],
      [{ file, filename: 'a\0b\u202e\r\n.c' }, 'ab.c'],
      [{ filename: '__proto__', file }, '__proto__'],
    ] as const) {
      const [status, body] = await answered(client.put('', range, parts))
      expect([status, (body as ChunkedUpload).filename]).toEqual([200, name])
    }
  })

  it('lies under its date with its ending, before and after it is complete', async () => {
    const { id, url, created_at } = await client.begin('hello', 5)
    const folder = folderOf(created_at)
    expect(await readdir(folder)).toContain(`${id}.part`)
    await client.post(url, { md5: digest('hello') })
    expect(await readdir(folder)).toContain(`${id}.done`)
    expect(await readdir(folder)).not.toContain(`${id}.part`)
  })

  it('is dropped by DELETE, bytes and all', async () => {
    const { id, url, created_at } = await client.begin('hello', 10)
    const folder = folderOf(created_at)
    expect((await client.call('DELETE', url)).status).toBe(204)
    expect(await readdir(folder)).not.toContain(`${id}.part`)
    const [status] = await answered(client.put(url, 'bytes 5-9/10', { file: chunk('world') }))
    expect(status).toBe(410)
    expect((await client.list()).map((each) => each.id)).not.toContain(id)
    expect((await client.call('DELETE', url)).status).toBe(410)
  })
})

describe('a whole file in one POST', () => {
  it.each(['before', 'after'])('is complete with the digest %s it', async (place) => {
    const md5 = digest('hello')
    const file = chunk('hello', 'a.txt')
    const parts = place === 'before' ? { md5, file } : { file, md5 }
    const [status, body] = await answered(client.post('', parts))
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: 2, filename: 'a.txt', offset: 5 })
    expect((await bytesOf((body as ChunkedUpload).file)).toString()).toBe('hello')
  })

  it('is one also with a Content-Range', async () => {
    const range = { 'Content-Range': 'bytes 0-4/5' }
    const parts = { file: chunk('hello'), md5: digest('hello') }
    const [status, body] = await answered(client.post('', parts, range))
    expect([status, (body as ChunkedUpload).status]).toEqual([200, 2])
  })

  it('stays open with a wrong digest, and is completed by the right one', async () => {
    const other = chunkedClient(server.url, (await server.accounts.add('user')).authorization)
    const wrong = { file: chunk('hello'), md5: digest('x') }
    expect(await answered(other.post('', wrong))).toEqual([
      400,
      { detail: 'checksum does not match' },
    ])
    const [open] = await other.list()
    expect(open).toMatchObject({ status: 1, offset: 5 })
    const [status] = await answered(other.post(open?.url ?? '', { md5: digest('hello') }))
    expect(status).toBe(200)
  })

  it('leaves nothing without a digest', async () => {
    const other = chunkedClient(server.url, (await server.accounts.add('user')).authorization)
    const parts = { file: chunk('hello'), filename: 'a.bin' }
    const refusal = { detail: "Checksum of type 'md5' is required" }
    expect(await answered(other.post('', parts))).toEqual([400, refusal])
    expect(await other.list()).toEqual([])
  })
})

describe('a raw body', () => {
  const raw = (name: string) => ({
    'Content-Type': 'application/octet-stream',
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
  })

  it('is a chunk, its name in Content-Disposition', async () => {
    const headers = { ...raw('../ü 😀.bin'), 'Content-Range': 'bytes 0-4/10' }
    const [status, body] = await answered(client.call('PUT', '', { headers, body: 'hello' }))
    expect([status, (body as ChunkedUpload).filename]).toEqual([200, 'ü 😀.bin'])
    const { url } = body as ChunkedUpload
    const next = { ...raw('x'), 'Content-Range': 'bytes 5-9/10' }
    const chunked = new Blob(['world']).stream()
    const init = { headers: next, body: chunked, duplex: 'half' } as RequestInit
    expect((await client.call('PUT', url, init)).status).toBe(200)
    expect((await client.post(url, { md5: digest('helloworld') })).status).toBe(200)
  })

  it.each([
    ['attachment; filename="a.bin"', 'a.bin'],
    [Buffer.from('attachment; filename="naïve.bin"').toString('latin1'), 'naïve.bin'],
    ['attachment; filename="C:\\\\x\\\\a.bin"', 'a.bin'],
    ['attachment; filename="', ''],
    ['', ''],
  ])('has its name from %j', async (disposition, name) => {
    const headers = { 'Content-Disposition': disposition, 'Content-Range': 'bytes 0-4/10' }
    const body = new Blob(['hello'])
    const [status, upload] = await answered(client.call('PUT', '', { headers, body }))
    expect([status, (upload as ChunkedUpload).filename]).toEqual([200, name])
  })

  it.each([
    ['hel', 'file size is 3 but 5 reported'],
    ['hello!', 'file size is 6 but 5 reported'],
  ])('of %j is no chunk of 5 bytes', async (text, words) => {
    const { url } = await client.begin('hello', 10)
    const headers = { ...raw('x'), 'Content-Range': 'bytes 5-9/10' }
    const [status, body] = await answered(client.call('PUT', url, { headers, body: text }))
    expect([status, body]).toEqual([400, { detail: expect.stringContaining(words) }])
    expect((await client.show(url)).offset).toBe(5)
  })

  it('of unknown length is stored only where it is as long as its range', async () => {
    const { url } = await client.begin('hello', 20)
    const headers = { ...raw('x'), 'Content-Range': 'bytes 5-9/20' }
    for (const [text, words] of [
      ['wor', 'file size is 3 but 5 reported'],
      ['world!', 'file size is more than 5 but 5 reported'],
    ]) {
      const body = new Blob([text ?? '']).stream()
      const init = { headers, body, duplex: 'half' } as RequestInit
      const [status, refusal] = await answered(client.call('PUT', url, init))
      expect([status, refusal]).toEqual([400, { detail: expect.stringContaining(words ?? '') }])
      expect((await client.show(url)).offset).toBe(5)
    }
  })

  it('without a byte, or without a range, is refused', async () => {
    const headers = { ...raw('x'), 'Content-Range': 'bytes 0-4/10' }
    expect(await answered(client.call('PUT', '', { headers }))).toEqual([
      400,
      { detail: 'No chunk file was submitted' },
    ])
    expect(await answered(client.call('PUT', '', { headers: raw('x'), body: 'hello' }))).toEqual([
      400,
      { detail: 'Error in request headers' },
    ])
  })

  it('comes from curl -T', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'landfall-curl-'))
    const bytes = randomBytes(2_000_000)
    await writeFile(path.join(folder, 'a.bin'), bytes)
    const curl = (...args: string[]) =>
      promisify(execFile)('curl', ['-sS', '-H', `Authorization: ${user.authorization}`, ...args], {
        cwd: folder,
      })
    try {
      const version = await curl('--version').catch((error: NodeJS.ErrnoException) => error.code)
      // Where there is no curl, the tests above have sent what it sends.
      if (version === 'ENOENT') return
      const put = ['-H', 'Content-Range: bytes 0-1999999/2000000', '-T', 'a.bin']
      const name = ['-H', 'Content-Disposition: attachment; filename="a.bin"']
      const { stdout } = await curl(...put, ...name, server.url + CHUNKED)
      const upload = JSON.parse(stdout) as ChunkedUpload
      expect(upload).toMatchObject({ filename: 'a.bin', offset: 2_000_000 })
      const done = await curl('-d', `md5=${digest(bytes)}`, upload.url)
      expect(JSON.parse(done.stdout)).toMatchObject({ status: 2 })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe("the ancestor's dialect", () => {
  const range = (text: string) => ({ 'Content-Range': text })
  const ids = { upload_id: expect.stringMatching(/^[\da-f]{32}$/) }

  it('takes chunks by POST and completes them, and the source sees the same upload', async () => {
    const [status, first] = await answered(
      client.post('', { file: chunk('hello', 'b.txt') }, range('bytes 0-4/10')),
    )
    const expires = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/)
    expect([status, first]).toEqual([200, { ...ids, offset: 5, expires }])
    const { upload_id } = first as { upload_id: string }
    const next = { upload_id, file: chunk('world', 'blob') }
    expect(await answered(client.post('', next, range('bytes 5-9/10')))).toEqual([
      200,
      { upload_id, offset: 10, expires },
    ])
    expect(await client.show(upload_id)).toMatchObject({ filename: 'b.txt', status: 1 })
    const done = { upload_id, md5: digest('helloworld') }
    expect(await answered(client.post('complete/', done))).toEqual([
      200,
      { upload_id, offset: 10, expires },
    ])
    expect(await client.show(upload_id)).toMatchObject({ status: 2, media_file: expect.anything() })
  })

  it('takes a small file without a range as jQuery File Upload sends it', async () => {
    const [status, first] = await answered(client.post('', { file: chunk('hello') }))
    expect([status, first]).toMatchObject([200, { offset: 5 }])
    const { upload_id } = first as { upload_id: string }
    const body = new URLSearchParams({ upload_id, md5: digest('hello') })
    expect((await client.call('POST', 'complete', { body })).status).toBe(200)
  })

  it('stores nothing of a chunk whose upload_id comes after it', async () => {
    const { id } = await client.begin('hello', 10)
    const before = await client.list()
    const late = { file: chunk('world'), upload_id: id }
    const [status] = await answered(client.post('', late, range('bytes 0-4/10')))
    expect(status).toBe(400)
    expect(await client.list()).toEqual(before)
  })

  it.each([
    ['bytes 0-4/x', 'Error in request headers'],
    ['bytes 0-5/5', 'End of chunk exceeds reported total (5 bytes)'],
    ['bytes 0-9/20', "File size doesn't match headers: file size is 5 but 10 reported"],
  ])('refuses a chunk with the range %s', async (header, detail) => {
    const before = await client.list()
    expect(await answered(client.post('', { file: chunk('hello') }, range(header)))).toEqual([
      400,
      { detail },
    ])
    expect(await client.list()).toEqual(before)
  })
})
