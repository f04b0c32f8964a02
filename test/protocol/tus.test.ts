import { createHash, randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { BODY_TYPE, encode, TUS, type TusClient, tusClient } from '../support/tus.ts'

let server: TestServer
let tus: TusClient
let owner: { authorization: string; id: number }

beforeAll(async () => {
  server = await startServer({ env: { UPLOAD_MAX_SIZE: '10MiB' } })
  owner = await server.accounts.add('user')
  tus = tusClient(server.url, owner.authorization)
})
afterAll(() => server.close())

const idOf = (url: string) => url.slice(url.lastIndexOf('/') + 1)

async function listed(): Promise<{ count: number; results: Record<string, unknown>[] }> {
  const answer = await fetch(`${server.url}/api/media/files?limit=1000`, {
    headers: { Authorization: server.admin },
  })
  return (await answer.json()) as Awaited<ReturnType<typeof listed>>
}

async function recordsNamed(name: string) {
  return (await listed()).results.filter((record) => record.name === name)
}

describe('OPTIONS', () => {
  it('says what the door can do, without a token or a version', async () => {
    for (const path of ['/files/', '/files', '/files/some-id']) {
      const answer = await fetch(server.url + path, { method: 'OPTIONS' })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('tus-version')).toBe('1.0.0')
      expect(answer.headers.get('tus-max-size')).toBe(String(10 * 1024 * 1024))
      expect(answer.headers.get('tus-extension')?.split(',')).toEqual([
        'creation',
        'creation-with-upload',
        'creation-defer-length',
        'termination',
        'expiration',
        'checksum',
        'checksum-trailer',
        'concatenation',
        'concatenation-unfinished',
      ])
      expect(answer.headers.get('tus-checksum-algorithm')).toBe(
        'md5,sha1,sha256,sha512,crc32,crc32c',
      )
    }
  })

  it('answers a preflight', async () => {
    const answer = await fetch(`${server.url}/files/`, {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://app.example',
        'Access-Control-Request-Method': 'PATCH',
        'Access-Control-Request-Headers': 'tus-resumable,upload-offset',
      },
    })
    expect(answer.ok).toBe(true)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-allow-methods')).toContain('PATCH')
    expect(answer.headers.get('access-control-allow-headers')).toContain('Upload-Offset')
  })
})

describe('the version', () => {
  it.each([
    ['none', {}],
    ['another', { 'Tus-Resumable': '0.2.2' }],
  ])('refuses a request with %s, processing nothing', async (_name, headers) => {
    const before = await openUploads()
    const answer = await fetch(`${server.url}/files/`, {
      method: 'POST',
      headers: { Authorization: owner.authorization, 'Upload-Length': '5', ...headers },
    })
    expect(answer.status).toBe(412)
    expect(answer.headers.get('tus-version')).toBe('1.0.0')
    expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
    expect(await openUploads()).toBe(before)
  })
})

async function openUploads(): Promise<string | undefined> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return /^landfall_open_uploads (\d+)$/m.exec(text)?.[1]
}

