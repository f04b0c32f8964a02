import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { databaseKinds } from '../support/database.ts'
import { buildPng } from '../support/images.ts'
import { field, file, form, formType, remains } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { counted, pdf, type SessionClient, sessionClient } from '../support/sessions.ts'
import { encode, tusClient } from '../support/tus.ts'

const HOUR_MS = 3600_000

const userOf = async (server: TestServer) =>
  sessionClient(server.url, (await server.accounts.add('user')).authorization)

describe.each(databaseKinds)('at the same time, on %s', (kind) => {
  let server: TestServer
  let client: SessionClient

  beforeAll(async () => {
    server = await startServer({
      database: kind,
      env: { SESSION_MAX_FILES: '10', SESSION_MAX_TOTAL_SIZE: '500KB' },
    })
    client = await userOf(server)
  })
  afterAll(() => server.close())

  const addMany = async (count: number, name: (at: number) => string, size: number) => {
    const token = await client.open()
    const bytes = Buffer.alloc(size, 'x')
    const adding = Array.from({ length: count }, (_, at) => client.add(token, name(at), bytes))
    const answers = await Promise.all(adding)
    const taken = answers.filter(({ status }) => status === 200)
    for (const { status, body } of answers)
      expect([status, body.accepted]).toEqual(status === 200 ? [200, true] : [400, false])
    const errors = new Set(answers.flatMap(({ body }) => (body.error as string) ?? []))
    return { token, taken, errors: [...errors] }
  }

  it('50 files take no more than the number of files that a session may have', async () => {
    const before = await remains(server)
    const { token, taken, errors } = await addMany(50, (at) => `file-${at}.txt`, 100)
    expect(taken).toHaveLength(10)
    expect(errors).toEqual(['You can not upload anymore files.'])
    expect(await counted(server, token)).toEqual({ status: 'uploading', files: 10, bytes: 1000 })
    const after = await remains(server)
    expect(after.files - before.files).toBe(10)
    expect(after.open.length - before.open.length).toBe(10)
  })

  it('50 files take no more than the bytes that a session may have', async () => {
    const { token, taken, errors } = await addMany(50, (at) => `file-${at}.txt`, 150_000)
    expect(taken).toHaveLength(3)
    for (const error of errors)
      expect(error).toMatch(/^(Maximum total upload size|You can not upload anymore files)/)
    expect(await counted(server, token)).toEqual({ status: 'uploading', files: 3, bytes: 450_000 })
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
  })

  it('one of many files of one name wins', async () => {
    const { token, taken, errors } = await addMany(10, () => 'same.txt', 100)
    expect(taken).toHaveLength(1)
    expect(errors).toEqual(['A file with the same name has already been uploaded.'])
    expect(await counted(server, token)).toEqual({ status: 'uploading', files: 1, bytes: 100 })
  })

  it('adding, removing and submitting lose and double nothing', async () => {
    const token = await client.open()
    await client.add(token, 'stays.txt', 'text')
    const work = Array.from({ length: 8 }, async (_, at) => {
      const name = `file-${at}.txt`
      await client.add(token, name, 'text')
      if (at % 2 === 0) await client.call('DELETE', `/${token}/files/${name}`)
    })
    const submitting = Array.from({ length: 6 }, () => client.json('POST', `/${token}/submit`))
    await Promise.all([...work, ...submitting])
    await client.json('POST', `/${token}/submit`)
    const { body } = await client.json('POST', `/${token}/submit`)
    const ids = (body.files as { id: number }[]).map(({ id }) => id)
    expect(ids.every((id) => Number.isInteger(id))).toBe(true)
    expect(new Set(ids).size).toBe(ids.length)
    expect(await client.names(token)).toHaveLength(ids.length)
    expect(await counted(server, token)).toMatchObject({ status: 'stored', files: ids.length })
  })

  it('files of many users and sessions do not get into each other', async () => {
    const others = await Promise.all([userOf(server), userOf(server), userOf(server)])
    const tokens = await Promise.all([...others, ...others].map((each) => each.open()))
    await Promise.all(
      tokens.flatMap((token, at) =>
        [0, 1, 2].map((n) => others[at % 3]?.add(token, `file-${n}.txt`, `text of ${at}`)),
      ),
    )
    for (const [at, token] of tokens.entries()) {
      expect(await counted(server, token)).toMatchObject({ files: 3 })
      const got = await others[at % 3]?.call('GET', `/${token}/files/file-1.txt`)
      expect(await got?.text()).toBe(`text of ${at}`)
    }
  })
})

