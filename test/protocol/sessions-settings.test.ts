import { describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { buildPng } from '../support/images.ts'
import { remains } from '../support/multipart.ts'
import { startServer } from '../support/server.ts'
import { counted, pdf, sessionClient, userOf } from '../support/sessions.ts'
import { encode, tusClient } from '../support/tus.ts'

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