describe('creation', () => {
  it('answers 201 with an absolute Location and the time it expires', async () => {
    const answer = await tus.create({ 'Upload-Length': '5' })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toMatch(
      new RegExp(`^${server.url}/files/[0-9a-f]{8}-[0-9a-f-]{27}$`),
    )
    expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
    const expires = new Date(answer.headers.get('upload-expires') ?? '').getTime()
    expect(expires - Date.now()).toBeGreaterThan(23 * 3600_000)
    expect(answer.headers.get('upload-offset')).toBeNull()
  })

  it.each([
    ['no length at all', {}],
    ['both lengths', { 'Upload-Length': '5', 'Upload-Defer-Length': '1' }],
    ['a defer value of 2', { 'Upload-Defer-Length': '2' }],
    ...['-1', '+5', '1e3', '0x10', '5.0', '9007199254740992', '18446744073709551616', '', 'x'].map(
      (length) => [`the length ${JSON.stringify(length)}`, { 'Upload-Length': length }] as const,
    ),
    ['the length twice', { 'Upload-Length': '5, 5' }],
  ] as [string, Record<string, string>][])('refuses %s with 400', async (_name, headers) => {
    const answer = await tus.create(headers)
    expect(answer.status).toBe(400)
    expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
  })

  it('refuses a length over the limit with 413', async () => {
    const answer = await tus.create({ 'Upload-Length': String(10 * 1024 * 1024 + 1) })
    expect(answer.status).toBe(413)
  })

  it('refuses a body of another type with 415, and takes any type without a body', async () => {
    const body = await tus.create({ 'Upload-Length': '5', 'Content-Type': 'text/plain' }, 'hello')
    expect(body.status).toBe(415)
    const none = await tus.create({ 'Upload-Length': '5', 'Content-Type': 'text/plain' })
    expect(none.status).toBe(201)
  })

  it('takes bytes along and tells the offset', async () => {
    const headers = { 'Upload-Length': '10', 'Content-Type': BODY_TYPE }
    const answer = await tus.create(headers, 'hello')
    expect(answer.status).toBe(201)
    expect(answer.headers.get('upload-offset')).toBe('5')
    const head = await tus.head(answer.headers.get('location') ?? '')
    expect(head.headers.get('upload-offset')).toBe('5')
  })

  it('finishes a whole file in one request, record included', async () => {
    const answer = await tus.create(
      {
        'Upload-Length': '5',
        'Content-Type': BODY_TYPE,
        'Upload-Metadata': encode({ filename: 'one-request.txt' }),
      },
      'hello',
    )
    expect(answer.status).toBe(201)
    expect(answer.headers.get('upload-expires')).toBeNull()
    const [record] = await recordsNamed('one-request.txt')
    expect(record).toMatchObject({ size: 5, type: 'text' })
    expect(answer.headers.get('landfall-media-file')).toBe(String(record?.id))
    expect(answer.headers.get('landfall-media-url')).toBe(record?.f)
  })

  it('finishes an upload of no bytes at once', async () => {
    const answer = await tus.create({
      'Upload-Length': '0',
      'Upload-Metadata': encode({ filename: 'nothing' }),
    })
    expect(answer.status).toBe(201)
    expect(await recordsNamed('nothing')).toMatchObject([{ size: 0, type: 'other' }])
    const head = await tus.head(answer.headers.get('location') ?? '')
    expect(head.headers.get('upload-offset')).toBe('0')
    expect(head.headers.get('upload-length')).toBe('0')
  })

  it('leaves nothing behind when the bytes do not fit the length', async () => {
    const before = await openUploads()
    const headers = { 'Upload-Length': '3', 'Content-Type': BODY_TYPE }
    expect((await tus.create(headers, 'hello')).status).toBe(413)
    expect(await openUploads()).toBe(before)
  })
})