describe('a session whose time is up', () => {
  let server: TestServer
  let client: SessionClient
  let now = Date.now()

  beforeAll(async () => {
    server = await startServer({
      env: { SESSION_EXPIRES_AFTER: '2h', UPLOAD_EXPIRES_AFTER: '3h', SESSION_MAX_OPEN: '2' },
      replaced: { now: () => new Date(now) },
    })
    client = await userOf(server)
  })
  afterAll(() => server.close())

  it('takes and shows nothing, loses its files, and makes room for another', async () => {
    const empty = await remains(server)
    const [token, other] = [await client.open(), await client.open()]
    await client.add(token, 'a.txt', 'text')
    const tus = tusClient(server.url, client.authorization)
    const url = await tus.begin(5, { filename: 'half.txt', session: token })
    expect((await client.json('POST', '/')).status).toBe(400)
    now += 2 * HOUR_MS + 1000
    const over = async () => {
      const added = await client.add(token, 'b.txt', 'text')
      const words = {
        uploadSessionToken: token,
        error: 'This upload session has expired or was submitted: it takes no files.',
      }
      expect([added.status, added.body]).toEqual([400, words])
      const submitted = await client.json('POST', `/${token}/submit`)
      expect([submitted.status, submitted.body]).toEqual([400, words])
      const begun = await tus.create({
        'Upload-Length': '5',
        'Upload-Metadata': encode({ filename: 'c.txt', session: token }),
      })
      expect([begun.status, await begun.text()]).toEqual([400, `${words.error}\n`])
      expect(await client.names(token)).toEqual([])
      for (const method of ['GET', 'DELETE'])
        expect((await client.call(method, `/${token}/files/a.txt`)).status).toBe(404)
      const listed = (await client.json('GET', '/')).body.sessions
      expect(listed).toContainEqual(
        expect.objectContaining({ uploadSessionToken: token, status: 'expired', fileCount: 0 }),
      )
    }
    await over()
    await server.landfall.sweep()
    await over()
    expect((await tus.head(url)).status).toBe(410)
    expect(await counted(server, token)).toEqual({ status: 'expired', files: 0, bytes: 0 })
    expect({ ...(await remains(server)), open: [] }).toEqual(empty)
    expect((await client.json('POST', '/')).status).toBe(201)
    expect((await counted(server, other)).status).toBe('expired')

    now += 31 * 24 * HOUR_MS
    await server.landfall.sweep()
    await server.landfall.sweep()
    expect((await client.json('GET', `/${token}/files`)).body.error).toMatch(/^Invalid/)
  })

  it('is one without activity: each file, and each byte of a large one, keeps it open', async () => {
    const token = await client.open()
    const tus = tusClient(server.url, client.authorization)
    const url = await tus.begin(10, { filename: 'large.txt', session: token })
    for (let offset = 0; offset < 10; offset += 5) {
      now += 1.5 * HOUR_MS
      await server.landfall.sweep()
      expect((await tus.patch(url, offset, 'hello')).status).toBe(204)
    }
    now += 1.5 * HOUR_MS
    expect((await client.add(token, 'small.txt', 'text')).status).toBe(200)
    now += 1.5 * HOUR_MS
    await server.landfall.sweep()
    expect(await client.names(token)).toEqual(['large.txt', 'small.txt'])
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
    now += 100 * HOUR_MS
    await server.landfall.sweep()
    expect(await client.names(token)).toEqual(['large.txt', 'small.txt'])
  })
})

