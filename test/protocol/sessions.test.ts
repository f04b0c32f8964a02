import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from '../support/database.ts'
import { buildPng } from '../support/images.ts'
import { field, file, form, formType, remains } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { counted, type ListedFile, pdf, sessionClient } from '../support/sessions.ts'
import { tusClient } from '../support/tus.ts'

describe.each(databaseKinds)('an upload session on %s', (kind) => {
  let server: TestServer
  let anna: ReturnType<typeof sessionClient>
  let ben: ReturnType<typeof sessionClient>
  let staff: ReturnType<typeof sessionClient>
  let admin: ReturnType<typeof sessionClient>

  beforeAll(async () => {
    server = await startServer({ database: kind })
    const client = async (role: 'user' | 'staff') =>
      sessionClient(server.url, (await server.accounts.add(role)).authorization)
    anna = await client('user')
    ben = await client('user')
    staff = await client('staff')
    admin = sessionClient(server.url, server.admin)
  })
  afterAll(() => server.close())

  it('is made with a token of 32 letters and digits, its URL and its end', async () => {
    const before = Date.now()
    const { status, body, headers } = await anna.json('POST', '/')
    expect(status).toBe(201)
    expect(body).toEqual({
      uploadSessionToken: expect.stringMatching(/^[A-Za-z0-9]{32}$/),
      url: `${server.url}/upload-session/${body.uploadSessionToken}/files/`,
      expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$/),
    })
    expect(headers.get('location')).toBe(body.url)
    const lifetime = new Date(body.expires as string).getTime() - before
    expect(lifetime).toBeGreaterThanOrEqual(24 * 3600_000 - 1)
    expect(lifetime).toBeLessThan(24 * 3600_000 + 60_000)
  })

  it('takes files, lists them in upload order, gives and removes them by name', async () => {
    const token = await anna.open()
    expect((await anna.json('GET', `/${token}/files/`)).body).toEqual({
      uploadSessionToken: token,
      files: [],
    })
    const photo = buildPng(40, 30)
    const added = await anna.add(token, 'photo.png', photo)
    const filesUrl = `${server.url}/upload-session/${token}/files/`
    expect(added).toMatchObject({
      status: 200,
      body: {
        file: 'photo.png',
        accepted: true,
        uploadSessionToken: token,
        url: `${filesUrl}photo.png/`,
      },
    })
    await anna.add(token, 'a b+ü?#%&.txt', 'text')
    await anna.add(token, 'Zweite.pdf', pdf())
    const { body } = await anna.json('GET', `/${token}/files/`)
    expect(body).toEqual({
      uploadSessionToken: token,
      files: [
        { name: 'photo.png', size: photo.length, url: `${filesUrl}photo.png/` },
        {
          name: 'a b+ü?#%&.txt',
          size: 4,
          url: `${filesUrl}a%20b%2B%C3%BC%3F%23%25%26.txt/`,
        },
        { name: 'Zweite.pdf', size: pdf().length, url: `${filesUrl}Zweite.pdf/` },
      ],
    })
    expect(await counted(server, token)).toMatchObject({ status: 'uploading', files: 3 })
    for (const { url, name } of body.files as ListedFile[]) {
      for (const each of [url, url.replace(/\/$/, '')]) {
        const headers = { Authorization: anna.authorization }
        const got = await fetch(each, { headers })
        expect([name, got.status]).toEqual([name, 200])
        expect(got.headers.get('x-content-type-options')).toBe('nosniff')
        expect(got.headers.get('content-security-policy')).toContain('sandbox')
        expect(got.headers.get('cache-control')).toBe('private, no-cache')
        const expected =
          name === 'photo.png' ? photo : Buffer.from(name.endsWith('txt') ? 'text' : pdf())
        expect(Buffer.from(await got.arrayBuffer()).equals(expected)).toBe(true)
      }
    }
    const image = await anna.call('GET', `/${token}/files/photo.png`, {
      headers: { Range: 'bytes=1-3' },
    })
    expect([image.status, image.headers.get('content-type'), await image.text()]).toEqual([
      206,
      'image/png',
      'PNG',
    ])
    expect(image.headers.get('content-disposition')).toContain('inline')
    const head = await anna.call('HEAD', `/${token}/files/photo.png/`)
    expect(head.headers.get('content-length')).toBe(String(photo.length))

    expect((await anna.call('DELETE', `/${token}/files/photo.png/`)).status).toBe(204)
    const again = await anna.json('DELETE', `/${token}/files/photo.png/`)
    expect([again.status, again.body]).toEqual([404, { error: 'File not found in upload session' }])
    expect(await anna.names(token)).toEqual(['a b+ü?#%&.txt', 'Zweite.pdf'])
    await anna.call('DELETE', `/${token}/files/a%20b%2B%C3%BC%3F%23%25%26.txt`)
    expect((await counted(server, token)).status).toBe('uploading')
    await anna.call('DELETE', `/${token}/files/Zweite.pdf`)
    expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
    expect((await anna.add(token, 'photo.png', photo)).status).toBe(200)
  })

  it('becomes media files all at once, and again the same when the answer was lost', async () => {
    const token = await anna.open()
    const photo = buildPng(40, 30)
    await anna.add(token, 'photo.png', photo)
    await anna.add(token, 'text.csv', 'a,b\n1,2\n')
    const library = async () => {
      const headers = { Authorization: server.admin }
      const answer = await fetch(`${server.url}/api/media/files?ordering=id`, { headers })
      return (await answer.json()) as { count: number; results: Record<string, unknown>[] }
    }
    const { count } = await library()
    const submitted = await anna.json('POST', `/${token}/submit`)
    expect(submitted.status).toBe(200)
    const { results } = await library()
    const [image, table] = results.slice(count)
    expect(submitted.body).toEqual({
      uploadSessionToken: token,
      status: 'stored',
      files: [
        expect.objectContaining({ name: 'photo.png', id: image?.id, f: image?.f }),
        expect.objectContaining({ name: 'text.csv', id: table?.id, f: table?.f }),
      ],
    })
    expect(results).toHaveLength(count + 2)
    expect(image).toMatchObject({
      name: 'photo.png',
      type: 'image',
      mime_type: 'image/png',
      width: 40,
      height: 30,
      mode: 'RGB',
      size: photo.length,
    })
    expect(table).toMatchObject({ name: 'text.csv', type: 'spreadsheet' })
    const bytes = await fetch(image?.f as string)
    expect(Buffer.from(await bytes.arrayBuffer()).equals(photo)).toBe(true)

    for (const path of ['submit', 'submit/']) {
      const again = await anna.json('POST', `/${token}/${path}`)
      expect([again.status, again.body]).toEqual([200, submitted.body])
    }
    expect((await library()).count).toBe(count + 2)
    expect(await counted(server, token)).toMatchObject({ status: 'stored', files: 2 })

    const late = await anna.add(token, 'late.txt', 'text')
    expect(late).toMatchObject({
      status: 400,
      body: { uploadSessionToken: token, error: expect.stringContaining('submitted') },
    })
    const removed = await anna.json('DELETE', `/${token}/files/photo.png/`)
    expect([removed.status, removed.body]).toEqual([
      400,
      { error: 'Cannot remove file from upload session' },
    ])
    expect(await anna.names(token)).toEqual(['photo.png', 'text.csv'])
    expect((await anna.call('GET', `/${token}/files/text.csv`)).status).toBe(200)
    await fetch(`${server.url}/api/media/files/${table?.id}`, {
      method: 'DELETE',
      headers: { Authorization: server.admin },
    })
    expect((await anna.call('GET', `/${token}/files/text.csv`)).status).toBe(404)
    expect(await anna.names(token)).toEqual(['photo.png'])
  })

  it('without a file, or unfinished, is not submitted, and loses nothing by it', async () => {
    const token = await anna.open()
    const empty = await anna.json('POST', `/${token}/submit`)
    expect([empty.status, empty.body]).toEqual([
      400,
      { uploadSessionToken: token, error: 'There are no files in this upload session.' },
    ])
    await anna.add(token, 'whole.txt', 'text')
    const tus = tusClient(server.url, anna.authorization)
    const url = await tus.begin(5, { filename: 'half.txt', session: token })
    const running = await anna.json('POST', `/${token}/submit`)
    expect([running.status, running.body]).toEqual([
      400,
      {
        uploadSessionToken: token,
        error: 'Files are still being uploaded to this session: finish or remove them first.',
        verboseError: 'Still being uploaded: "half.txt"',
      },
    ])
    expect(await anna.names(token)).toEqual(['whole.txt'])
    await tus.patch(url, 0, 'hello')
    expect((await anna.json('POST', `/${token}/submit`)).status).toBe(200)
    expect(await anna.names(token)).toEqual(['whole.txt', 'half.txt'])
  })

  it('can be rid of a file that is not complete', async () => {
    const token = await anna.open()
    const tus = tusClient(server.url, anna.authorization)
    const url = await tus.begin(5, { filename: 'half.txt', session: token })
    expect((await anna.json('GET', `/${token}/files/half.txt`)).status).toBe(404)
    expect((await anna.call('DELETE', `/${token}/files/half.txt`)).status).toBe(204)
    expect((await tus.head(url)).status).toBe(410)
    expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
  })

  it('is listed to its user alone, newest first', async () => {
    const ines = sessionClient(server.url, (await server.accounts.add('user')).authorization)
    const first = await ines.open()
    const second = await ines.open()
    await ines.add(first, 'a.txt', 'text')
    await ines.json('POST', `/${first}/submit`)
    await ines.add(second, 'b.txt', 'texts')
    const { status, body } = await ines.json('GET', '/')
    expect(status).toBe(200)
    const common = { created: expect.any(String) }
    expect(body).toEqual({
      sessions: [
        {
          ...common,
          uploadSessionToken: second,
          status: 'uploading',
          fileCount: 1,
          totalSize: 5,
          expires: expect.any(String),
          url: `${server.url}/upload-session/${second}/files/`,
        },
        {
          ...common,
          uploadSessionToken: first,
          status: 'stored',
          fileCount: 1,
          totalSize: 4,
          expires: null,
          url: `${server.url}/upload-session/${first}/files/`,
        },
      ],
    })
    expect((await anna.json('GET', '/')).body.sessions).not.toContainEqual(
      expect.objectContaining({ uploadSessionToken: second }),
    )
  })

  it('answers for the token of another user as for one that does not exist', async () => {
    const token = await anna.open()
    await anna.add(token, 'mine.txt', 'text')
    const unknown = 'A'.repeat(32)
    const strange = ['x', '%00', 'a'.repeat(500), "';--"]
    for (const client of [ben, staff, admin]) {
      for (const each of [token, unknown, ...strange]) {
        const shown = decodeURIComponent(each)
        const refused = { uploadSessionToken: shown, error: 'Invalid upload session token' }
        for (const [method, path] of [
          ['GET', 'files/'],
          ['POST', 'files/'],
          ['POST', 'submit'],
        ] as const) {
          const { status, body } = await client.json(method, `/${each}/${path}`)
          expect([method, path, status, body]).toEqual([method, path, 400, refused])
        }
        const added = await client.add(each, 'theirs.txt', 'text')
        expect([added.status, added.body]).toEqual([400, refused])
      }
    }
    for (const each of [token, unknown, ...strange]) {
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await ben.json(method, `/${each}/files/mine.txt/`)
        expect([status, body]).toEqual([404, { error: 'Invalid filename or upload session token' }])
      }
    }
    expect(await anna.names(token)).toEqual(['mine.txt'])
  })

  it('lets staff and admin read and remove its files', async () => {
    const token = await anna.open()
    for (const [name, client] of [
      ['staff.txt', staff],
      ['admin.txt', admin],
    ] as const) {
      await anna.add(token, name, 'text')
      expect(await (await client.call('GET', `/${token}/files/${name}/`)).text()).toBe('text')
      expect((await client.call('DELETE', `/${token}/files/${name}/`)).status).toBe(204)
    }
    expect(await counted(server, token)).toEqual({ status: 'created', files: 0, bytes: 0 })
  })

  it('wants a token, before it looks at anything else', async () => {
    const token = await anna.open()
    const before = await remains(server)
    for (const [method, path] of [
      ['POST', '/'],
      ['GET', ''],
      ['GET', `/${token}/files`],
      ['POST', `/${token}/files/`],
      ['PUT', `/${token}/files/a.txt/`],
      ['DELETE', `/${token}/files/a.txt/`],
      ['POST', `/${token}/submit/`],
    ] as const) {
      const none = await sessionClient(server.url, null).json(method, path)
      expect([method, path, none.status, none.body]).toEqual([
        method,
        path,
        401,
        { detail: 'Authentication credentials were not provided.' },
      ])
      expect(none.headers.get('www-authenticate')).toBe('Token')
      const bad = await sessionClient(server.url, 'Token no-such-key').json(method, path)
      expect([bad.status, bad.body]).toEqual([401, { detail: 'Invalid token.' }])
    }
    expect(await remains(server)).toEqual(before)
  })

  it('tells which methods a path has', async () => {
    const token = await anna.open()
    const cases = [
      ['', 'GET, POST, HEAD, OPTIONS'],
      [`/${token}/files`, 'GET, POST, HEAD, OPTIONS'],
      [`/${token}/files/a.txt`, 'GET, DELETE, HEAD, OPTIONS'],
      [`/${token}/submit`, 'POST, OPTIONS'],
    ] as const
    for (const [path, allow] of cases) {
      for (const slash of ['', '/']) {
        const answer = await anna.json('PATCH', path + slash)
        expect([path, answer.status, answer.body]).toEqual([
          path,
          405,
          { error: 'Method "PATCH" not allowed.' },
        ])
        expect(answer.headers.get('allow')).toBe(allow)
        const options = await sessionClient(server.url, null).call('OPTIONS', path + slash)
        expect([options.status, options.headers.get('allow')]).toEqual([204, allow])
      }
    }
    const nowhere = await anna.json('GET', `/${token}/elsewhere`)
    expect([nowhere.status, nowhere.body]).toEqual([404, { error: 'Not found.' }])
  })

  it('decodes a name in the path once, and looks for exactly that', async () => {
    const token = await anna.open()
    expect((await anna.add(token, '50%41.txt', 'text')).status).toBe(200)
    expect((await anna.call('GET', `/${token}/files/50%2541.txt`)).status).toBe(200)
    for (const path of ['50%41.txt', '50A.txt', '50%252541.txt', '50%2541.TXT', '50%2541.txt%20']) {
      expect([path, (await anna.call('GET', `/${token}/files/${path}`)).status]).toEqual([
        path,
        404,
      ])
    }
    for (const path of [
      '%',
      '%E0%A4%A',
      '%00',
      '%ED%A0%80',
      'a%2Fb',
      '%2e%2e%2f',
      'x'.repeat(5000),
    ]) {
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await anna.json(method, `/${token}/files/${path}/`)
        expect([path, status, body]).toEqual([
          path,
          404,
          { error: 'File not found in upload session' },
        ])
      }
    }
  })

  it('takes the file wherever it stands in the form', async () => {
    const token = await anna.open()
    const body = form(
      field('csrf', 'x'),
      file('', '', { name: 'other' }),
      file('', '', { name: 'file' }),
      file('in.bin', randomBytes(300_000), { name: 'file' }),
      field('after', 'y'),
    )
    const headers = { 'Content-Type': formType }
    const added = await anna.json('POST', `/${token}/files`, { body, headers })
    expect([added.status, added.body.file]).toEqual([200, 'in.bin'])
    expect(await counted(server, token)).toEqual({ status: 'uploading', files: 1, bytes: 300_000 })
  })
})