describe('metadata', () => {
  it('comes back byte for byte', async () => {
    const metadata = 'filename aGVsbG8udHh0,empty,constructor eA==,__proto__ eQ==,filetype dGV4dA=='
    const answer = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
    expect(answer.status).toBe(201)
    const head = await tus.head(answer.headers.get('location') ?? '')
    expect(head.headers.get('upload-metadata')).toBe(metadata)
  })

  it.each([
    ['a key twice', 'a YQ==,a YQ=='],
    ['bad base64', 'a !!!'],
    ['base64 without its padding', 'a YQ'],
    ['a key that is not ASCII', 'n\u00e4me YQ=='],
    ['an empty key', 'a YQ==,,b YQ=='],
    ['more than 16 KiB', `a ${'QUFB'.repeat(4200)}`],
  ])('refuses %s with 400', async (_name, metadata) => {
    const answer = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
    expect(answer.status).toBe(400)
  })

  it('takes 16 KiB', async () => {
    const metadata = `a ${'QUFB'.repeat(4095)}`
    const answer = await tus.create({ 'Upload-Length': '5', 'Upload-Metadata': metadata })
    expect(answer.status).toBe(201)
  })

  it('keeps strange names as labels', async () => {
    const names = ['../../etc/passwd', 'C:\\x', 'a\r\nb', 'n\0l', '\u202egnp.exe', 'CON', '😀.txt']
    for (const filename of names) {
      const answer = await tus.create(
        {
          'Upload-Length': '5',
          'Content-Type': BODY_TYPE,
          'Upload-Metadata': encode({ filename, description: 'odd' }),
        },
        'hello',
      )
      expect(answer.status).toBe(201)
      const url = answer.headers.get('landfall-media-url') ?? ''
      const bytes = await fetch(url)
      expect(bytes.status).toBe(200)
      expect(await bytes.text()).toBe('hello')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there.
      expect(bytes.headers.get('content-disposition')).not.toMatch(/[\x00-\x1f/\\]/)
    }
    const shown = (await listed()).results.filter((r) => r.description === 'odd')
    expect(shown.map((r) => r.name).sort()).toEqual(
      names.map((name) => name.replaceAll('\0', '\ufffd')).sort(),
    )
  })

  it('verifies a digest of the whole file and refuses one that differs with 460', async () => {
    const bytes = randomBytes(300_000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const md5 = createHash('md5').update(bytes).digest('hex').toUpperCase()
    const good = await tus.begin(bytes.length, { filename: 'digest-good', sha256, md5 })
    expect((await tus.patch(good, 0, bytes)).status).toBe(204)
    expect(await recordsNamed('digest-good')).toMatchObject([{ digest: `sha256:${sha256}` }])

    const bad = await tus.begin(bytes.length, { filename: 'digest-bad', sha256: '0'.repeat(64) })
    expect((await tus.patch(bad, 0, bytes)).status).toBe(460)
    expect(await recordsNamed('digest-bad')).toEqual([])
    expect((await tus.head(bad)).status).toBe(460)
    const malformed = { 'Upload-Length': '1', 'Upload-Metadata': encode({ sha256: 'xyz' }) }
    expect((await tus.create(malformed)).status).toBe(400)
  })
})

describe('PATCH', () => {
  it('stores bytes in several requests and finishes with a record', async () => {
    const bytes = randomBytes(1_000_000)
    const url = await tus.begin(bytes.length, { filename: 'pieces.bin' })
    let offset = 0
    for (const end of [1, 400_000, 999_999]) {
      const answer = await tus.patch(url, offset, bytes.subarray(offset, end))
      expect(answer.status).toBe(204)
      expect(answer.headers.get('upload-offset')).toBe(String(end))
      expect(answer.headers.get('upload-expires')).not.toBeNull()
      offset = end
    }
    expect(await recordsNamed('pieces.bin')).toEqual([])
    const last = await tus.patch(url, offset, bytes.subarray(offset))
    expect(last.status).toBe(204)
    expect(last.headers.get('upload-expires')).toBeNull()
    const stored = await fetch(last.headers.get('landfall-media-url') ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)
    expect(await recordsNamed('pieces.bin')).toHaveLength(1)
  })

  it('answers the last request again when its answer was lost', async () => {
    const url = await tus.begin(5, { filename: 'again.txt' })
    const first = await tus.patch(url, 0, 'hello')
    const again = await tus.patch(url, 5, '')
    expect(again.status).toBe(204)
    expect(again.headers.get('upload-offset')).toBe('5')
    expect(again.headers.get('landfall-media-file')).toBe(first.headers.get('landfall-media-file'))
    expect((await tus.patch(url, 0, 'hello')).status).toBe(409)
    expect((await tus.patch(url, 5, 'more')).status).toBe(413)
    expect(await recordsNamed('again.txt')).toHaveLength(1)
  })

  it('refuses another or no Content-Type with 415', async () => {
    const url = await tus.begin(5)
    for (const type of ['text/plain', 'application/octet-stream', ''])
      expect((await tus.patch(url, 0, 'hello', { 'Content-Type': type })).status).toBe(415)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('0')
  })

  it.each([
    '-1',
    '+0',
    '0x0',
    '1e0',
    '0.0',
    '',
    '0, 0',
    '9007199254740992',
    '99999999999999999999',
  ])('refuses the offset %j with 400', async (value) => {
    const url = await tus.begin(5)
    const answer = await tus.patch(url, 0, 'hello', { 'Upload-Offset': value })
    expect(answer.status).toBe(400)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('0')
  })

  it('refuses a missing offset with 400', async () => {
    const url = await tus.begin(5)
    const answer = await fetch(url, {
      method: 'PATCH',
      headers: { ...TUS, Authorization: owner.authorization, 'Content-Type': BODY_TYPE },
      body: 'hello',
    })
    expect(answer.status).toBe(400)
  })

  it('answers a wrong offset with 409 and the true one, storing nothing', async () => {
    const url = await tus.begin(10)
    await tus.patch(url, 0, 'abc')
    for (const offset of [0, 2, 4, 10, 11]) {
      const answer = await tus.patch(url, offset, 'x')
      expect(answer.status).toBe(409)
      expect(answer.headers.get('upload-offset')).toBe('3')
    }
    await tus.patch(url, 3, 'defghij')
    const stored = await fetch(url, { headers: { Authorization: owner.authorization } })
    expect(await stored.text()).toBe('abcdefghij')
  })

  it('refuses bytes past the length with 413 and stores nothing past it', async () => {
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'abc')
    expect((await tus.patch(url, 3, 'defg')).status).toBe(413)
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('de'))
        controller.enqueue(new TextEncoder().encode('fgh'))
        controller.close()
      },
    })
    const answer = await fetch(url, {
      method: 'PATCH',
      headers: {
        ...TUS,
        Authorization: owner.authorization,
        'Upload-Offset': '3',
        'Content-Type': BODY_TYPE,
      },
      body: chunked,
      duplex: 'half',
    } as RequestInit)
    expect(answer.status).toBe(413)
    expect((await tus.head(url)).headers.get('upload-offset')).toBe('3')
    expect((await tus.patch(url, 3, 'de')).status).toBe(204)
  })

  it('knows no foreign, unknown or malformed id, and says the same of all', async () => {
    const url = await tus.begin(5)
    const other = tusClient(server.url, (await server.accounts.add('user')).authorization)
    const ids = [
      idOf(url),
      '00000000-0000-4000-8000-000000000000',
      'nonsense',
      '%2e%2e%2f',
      '%00',
      '%E0%A4%A',
      ';',
    ]
    for (const id of ids) {
      const target = `${server.url}/files/${id}`
      const answers = [
        await other.patch(target, 0, 'hello'),
        await other.head(target),
        await other.remove(target),
      ]
      for (const answer of answers) {
        expect(answer.status).toBe(404)
        expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
      }
      expect(await answers[0]?.text()).toBe('Not found.\n')
    }
    expect((await tus.head(`${url}?token=x`)).status).toBe(200)
  })

  it('leaves the unfinished uploads of other doors alone', async () => {
    const form = new FormData()
    form.set('file', new Blob(['01234']), 'chunk.bin')
    const begun = await fetch(`${server.url}/api/chunked-uploads/`, {
      method: 'PUT',
      headers: { Authorization: owner.authorization, 'Content-Range': 'bytes 0-4/10' },
      body: form,
    })
    const { id } = (await begun.json()) as { id: string }
    const url = `${server.url}/files/${id}`
    expect((await tus.patch(url, 5, '56789')).status).toBe(404)
    expect((await tus.head(url)).status).toBe(404)
    expect((await tus.remove(url)).status).toBe(404)
  })

  it('lets staff reach the uploads of others', async () => {
    const url = await tus.begin(5)
    const staff = tusClient(server.url, (await server.accounts.add('staff')).authorization)
    expect((await staff.head(url)).status).toBe(200)
  })

  it.each([
    ['no token', undefined],
    ['a bad token', 'Token nonsense'],
  ])('answers 401 to %s before the body is read', async (_name, authorization) => {
    const url = await tus.begin(5)
    const stranger = tusClient(server.url, authorization)
    const answers = [await stranger.create({ 'Upload-Length': '5' }), await stranger.head(url)]
    for (const answer of answers) {
      expect(answer.headers.get('www-authenticate')).toBe('Token')
      expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
    }
    expect(answers[0]?.status).toBe(401)
    expect((await stranger.patch(url, 0, 'hello')).status).toBe(401)
    expect((await stranger.remove(url)).status).toBe(401)
    expect((await fetch(url)).status).toBe(401)
  })
})