describe('a tus upload into a session', () => {
  let server: TestServer
  let client: SessionClient
  let tus: ReturnType<typeof tusClient>

  beforeAll(async () => {
    server = await startServer({
      env: { SESSION_MAX_FILE_SIZE: '2MB', SESSION_MAX_TOTAL_SIZE: '3MB', SESSION_MAX_FILES: '3' },
    })
    client = await userOf(server)
    tus = tusClient(server.url, client.authorization)
  })
  afterAll(() => server.close())

  const create = (session: string, filename: string, headers: Record<string, string>) =>
    tus.create({ 'Upload-Metadata': encode({ filename, session }), ...headers })

  it('lands in it when it is finished, and in the library when that is submitted', async () => {
    const token = await client.open()
    const photo = buildPng(300, 200)
    const url = await tus.begin(photo.length, { filename: 'photo.png', session: token })
    await tus.patch(url, 0, photo.slice(0, 20))
    expect(await client.names(token)).toEqual([])
    expect((await client.call('GET', `/${token}/files/photo.png`)).status).toBe(404)
    const last = await tus.patch(url, 20, photo.slice(20))
    expect(last.status).toBe(204)
    expect(last.headers.get('landfall-media-file')).toBeNull()
    expect((await tus.head(url)).headers.get('upload-offset')).toBe(String(photo.length))
    expect(await client.names(token)).toEqual(['photo.png'])
    const got = await client.call('GET', `/${token}/files/photo.png`)
    expect(got.headers.get('content-type')).toBe('image/png')
    const { body } = await client.json('POST', `/${token}/submit`)
    const [{ id } = { id: 0 }] = body.files as { id: number }[]
    expect((await tus.head(url)).headers.get('landfall-media-file')).toBe(String(id))
  })

  it('is refused at its creation for what is known by then', async () => {
    const token = await client.open()
    await client.add(token, 'there.txt', 'text')
    const before = await remains(server)
    const length = { 'Upload-Length': '5' }
    for (const [session, name, headers, status, text] of [
      ['A'.repeat(32), 'a.txt', length, 400, 'Invalid upload session token'],
      ['', 'a.txt', length, 400, 'Invalid upload session token'],
      ['\0', 'a.txt', length, 400, 'Invalid upload session token'],
      [token, '../a.txt', length, 400, 'Filename contains invalid path characters'],
      [token, 'CON.txt', length, 400, 'Filename uses reserved system name'],
      [token, 'a', length, 400, 'File is missing an extension.'],
      [token, '', length, 400, 'Filename cannot be empty'],
      [token, 'a.txt', { 'Upload-Length': '0' }, 400, 'File is empty.'],
      [
        token,
        'a.txt',
        { 'Upload-Length': '2000001' },
        413,
        'File is too big (2MB). Max filesize: 2MB',
      ],
      [token, 'there.txt', length, 400, 'A file with the same name has already been uploaded.'],
    ] as const) {
      const answer = await create(session, name, headers)
      expect([name, answer.status, await answer.text()]).toEqual([name, status, `${text}\n`])
    }
    const foreign = tusClient(server.url, server.admin)
    const answer = await foreign.create({
      ...length,
      'Upload-Metadata': encode({ filename: 'a.txt', session: token }),
    })
    expect([answer.status, await answer.text()]).toEqual([400, 'Invalid upload session token\n'])
    expect(await remains(server)).toEqual(before)
    expect(await counted(server, token)).toEqual({ status: 'uploading', files: 1, bytes: 4 })
  })

  it('reserves its room when it begins', async () => {
    const token = await client.open()
    await tus.begin(2_000_000, { filename: 'one.txt', session: token })
    const second = await create(token, 'two.txt', { 'Upload-Length': '1000001' })
    expect([second.status, await second.text()]).toEqual([
      400,
      'Maximum total upload size (3 MB) exceeded\n',
    ])
    await tus.begin(1_000_000, { filename: 'two.txt', session: token })
    expect(await counted(server, token)).toMatchObject({ files: 2, bytes: 3_000_000 })
  })

  it('of unknown length is held to the limits when it tells, and when it does not', async () => {
    const token = await client.open()
    const defer = { 'Upload-Defer-Length': '1' }
    const begin = async (name: string) =>
      (await create(token, name, defer)).headers.get('location') ?? ''
    const first = await begin('first.txt')
    const tooLong = await tus.patch(first, 0, '', { 'Upload-Length': '2000001' })
    expect(tooLong.status).toBe(413)
    const none = await tus.patch(first, 0, '', { 'Upload-Length': '0' })
    expect([none.status, await none.text()]).toEqual([400, 'File is empty.\n'])
    const over = await tus.patch(first, 0, Buffer.alloc(2_000_001, 'x'))
    expect([over.status, over.headers.get('upload-offset')]).toEqual([413, '0'])
    expect((await tus.patch(first, 0, Buffer.alloc(2_000_000, 'x'))).status).toBe(204)
    const second = await begin('second.txt')
    const noRoom = await tus.patch(second, 0, Buffer.alloc(1_000_001, 'x'))
    expect([noRoom.status, await noRoom.text()]).toEqual([
      400,
      'Maximum total upload size (3 MB) exceeded\n',
    ])
    expect((await tus.head(second)).headers.get('upload-offset')).toBe('0')
    expect((await tus.patch(first, 2_000_000, '', { 'Upload-Length': '2000000' })).status).toBe(204)
    expect(await client.names(token)).toEqual(['first.txt'])
    expect(await counted(server, token)).toMatchObject({ files: 2, bytes: 2_000_000 })
  })

  it('is refused at its end for what it holds, and its name is free', async () => {
    const token = await client.open()
    const before = await remains(server)
    const url = await tus.begin(8, { filename: 'text.png', session: token })
    const last = await tus.patch(url, 0, 'no image')
    expect([last.status, await last.text()]).toEqual([
      415,
      'File MIME type mismatch. Expected "image/png" but got "text/plain".\n',
    ])
    expect((await tus.head(url)).status).toBe(415)
    expect(await remains(server)).toEqual(before)
    expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
    expect((await client.add(token, 'text.png', buildPng(2, 2))).status).toBe(200)
  })

  it('joined from parts lands in it, and its parts do not', async () => {
    const token = await client.open()
    const part = async (bytes: string) => {
      const made = await tus.create({
        'Upload-Concat': 'partial',
        'Upload-Length': String(bytes.length),
        'Upload-Metadata': encode({ session: token }),
      })
      const url = made.headers.get('location') ?? ''
      await tus.patch(url, 0, bytes)
      return url
    }
    const urls = [await part('hello '), await part('world')]
    expect(await counted(server, token)).toMatchObject({ files: 0 })
    const joined = await create(token, 'joined.txt', {
      'Upload-Concat': `final;${urls.join(' ')}`,
    })
    expect(joined.status).toBe(201)
    expect(await client.names(token)).toEqual(['joined.txt'])
    const head = await tus.head(joined.headers.get('location') ?? '')
    expect([head.status, head.headers.get('upload-offset')]).toEqual([200, '11'])
    expect(await (await client.call('GET', `/${token}/files/joined.txt`)).text()).toBe(
      'hello world',
    )
    expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
  })
})

