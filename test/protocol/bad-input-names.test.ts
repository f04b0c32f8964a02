import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MediaRecord } from '../../src/media/record.ts'
import { expectSound, filesOf, leakIn, stateOf } from '../support/bad-input.ts'
import { type NamingDoor, namingDoors, type Sent } from '../support/bad-input-doors.ts'
import { serversOnS3 } from '../support/s3.ts'
import { startServer, type TestServer } from '../support/server.ts'

const NAMES: Record<string, string> = {
  'a path upwards': '../../etc/passwd.txt',
  'a path upwards of Windows': '..\\..\\x.txt',
  'an absolute path': '/abs/landfall-escaped.txt',
  'a drive': 'C:\\x.txt',
  'a dot': '.',
  'two dots': '..',
  nothing: '',
  spaces: '   ',
  '5,000 characters': `${'x'.repeat(4996)}.txt`,
  '5,000 characters outside the BMP': `${'😀'.repeat(4996)}.txt`,
  'a line end': 'a\r\nSet-Cookie: stolen=1\r\n\r\n.txt',
  NUL: 'a\0b.txt',
  'a right-to-left override': 'a\u202egnp.exe',
  'zero-width characters': 'a\u200b\u200d\ufeffb.txt',
  'a line separator': 'a\u2028b.txt',
  'a lone surrogate': 'a\ud800b.txt',
  emoji: '👨‍👩‍👧 😀.txt',
  'a device of Windows': 'CON',
  'a device with an ending': 'nul.txt',
  'a trailing dot': 'dot.',
  'a trailing space': 'space.txt ',
  quotes: `a"b'c;d=e.txt`,
  markup: '<img src=x onerror=alert(1)>.txt',
  'a statement': `'; drop table uploads; --.txt`,
  'a pattern of formats': '%s%n%d%00%2e%2e%2f.txt',
  'the name of a property': '__proto__',
  'a stream of NTFS': 'a.txt::$DATA',
  'a shell': '$(touch landfall-escaped) `touch landfall-escaped` | x.txt',
}

let server: TestServer
let doors: NamingDoor[]

beforeAll(async () => {
  server = await startServer({ env: { SESSION_MAX_OPEN: '1000' } })
  doors = namingDoors(server, server.admin)
})
afterAll(() => server.close())

const DOORS = [
  'tus, metadata filename',
  'tus, metadata name',
  'IETF, filename*',
  'IETF, filename',
  'IETF, Upload-Metadata',
  'form, the name of the file',
  'chunked, the name of the part',
  'chunked, the field filename',
  'session, the name of the file',
]

async function record(id: number): Promise<MediaRecord> {
  const headers = { Authorization: server.admin }
  const answer = await fetch(`${server.url}/api/media/files/${id}`, { headers })
  return (await answer.json()) as MediaRecord
}

/** Keys are made from ids and the date alone. */
const KEYS =
  /^(?:boot-id|files\/(?:[\da-f]{2}\/|chunked_uploads\/\d{4}\/\d\d\/\d\d\/)[\da-f-]{36}(?:\.done)?)$/

async function isServedClean(sent: Sent, bytes: string): Promise<void> {
  const answer = await fetch(sent.url ?? '')
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe(bytes)
  const disposition = answer.headers.get('content-disposition') ?? ''
  expect(disposition).toMatch(/^(?:inline|attachment); filename=/)
  const encoded = /filename\*=UTF-8''([^;]*)$/.exec(disposition)?.[1]
  const plain = disposition.replace(/^.*filename="?/, '').replace(/\\(.)/g, '$1')
  const name = encoded === undefined ? plain : decodeURIComponent(encoded)
  expect(name).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/\\]/u)
  expect(Buffer.byteLength(disposition)).toBeLessThan(5_000)
  expect([...answer.headers.keys()]).not.toContain('set-cookie')
}

describe.each(DOORS)('a name through %s', (door) => {
  it.each(Object.entries(NAMES))('that is %s is a label, or refused', async (_, filename) => {
    const before = await stateOf(server)
    const bytes = `bytes of ${_}`
    const sent = await (doors.find(({ name }) => name === door) as NamingDoor).send(filename, bytes)
    expect(leakIn(sent.body)).toBeNull()
    if (sent.id === null) {
      // The form wants a name of at most 255 characters, sessions one that can be a file's.
      expect(sent.status).toBe(400)
      if (!door.startsWith('session')) expect(await stateOf(server)).toEqual(before)
      return
    }
    const { name, size, f } = await record(sent.id)
    expect(size).toBe(bytes.length)
    expect(f).toMatch(/^http:\/\/[^/]+\/media\/[\w-]{22}\/[^/?#\s\\]+$/)
    if (filename.trim() !== '' && filename.isWellFormed() && door.startsWith('tus'))
      expect(name).toBe(filename.replaceAll('\0', '\ufffd'))
    await isServedClean(sent, bytes)
  })
})

it('no name has made a file of its own anywhere', async () => {
  for (const file of await filesOf(server)) expect(file).toMatch(KEYS)
  const ours = ['boot-id', 'files', ...(serversOnS3 ? ['spool'] : [])]
  expect((await readdir(server.dataDir)).sort()).toEqual(ours)
  for (const made of ['/abs', path.join(process.cwd(), 'landfall-escaped'), 'C:\\x.txt'])
    await expect(stat(made)).rejects.toThrow('ENOENT')
})

it('the list shows every name, and can be searched and ordered by it', async () => {
  const headers = { Authorization: server.admin }
  for (const query of ['limit=1000&ordering=name', 'search=%2e%2e&limit=1000', 'search=%00']) {
    const answer = await fetch(`${server.url}/api/media/files?${query}`, { headers })
    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(leakIn(text)).toBeNull()
    expect(JSON.parse(text).results.length).toBeGreaterThan(0)
  }
  await expectSound(server)
})

describe('the name of a record, a user or a token', () => {
  const LABELS = Object.entries(NAMES).filter(([, name]) => name.trim() !== '')
  it.each(LABELS)('that is %s is a label, or refused with words', async (_, name) => {
    const headers = { Authorization: server.admin, 'Content-Type': 'application/json' }
    const send = async (method: string, to: string, body: object) => {
      const answer = await fetch(server.url + to, { method, headers, body: JSON.stringify(body) })
      const text = await answer.text()
      expect([200, 201, 400]).toContain(answer.status)
      expect(leakIn(text)).toBeNull()
      return { status: answer.status, json: JSON.parse(text) }
    }
    const renamed = await send('PATCH', '/api/media/files/1', { name, description: name })
    if (renamed.status === 200) {
      expect(renamed.json.name).toBe(name.trim())
      await isServedClean(
        { ...renamed.json, url: renamed.json.f },
        `bytes of ${Object.keys(NAMES)[0]}`,
      )
    }
    const refused = /[\0\ud800-\udfff]/u.test(name) || [...name].length > 255
    expect(renamed.status).toBe(refused ? 400 : 200)
    await send('POST', '/api/users', { username: name, role: 'user', first_name: name })
    await send('POST', '/api/users/1/tokens', { name })
    await expectSound(server)
  })
})