describe('a deferred length', () => {
  it('is shown by HEAD until a PATCH sets it, once', async () => {
    const created = await tus.create({
      'Upload-Defer-Length': '1',
      'Upload-Metadata': encode({ filename: 'deferred.txt' }),
    })
    const url = created.headers.get('location') ?? ''
    await tus.patch(url, 0, 'abc')
    const head = await tus.head(url)
    expect(head.headers.get('upload-defer-length')).toBe('1')
    expect(head.headers.get('upload-length')).toBeNull()
    expect(head.headers.get('upload-offset')).toBe('3')
    expect((await tus.patch(url, 3, 'd', { 'Upload-Length': '6' })).status).toBe(204)
    const known = await tus.head(url)
    expect(known.headers.get('upload-length')).toBe('6')
    expect(known.headers.get('upload-defer-length')).toBeNull()
    expect((await tus.patch(url, 4, 'e', { 'Upload-Length': '7' })).status).toBe(400)
    expect((await tus.patch(url, 4, 'ef', { 'Upload-Length': '6' })).status).toBe(204)
    expect(await recordsNamed('deferred.txt')).toMatchObject([{ size: 6 }])
  })

  it('finishes when the length that is declared is already there', async () => {
    const created = await tus.create({ 'Upload-Defer-Length': '1' })
    const url = created.headers.get('location') ?? ''
    await tus.patch(url, 0, 'abc')
    expect((await tus.patch(url, 3, '', { 'Upload-Length': '2' })).status).toBe(400)
    const last = await tus.patch(url, 3, '', { 'Upload-Length': '3' })
    expect(last.status).toBe(204)
    expect(last.headers.get('landfall-media-file')).not.toBeNull()
  })

  it('has the same limit as one that is known', async () => {
    const created = await tus.create({ 'Upload-Defer-Length': '1' })
    const url = created.headers.get('location') ?? ''
    const over = String(10 * 1024 * 1024 + 1)
    expect((await tus.patch(url, 0, 'a', { 'Upload-Length': over })).status).toBe(413)
    const tooMuch = Buffer.alloc(10 * 1024 * 1024 + 1)
    expect((await tus.patch(url, 0, tooMuch)).status).toBe(413)
  })
})