describe('with settings', () => {
  it('SESSION_READONLY: nothing is added or removed, by no door', async () => {
    const server = await startServer({ env: { SESSION_READONLY: 'true' } })
    try {
      const client = await userOf(server)
      const token = 'A'.repeat(32)
      for (const [method, path, allow] of [
        ['POST', '/', 'GET, HEAD, OPTIONS'],
        ['POST', `/${token}/files/`, 'GET, HEAD, OPTIONS'],
        ['DELETE', `/${token}/files/a.txt/`, 'GET, HEAD, OPTIONS'],
        ['POST', `/${token}/submit`, 'OPTIONS'],
      ] as const) {
        const { status, headers, body } = await client.json(method, path)
        expect([method, path, status, headers.get('allow')]).toEqual([method, path, 405, allow])
        expect(body).toEqual({ error: `Method "${method}" not allowed.` })
      }
      expect((await client.json('GET', '/')).body).toEqual({ sessions: [] })
      expect((await client.json('GET', `/${token}/files/a.txt`)).status).toBe(404)
      const begun = await tusClient(server.url, client.authorization).create({
        'Upload-Length': '5',
        'Upload-Metadata': encode({ filename: 'a.txt', session: token }),
      })
      expect([begun.status, await begun.json()]).toEqual([
        403,
        { detail: 'Upload sessions are read-only.' },
      ])
    } finally {
      await server.close()
    }
  })

  it('ACCEPTED_FILE_FORMATS: other extensions and other content are refused', async () => {
    const server = await startServer({ env: { ACCEPTED_FILE_FORMATS: 'image,.pdf' } })
    try {
      const client = await userOf(server)
      const token = await client.open()
      const before = await remains(server)
      const photo = buildPng(2, 2)
      for (const [name, bytes, error] of [
        ['run.EXE', photo, 'Files with "exe" extension are not allowed.'],
        ['a.txt', 'text', 'Files with "txt" extension are not allowed.'],
        ['a.unheard-of', 'text', 'Files of type "text/plain" are not allowed.'],
        ['photo.pdf', photo, /^File MIME type mismatch\. Expected "application\/pdf" but got/],
        ['paper.png', pdf(), /^File MIME type mismatch\. Expected "image\/png" but got/],
        [
          'big.png',
          pdf('x'.repeat(10_000)),
          /^File MIME type mismatch\. Expected "image\/png" but/,
        ],
      ] as const) {
        const { status, body } = await client.add(token, name, bytes)
        expect([name, status, body.error]).toEqual([
          name,
          400,
          typeof error === 'string' ? error : expect.stringMatching(error),
        ])
        expect(body.verboseError).toEqual(expect.stringContaining(name))
      }
      expect(await remains(server)).toEqual(before)
      expect((await client.add(token, 'photo.png', photo)).status).toBe(200)
      expect((await client.add(token, 'paper.PDF', pdf())).status).toBe(200)
    } finally {
      await server.close()
    }
  })

  it('ALLOW_ANONYMOUS_UPLOADS: whoever knows the token uses the session', async () => {
    const server = await startServer({ env: { ALLOW_ANONYMOUS_UPLOADS: 'true' } })
    try {
      const nobody = sessionClient(server.url, null)
      const token = await nobody.open()
      expect((await nobody.add(token, 'a.txt', 'text')).status).toBe(200)
      expect(await nobody.names(token)).toEqual(['a.txt'])
      expect((await nobody.json('GET', '/')).body).toEqual({ sessions: [] })
      const somebody = await userOf(server)
      expect((await somebody.json('GET', `/${token}/files`)).status).toBe(400)
      expect((await nobody.call('DELETE', `/${await somebody.open()}/files/a.txt`)).status).toBe(
        404,
      )
      expect((await nobody.json('POST', `/${token}/submit`)).status).toBe(200)
      expect((await nobody.add(await nobody.open(), 'a.txt', 'text')).status).toBe(200)
    } finally {
      await server.close()
    }
  })

  it('USER_MAX_BYTES and USER_MAX_OPEN_UPLOADS hold in sessions too', async () => {
    const server = await startServer({
      env: { USER_MAX_BYTES: '1000', USER_MAX_OPEN_UPLOADS: '2' },
    })
    try {
      const client = await userOf(server)
      const token = await client.open()
      const over = await client.add(token, 'over.txt', 'x'.repeat(1001))
      expect([over.status, over.body]).toEqual([
        413,
        expect.objectContaining({ accepted: false, error: expect.stringContaining('quota') }),
      ])
      await client.add(token, 'a.txt', 'text')
      await client.add(token, 'b.txt', 'text')
      const third = await client.add(token, 'c.txt', 'text')
      expect([third.status, third.headers.get('retry-after')]).toEqual([429, '60'])
      expect(await counted(server, token)).toMatchObject({ files: 2, bytes: 8 })
      await client.json('POST', `/${token}/submit`)
      const { counters } = await remains(server)
      expect(counters).toEqual({ open: 0, used: 8 })
    } finally {
      await server.close()
    }
  })
})

