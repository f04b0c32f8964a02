import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import {
  answered,
  type ChunkedClient,
  type ChunkedUpload,
  chunk,
  chunkedClient,
  digest,
  formOf,
} from '../support/chunked.ts'
import { serversOnS3 } from '../support/s3.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

let server: TestServer
let client: ChunkedClient
afterEach(() => server.close())

async function start(
  env: Record<string, string>,
  replaced: TestServerOptions['replaced'] = {},
): Promise<void> {
  server = await startServer({ env, replaced })
  client = await newClient()
}

async function newClient(role: 'user' | 'staff' | 'admin' = 'user'): Promise<ChunkedClient> {
  return chunkedClient(server.url, (await server.accounts.add(role)).authorization)
}

async function files(): Promise<string[]> {
  const root = path.join(server.dataDir, 'files')
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
}

describe('CHUNKED_PATH', () => {
  it('moves the door and its URLs', async () => {
    await start({ CHUNKED_PATH: '/up/load/' })
    const base = `${server.url}/up/load`
    const init = {
      headers: { 'Content-Range': 'bytes 0-4/5' },
      body: formOf({ file: chunk('hello') }),
    }
    const [status, upload] = await answered(client.call('PUT', base, init))
    expect([status, (upload as ChunkedUpload).url.startsWith(`${base}/`)]).toEqual([200, true])
    expect((await client.show((upload as ChunkedUpload).url)).offset).toBe(5)
    expect((await client.call('GET', '')).status).toBe(404)
  })
})

describe('CHUNKED_STORAGE_PATH and the endings', () => {
  it('name the bytes while and after they arrive', async () => {
    await start(
      {
        CHUNKED_STORAGE_PATH: 'watched/%Y-%j/%H%M',
        CHUNKED_INCOMPLETE_EXT: '.arriving',
        CHUNKED_COMPLETE_EXT: '.bin',
      },
      { now: () => new Date('2026-02-01T03:04:05Z') },
    )
    const { id, url } = await client.begin('hello', 5)
    expect(await files()).toEqual([`watched/2026-032/0304/${id}.arriving`])
    const done = (await (await client.post(url, { md5: digest('hello') })).json()) as ChunkedUpload
    expect(await files()).toEqual([`watched/2026-032/0304/${id}.bin`])
    expect(await (await fetch(done.file ?? '')).text()).toBe('hello')
  })

  it('that are the same rename nothing', async () => {
    await start({ CHUNKED_INCOMPLETE_EXT: '.bin', CHUNKED_COMPLETE_EXT: '.bin' })
    const { id, url } = await client.begin('hello', 5)
    const before = await files()
    expect(before[0]).toMatch(new RegExp(`/${id}.bin$`))
    expect((await client.post(url, { md5: digest('hello') })).status).toBe(200)
    expect(await files()).toEqual(before)
  })
})

describe('CHUNKED_CHECKSUM', () => {
  // The last one's state cannot be kept between requests: its bytes are read once at the end, which
  // a store of objects does not allow.
  const readAgain = serversOnS3 ? [] : ['sha512-256']
  it.each(['sha256', 'sha1', 'sha3-256', 'blake2b512', ...readAgain])('can be %s', async (name) => {
    await start({ CHUNKED_CHECKSUM: name })
    const bytes = randomBytes(300_000)
    const { url } = await client.begin(bytes.subarray(0, 100_000), bytes.length)
    for (const [from, to] of [
      [100_000, 199_999],
      [200_000, 299_999],
    ] as const) {
      const file = chunk(bytes.subarray(from, to + 1))
      expect((await client.put(url, `bytes ${from}-${to}/300000`, { file })).status).toBe(200)
    }
    const refusal = { detail: `Checksum of type '${name}' is required` }
    expect(await answered(client.post(url, { md5: digest(bytes) }))).toEqual([400, refusal])
    const wrong = digest('x', name)
    expect(await answered(client.post(url, { [name]: wrong }))).toEqual([
      400,
      { detail: 'checksum does not match' },
    ])
    const right = digest(bytes, name).toUpperCase()
    expect((await client.post(url, { [name]: right })).status).toBe(200)
  })

  it('leaves the ancestor its md5, whoever began the upload', async () => {
    await start({ CHUNKED_CHECKSUM: 'sha256' })
    const { id } = await client.begin('hello', 5)
    const posted = await answered(client.post('', { file: chunk('hello') }))
    const { upload_id } = posted[1] as { upload_id: string }
    for (const each of [id, upload_id]) {
      const fields = { upload_id: each, md5: digest('hello') }
      expect((await client.post('complete', fields)).status).toBe(200)
    }
  })
})

