import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import {
  answerOf,
  BOUNDARY,
  type FormClient,
  field,
  file,
  form,
  formClient,
  formHead,
  formPath,
  formType,
  remains,
} from '../support/multipart.ts'
import { openRaw } from '../support/raw.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: FormClient
let staff: { authorization: string; id: number }

beforeAll(async () => {
  server = await startServer()
  staff = await server.accounts.add('staff')
  client = formClient(server, staff.authorization)
})
afterAll(() => server.close())

describe('a form with a file', () => {
  it('becomes a record that is in the list when the answer comes', async () => {
    const bytes = randomBytes(300_000)
    const body = new FormData()
    body.append('description', ' before the file ')
    body.append('f', new Blob([bytes], { type: 'application/x-thing' }), 'naïve 😀.bin')
    body.append('name', 'Nice name')
    const answer = await fetch(`${server.url}${formPath}/`, {
      method: 'POST',
      body,
      headers: { Authorization: staff.authorization },
    })
    const [status, record] = await answerOf(answer)
    expect(status).toBe(201)
    expect(record).toMatchObject({
      name: 'Nice name',
      description: 'before the file',
      size: bytes.length,
      type: 'other',
      user: { id: staff.id },
    })
    expect(answer.headers.get('location')).toBe(`${formPath}/${record.id}`)
    const headers = { Authorization: staff.authorization }
    const one = await fetch(`${server.url}${formPath}/${record.id}`, { headers })
    expect(await one.json()).toEqual(record)
    const list = (await (await fetch(server.url + formPath, { headers })).json()) as {
      results: unknown[]
    }
    expect(list.results[0]).toEqual(record)
    const download = await fetch(record.f)
    expect(Buffer.from(await download.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('is named like the file where no name is given, or an empty one', async () => {
    for (const fields of [[], [field('name', '')], [field('name', '  ')]]) {
      const [status, record] = await answerOf(
        await client.post(form(file('own.txt', 'text'), ...fields)),
      )
      expect([status, record.name, record.description]).toEqual([201, 'own.txt', ''])
    }
  })

  it.each([
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\x', 'x'],
    ['/abs', 'abs'],
    ['C:\\x', 'x'],
    ['CON', 'CON'],
    ['dot.', 'dot.'],
    ['a\0b\u202egnp.exe', 'abgnp.exe'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['😀'.repeat(255), '😀'.repeat(255)],
    ['__proto__', '__proto__'],
    ["'; drop table uploads; --", "'; drop table uploads; --"],
  ])('named %j is a label only', async (filename, name) => {
    const [status, record] = await answerOf(await client.post(form(file(filename, 'text'))))
    expect([status, record.name]).toEqual([201, name])
    expect((await fetch(record.f)).status).toBe(200)
  })

  it('is of the type that its own name says, whatever it is called', async () => {
    const body = form(file('data.csv', 'a,b\n1,2\n'), field('name', 'Figures'))
    const [status, record] = await answerOf(await client.post(body))
    expect([status, record.name, record.type]).toEqual([201, 'Figures', 'spreadsheet'])
  })

  it('may have other fields, an empty file input, a preamble and an epilogue', async () => {
    const body = Buffer.concat([
      Buffer.from('preamble\r\n'),
      form(field('__proto__', 'x'), file('', '', { name: 'other' }), file('a.txt', 'text')),
      Buffer.from('epilogue'),
    ])
    expect((await client.post(body)).status).toBe(201)
  })

  it('arrives whole when it comes in pieces cut at every place', async () => {
    const content = `\r\n--${BOUNDARY.slice(0, -1)}\r\n-\r\n--${BOUNDARY}`
    const inner = content.slice(0, content.lastIndexOf('\r\n'))
    const body = form(file('cut.txt', inner), field('name', 'cut'))
    const connection = await openRaw(server.url)
    connection.socket.setNoDelay(true)
    connection.send(
      formHead(staff.authorization, `Content-Type: ${formType}`, `Content-Length: ${body.length}`),
    )
    for (const byte of body) connection.send(Buffer.of(byte))
    const answer = await connection.answer()
    expect(answer.status).toBe(201)
    const record = JSON.parse(answer.body)
    expect(record).toMatchObject({ name: 'cut', size: inner.length })
    const { pathname } = new URL(record.f)
    expect(await (await fetch(server.url + pathname)).text()).toBe(inner)
    connection.reset()
  })
})

describe('a server whose storage fails', () => {
  it.each(['append', 'finalise'] as const)('in %s: 503, and nothing is left', async (method) => {
    const broken = await startServer({
      replaced: {
        wrapStorage: (storage) => ({
          ...storage,
          [method]: async () => {
            throw new Fault('unavailable')
          },
        }),
      },
    })
    try {
      const answer = await formClient(broken, broken.admin).post(form(file('a.bin', 'bytes')))
      expect(answer.status).toBe(503)
      expect(await remains(broken)).toEqual({
        files: 0,
        open: [],
        media: 0,
        counters: { open: 0, used: 0 },
      })
    } finally {
      await broken.close()
    }
  })
})
