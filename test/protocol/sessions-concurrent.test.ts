import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseKinds } from '../support/database.ts'
import { field, file, form, formType, remains } from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { counted, type SessionClient, userOf } from '../support/sessions.ts'

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

  it('adding and removing the same few names fails for the reasons that there are', async () => {
    const token = await client.open()
    const statuses = new Set<string>()
    for (let round = 0; round < 4; round++) {
      const work = Array.from({ length: 20 }, async (_, at) => {
        const name = `file-${at % 4}.txt`
        const { status } =
          at % 3 === 0
            ? await client.call('DELETE', `/${token}/files/${name}`)
            : await client.add(token, name, 'x'.repeat(1000))
        statuses.add(`${at % 3 === 0 ? 'DELETE' : 'POST'} ${status}`)
      })
      await Promise.all(work)
      await counted(server, token)
    }
    const expected = ['DELETE 204', 'DELETE 404', 'POST 200', 'POST 400', 'POST 423']
    for (const status of statuses) expect(expected).toContain(status)
    expect(server.logged.filter(({ level }) => level === 'error')).toEqual([])
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