describe('CHUNKED_FIELD_NAME', () => {
  it('is where the chunk is looked for', async () => {
    await start({ CHUNKED_FIELD_NAME: 'the_file' })
    const range = 'bytes 0-4/5'
    expect((await client.put('', range, { the_file: chunk('hello') })).status).toBe(200)
    expect(await answered(client.put('', range, { file: chunk('hello') }))).toEqual([
      400,
      { detail: 'No chunk file was submitted' },
    ])
    const both = { other: chunk('a file in another field'), the_file: chunk('hello') }
    expect((await client.put('', range, both)).status).toBe(200)
  })
})

describe('CHUNKED_MAX_BYTES', () => {
  it.each([
    ['CHUNKED_MAX_BYTES', { CHUNKED_MAX_BYTES: '1000', UPLOAD_MAX_SIZE: '2000' }],
    ['UPLOAD_MAX_SIZE', { CHUNKED_MAX_BYTES: '2000', UPLOAD_MAX_SIZE: '1000' }],
  ])('limits together with UPLOAD_MAX_SIZE, here %s', async (_, env) => {
    await start(env)
    const refusal = [400, { detail: 'Size of file exceeds the limit (1000 bytes)' }]
    const file = chunk('hello')
    expect(await answered(client.put('', 'bytes 0-4/1001', { file }))).toEqual(refusal)
    expect((await client.put('', 'bytes 0-4/1000', { file })).status).toBe(200)
    const range = { 'Content-Range': 'bytes 0-4/1001' }
    expect(await answered(client.post('', { file }, range))).toEqual(refusal)
    const whole = { md5: 'x', file: chunk('x'.repeat(1001)) }
    expect(await answered(client.post('', whole))).toEqual(refusal)
    expect(await client.list()).toHaveLength(1)
  })
})

describe('CHUNKED_USER_RESTRICTED', () => {
  it("true: a list has only its caller's uploads, for staff too", async () => {
    await start({})
    const { id } = await client.begin('hello', 10)
    const staff = await newClient('staff')
    expect(await staff.list()).toEqual([])
    expect((await staff.show(id)).offset).toBe(5)
    expect((await (await newClient()).call('GET', id)).status).toBe(404)
  })

  it('false: every user sees and completes every upload, and ends none but their own', async () => {
    await start({ CHUNKED_USER_RESTRICTED: 'false' })
    const { id, url } = await client.begin('hello', 10)
    const other = await newClient()
    expect((await other.list()).map((each) => each.id)).toEqual([id])
    expect((await other.put(url, 'bytes 5-9/10', { file: chunk('world') })).status).toBe(200)
    expect((await other.call('DELETE', url)).status).toBe(403)
    expect((await other.post(url, { md5: digest('helloworld') })).status).toBe(200)
    expect((await client.show(url)).status).toBe(2)
    expect((await chunkedClient(server.url, null).call('GET', url)).status).toBe(401)
    const tus = await tusClient(server.url, server.admin).begin(10)
    expect((await other.call('GET', tus.split('/').at(-1))).status).toBe(404)
  })

  it('false: shares with users, and with nobody who has no token', async () => {
    await start({ CHUNKED_USER_RESTRICTED: 'false', ALLOW_ANONYMOUS_UPLOADS: 'true' })
    await client.begin('hello', 10)
    expect(await chunkedClient(server.url, null).list()).toEqual([])
  })

  it('lets nobody list what belongs to nobody', async () => {
    await start({ ALLOW_ANONYMOUS_UPLOADS: 'true' })
    const anonymous = chunkedClient(server.url, null)
    const { url, user } = await anonymous.begin('hello', 5)
    expect(user).toBe(null)
    expect(await anonymous.list()).toEqual([])
    expect((await anonymous.post(url, { md5: digest('hello') })).status).toBe(200)
  })
})

