import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildPng } from '../support/images.ts'
import { remains } from '../support/multipart.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { counted, type SessionClient, userOf } from '../support/sessions.ts'
import { encode, tusClient } from '../support/tus.ts'

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