describe('HEAD', () => {
  it('tells everything and has no body and no cache', async () => {
    const url = await tus.begin(7, { filename: 'x' })
    const head = await tus.head(url)
    expect(head.status).toBe(200)
    expect(head.headers.get('upload-offset')).toBe('0')
    expect(head.headers.get('upload-length')).toBe('7')
    expect(head.headers.get('upload-expires')).not.toBeNull()
    expect(head.headers.get('cache-control')).toBe('no-store')
    expect(await head.text()).toBe('')
  })

  it('of a finished upload names its record', async () => {
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'hello')
    const head = await tus.head(url)
    expect(head.headers.get('upload-offset')).toBe('5')
    expect(head.headers.get('upload-expires')).toBeNull()
    expect(head.headers.get('landfall-media-url')).toContain('/media/')
    expect(head.headers.get('access-control-expose-headers')).toContain('Landfall-Media-Url')
  })
})

describe('DELETE', () => {
  it('removes an unfinished upload, which is then 410', async () => {
    const url = await tus.begin(5)
    await tus.patch(url, 0, 'abc')
    const answer = await tus.remove(url)
    expect(answer.status).toBe(204)
    expect(answer.headers.get('tus-resumable')).toBe('1.0.0')
    expect((await tus.head(url)).status).toBe(410)
    expect((await tus.patch(url, 3, 'de')).status).toBe(410)
    expect((await tus.remove(url)).status).toBe(410)
  })

  it('removes the media file of a finished upload', async () => {
    const url = await tus.begin(5, { filename: 'to-remove.txt' })
    const done = await tus.patch(url, 0, 'hello')
    const bytes = done.headers.get('landfall-media-url') ?? ''
    expect((await fetch(bytes)).status).toBe(200)
    expect((await tus.remove(url)).status).toBe(204)
    expect(await recordsNamed('to-remove.txt')).toEqual([])
    expect((await fetch(bytes)).status).toBe(404)
    expect((await tus.head(url)).status).toBe(410)
  })
})