describe('CHUNKED_EXPIRATION', () => {
  it('counts from the creation, whatever arrives, and ends bytes and all', async () => {
    let ahead = 0
    const now = () => new Date(Date.now() + ahead)
    await start({ CHUNKED_EXPIRATION: '2h', UPLOAD_EXPIRES_AFTER: '1s' }, { now })
    const { url, expires, created_at } = await client.begin('hello', 15)
    expect(Date.parse(expires) - Date.parse(created_at)).toBe(2 * 3_600_000)
    ahead = 1.5 * 3_600_000
    const next = await answered(client.put(url, 'bytes 5-9/15', { file: chunk('world') }))
    expect(next).toMatchObject([200, { expires }])
    ahead = 2.1 * 3_600_000
    const gone = [410, { detail: 'Upload has expired' }]
    const last = () => client.put(url, 'bytes 10-14/15', { file: chunk('again') })
    expect(await answered(last())).toEqual(gone)
    expect(await client.list()).toEqual([])
    await server.landfall.sweep()
    expect(await files()).toEqual([])
    expect(await answered(last())).toEqual(gone)
    expect(await answered(client.post(url, { md5: 'x' }))).toEqual(gone)
  })

  it('is UPLOAD_EXPIRES_AFTER where it is not set', async () => {
    await start({ UPLOAD_EXPIRES_AFTER: '3h' })
    const { expires, created_at } = await client.begin('hello', 15)
    expect(Date.parse(expires) - Date.parse(created_at)).toBe(3 * 3_600_000)
  })
})

describe('other settings', () => {
  it('refuse a file of a type that is not accepted with 400, as early as it shows', async () => {
    await start({ ACCEPTED_FILE_FORMATS: 'image' })
    const [status] = await answered(
      client.put('', 'bytes 0-4/5', { file: chunk('hello', 'a.zip') }),
    )
    expect(status).toBe(400)
    const zip = Buffer.concat([Buffer.from('PK\x03\x04'), randomBytes(20_000)])
    const [early] = await answered(
      client.put('', 'bytes 0-20003/40000', { file: chunk(zip, 'a.png') }),
    )
    expect(early).toBe(400)
    const { url } = await client.begin('hello', 5, 'a.png')
    expect((await client.post(url, { md5: digest('hello') })).status).toBe(400)
    expect((await client.call('GET', url)).status).toBe(400)
    expect(await client.list()).toEqual([])
    expect(await files()).toEqual([])
  })

  it('keep to the quota of a user', async () => {
    await start({ USER_MAX_BYTES: '1000', USER_MAX_OPEN_UPLOADS: '2' })
    const file = chunk('hello')
    expect((await client.put('', 'bytes 0-4/1001', { file })).status).toBe(413)
    const range = { 'Content-Range': 'bytes 0-4/1001' }
    expect((await client.post('', { file }, range)).status).toBe(413)
    expect(await client.list()).toEqual([])
    await client.begin('hello', 400)
    await client.begin('hello', 400)
    const third = await client.put('', 'bytes 0-4/10', { file })
    expect([third.status, third.headers.get('retry-after')]).toEqual([429, '60'])
  })
})

describe('trouble while completing', () => {
  it('leaves nothing of a whole file, so that sending it again makes one', async () => {
    let broken = true
    await start(
      {},
      {
        wrapStorage: (storage) => ({
          ...storage,
          async finalise(...args) {
            if (broken) throw new Fault('unavailable')
            return storage.finalise(...args)
          },
        }),
      },
    )
    const whole = () =>
      client.post('', { file: { bytes: 'hello', filename: 'a.txt' }, md5: digest('hello') })
    expect((await whole()).status).toBe(503)
    broken = false
    expect((await whole()).status).toBe(200)
    const list = await client.list()
    expect(list.map((upload) => upload.status)).toEqual([2])
  })

  it('is 503, and the same request completes it afterwards', async () => {
    let broken = true
    await start(
      {},
      {
        wrapStorage: (storage) => ({
          ...storage,
          async finalise(...args) {
            if (broken) throw new Fault('unavailable')
            return storage.finalise(...args)
          },
        }),
      },
    )
    const { url } = await client.begin('hello', 5)
    const md5 = digest('hello')
    const refused = await client.post(url, { md5 })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await client.show(url)).toMatchObject({ status: 1, offset: 5 })
    broken = false
    expect(await answered(client.post(url, { md5 }))).toMatchObject([200, { status: 2 }])
    const again = await answered(client.post(url, { md5 }))
    expect(again).toEqual([400, { detail: 'Upload has already been marked as "complete"' }])
  })
})