describe('a server in trouble', () => {
  it.each([
    ['create', new Fault('storage-full'), 507, 'The server has no room left: try again later.'],
    ['append', new Fault('unavailable'), 503, expect.stringContaining('briefly unavailable')],
    ['finalise', new Fault('unavailable'), 503, expect.stringContaining('briefly unavailable')],
  ] as const)(
    'in %s answers what it is, and keeps nothing',
    async (method, fault, status, error) => {
      const server = await startServer({
        replaced: {
          wrapStorage: (storage) => ({ ...storage, [method]: () => Promise.reject(fault) }),
        },
      })
      try {
        const client = await userOf(server)
        const token = await client.open()
        const answer = await client.add(token, 'a.txt', 'text')
        expect([answer.status, answer.body]).toEqual([
          status,
          expect.objectContaining({
            file: 'a.txt',
            accepted: false,
            uploadSessionToken: token,
            error,
          }),
        ])
        expect(await remains(server)).toMatchObject({ files: 0, open: [], media: 0 })
        expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
      } finally {
        await server.close()
      }
    },
  )

  it('says nothing of what nobody expected', async () => {
    const server = await startServer({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          finalise: () => Promise.reject(new Error('secret /path')),
        }),
      },
    })
    try {
      const client = await userOf(server)
      const token = await client.open()
      const answer = await client.add(token, 'a.txt', 'text')
      expect([answer.status, answer.body]).toEqual([
        500,
        { error: 'There was an internal server error. Please try again.' },
      ])
      expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
      expect(JSON.stringify(server.logged)).toContain('secret /path')
    } finally {
      await server.close()
    }
  })

  it('writes neither tokens of sessions nor names of files into its log', async () => {
    const server = await startServer()
    try {
      const client = await userOf(server)
      const token = await client.open()
      await client.add(token, 'private-name.txt', 'text')
      await client.call('GET', `/${token}/files/private-name.txt`)
      const log = () => JSON.stringify(server.logged)
      await expect.poll(log).toContain('"path":"/upload-session/')
      expect(log()).not.toContain(token)
      expect(log()).not.toContain('private-name')
    } finally {
      await server.close()
    }
  })
})