describe('X-HTTP-Method-Override', () => {
  it('decides the method of a POST, with the same checks', async () => {
    const url = await tus.begin(5)
    const post = (override: string, headers: object = {}, body?: string) =>
      fetch(url, {
        method: 'POST',
        headers: {
          ...TUS,
          Authorization: owner.authorization,
          'X-HTTP-Method-Override': override,
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
      })
    const patch = { 'Upload-Offset': '0', 'Content-Type': BODY_TYPE }
    expect((await post('PATCH', { ...patch, 'Content-Type': 'text/plain' }, 'abc')).status).toBe(
      415,
    )
    expect((await post('PATCH', patch, 'abc')).status).toBe(204)
    const head = await post('HEAD')
    expect(head.status).toBe(200)
    expect(head.headers.get('upload-offset')).toBe('3')
    expect((await post('GET')).status).toBe(400)
    expect((await post('DELETE')).status).toBe(204)
    expect((await tus.head(url)).status).toBe(410)
  })
})

describe('GET', () => {
  it('gives the bytes of a finished upload as the media URL does, with ranges', async () => {
    const url = await tus.begin(10, { filename: 'digits.txt' })
    const get = (headers: object = {}) =>
      fetch(url, { headers: { Authorization: owner.authorization, ...headers } })
    expect((await get()).status).toBe(404)
    await tus.patch(url, 0, '0123456789')
    const whole = await get()
    expect(whole.status).toBe(200)
    expect(whole.headers.get('tus-resumable')).toBe('1.0.0')
    expect(whole.headers.get('content-disposition')).toContain('digits.txt')
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await whole.text()).toBe('0123456789')
    const part = await get({ Range: 'bytes=2-4' })
    expect(part.status).toBe(206)
    expect(await part.text()).toBe('234')
    expect((await fetch(url)).status).toBe(401)
  })
})

describe('a connection that is cut', () => {
  const head = (url: string, length: number, offset = 0) =>
    [
      `PATCH ${new URL(url).pathname} HTTP/1.1`,
      'Host: x',
      `Authorization: ${owner.authorization}`,
      'Tus-Resumable: 1.0.0',
      `Content-Type: ${BODY_TYPE}`,
      `Upload-Offset: ${offset}`,
      `Content-Length: ${length}`,
      '',
      '',
    ].join('\r\n')

  it('keeps the bytes that arrived', async () => {
    const bytes = randomBytes(3_000_000)
    const url = await tus.begin(bytes.length, { filename: 'cut.bin' })
    const raw = await openRaw(server.url)
    raw.send(head(url, bytes.length))
    raw.send(bytes.subarray(0, 1_000_000))
    await bytesArrived(url)
    raw.reset()
    const offset = await settledOffset(url)
    expect(offset).toBeGreaterThan(0)
    expect(offset).toBeLessThanOrEqual(1_000_000)
    const done = await tus.patch(url, offset, bytes.subarray(offset))
    expect(done.status).toBe(204)
    const stored = await fetch(done.headers.get('landfall-media-url') ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('makes a stalled writer let go for a newcomer, keeping its bytes', async () => {
    const url = await tus.begin(10)
    const raw = await openRaw(server.url)
    raw.send(head(url, 10))
    raw.send('abc')
    await bytesArrived(url)
    const offset = await settledOffset(url)
    expect(offset).toBe(3)
    const answer = await raw.answer()
    expect(answer.status).toBe(423)
    expect(answer.headers['upload-offset']).toBe('3')
    await raw.closed
    expect((await tus.patch(url, 3, 'defghij')).status).toBe(204)
  })

  it('ends a running PATCH on DELETE, and the DELETE wins', async () => {
    const url = await tus.begin(10)
    const raw = await openRaw(server.url)
    raw.send(head(url, 10))
    raw.send('abc')
    await bytesArrived(url)
    expect((await tus.remove(url)).status).toBe(204)
    expect((await raw.answer()).status).toBe(423)
    expect((await tus.head(url)).status).toBe(410)
    await raw.closed
  })

  /** Offset once the request that was cut has let go: HEAD waits for it. */
  async function settledOffset(url: string): Promise<number> {
    const answer = await tus.head(url)
    expect(answer.status).toBe(200)
    return Number(answer.headers.get('upload-offset'))
  }

  /** Resolves when the server has taken the lock for a PATCH of which some bytes are there. */
  async function bytesArrived(url: string): Promise<void> {
    const file = `${server.dataDir}/files/${idOf(url).slice(0, 2)}/${idOf(url)}`
    await expect.poll(async () => (await stat(file)).size).toBeGreaterThan(0)
  }
})