describe('a slow form', () => {
  it('is taken while others come and go, and its name is its own meanwhile', async () => {
    const server = await startServer()
    try {
      const client = await userOf(server)
      const token = await client.open()
      const body = form(file('slow.txt', 'x'.repeat(50_000), { name: 'file' }), field('x', 'y'))
      const slow = await openRaw(server.url)
      slow.send(
        [
          `POST /upload-session/${token}/files HTTP/1.1`,
          'Host: test',
          `Authorization: ${client.authorization}`,
          `Content-Type: ${formType}`,
          `Content-Length: ${body.length}`,
          '',
          '',
        ].join('\r\n'),
      )
      slow.send(body.subarray(0, 20_000))
      await expect.poll(async () => (await counted(server, token)).files).toBe(1)
      const same = await client.add(token, 'slow.txt', 'fast')
      expect([same.status, same.body.error]).toEqual([
        400,
        'A file with the same name has already been uploaded.',
      ])
      expect((await client.add(token, 'fast.txt', 'fast')).status).toBe(200)
      const submitted = await client.json('POST', `/${token}/submit`)
      expect([submitted.status, submitted.body.verboseError]).toEqual([
        400,
        'Still being uploaded: "slow.txt"',
      ])
      await server.landfall.sweep()
      slow.send(body.subarray(20_000))
      const answer = await slow.answer()
      expect([answer.status, JSON.parse(answer.body).accepted]).toEqual([200, true])
      slow.reset()
      expect((await client.json('POST', `/${token}/submit`)).status).toBe(200)
      expect(await client.names(token)).toEqual(['slow.txt', 'fast.txt'])
    } finally {
      await server.close()
    }
  })
})
