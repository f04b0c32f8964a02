import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rows } from '../../src/db/database.ts'
import { chunkedClient } from '../support/chunked.ts'
import { type Clamd, createClamd, createFakeClamd, EICAR, STREAM_MAX } from '../support/clamd.ts'
import { answerOf, type FormClient, file, form, formClient, remains } from '../support/multipart.ts'
import { createHome, type Home } from '../support/process.ts'
import { findProgram } from '../support/programs.ts'
import { ADMIN_KEY, startServer, type TestServer } from '../support/server.ts'
import { encode, type TusClient, tusClient } from '../support/tus.ts'

const program = findProgram('clamd', {
  for: 'scanning with a real clamd (test/protocol/clamd.test.ts)',
  from: 'apt-get install -y clamav-daemon',
})
const scanners = [
  ['a clamd in a few lines', createFakeClamd],
  ...(program === undefined ? [] : [['clamd', () => createClamd(program)] as const]),
] as const

/** Malware in the middle of a file, over several frames. */
const infected = Buffer.concat([randomBytes(700_000), Buffer.from(EICAR), randomBytes(700_000)])
const nothing = { files: 0, open: [], media: 0, counters: { open: 0, used: 0 } }

describe.each(scanners)('with %s', (_name, create) => {
  let clamd: Clamd
  let server: TestServer
  let tus: TusClient
  let forms: FormClient

  beforeAll(async () => {
    clamd = await create()
    await clamd.start()
  })
  afterAll(() => clamd.remove())
  beforeEach(async () => {
    server = await startServer({
      env: { CLAMAV_HOST: '127.0.0.1', CLAMAV_PORT: String(clamd.port) },
    })
    tus = tusClient(server.url, server.admin)
    forms = formClient(server, server.admin)
  })
  afterEach(() => server.close())

  async function session(): Promise<(name: string, bytes: Uint8Array) => Promise<Response>> {
    const headers = { Authorization: server.admin }
    const begun = await fetch(`${server.url}/upload-session/`, { method: 'POST', headers })
    const { url } = (await begun.json()) as { url: string }
    return (name, bytes) => {
      const body = new FormData()
      body.append('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), name)
      return fetch(url, { method: 'POST', headers, body })
    }
  }

  it('a clean file is published, an empty one too', async () => {
    const bytes = randomBytes(1_500_000)
    const [status, record] = await answerOf(await forms.post(form(file('a.bin', bytes))))
    expect([status, record.size]).toEqual([201, bytes.length])
    const url = await tus.begin(bytes.length)
    expect((await tus.patch(url, 0, bytes)).headers.get('landfall-media-file')).not.toBeNull()
    expect((await tus.create({ 'Upload-Length': '0' })).status).toBe(201)
    const add = await session()
    expect((await add('a.bin', bytes)).status).toBe(200)
  })

  it('malware is refused at every door in its own words, and nothing of it stays', async () => {
    const text = 'Malware was detected in the file "ä bad.txt"'
    const url = await tus.begin(infected.length, { filename: 'ä bad.txt' })
    const patched = await tus.patch(url, 0, infected)
    expect([patched.status, await patched.text()]).toEqual([400, `${text}\n`])
    expect((await tus.head(url)).status).toBe(400)
    expect((await tus.patch(url, infected.length, '')).status).toBe(400)

    const created = await tus.create(
      {
        'Upload-Length': String(EICAR.length),
        'Upload-Metadata': encode({ filename: 'ä bad.txt' }),
        'Content-Type': 'application/offset+octet-stream',
      },
      EICAR,
    )
    expect([created.status, await created.text()]).toEqual([400, `${text}\n`])

    const posted = await forms.post(form(file('ä bad.txt', infected)))
    expect([posted.status, await posted.json()]).toEqual([400, { detail: text }])

    const chunked = chunkedClient(server.url, server.admin)
    const { id } = await chunked.begin(EICAR, EICAR.length, 'bad.bin')
    const md5 = createHash('md5').update(EICAR).digest('hex')
    const completed = await chunked.post(id, { md5 })
    expect([completed.status, await completed.text()]).toEqual([
      400,
      expect.stringContaining('Malware was detected in the file'),
    ])

    const add = await session()
    const added = await add('ä bad.txt', infected)
    expect([added.status, await added.json()]).toEqual([
      400,
      expect.objectContaining({ file: 'ä bad.txt', accepted: false, error: text }),
    ])
    expect(await remains(server)).toEqual(nothing)
    const logged = server.logged.filter(({ msg }) => msg === 'malware was found')
    expect(logged).toHaveLength(5)
    expect(logged[0]).toMatchObject({ signature: expect.stringMatching(/^Landfall\.Test\.Eicar/) })
  })

  it('is not told lies by a name', async () => {
    const url = await tus.begin(EICAR.length, { filename: 'a\r\nX-Evil: 1\u202egpj.exe' })
    const answer = await tus.patch(url, 0, EICAR)
    expect(await answer.text()).toBe('Malware was detected in the file "aX-Evil: 1gpj.exe"\n')
  })

  it('a file over the limit of clamd is refused, the largest one is not', async () => {
    const largest = await forms.post(form(file('a.bin', randomBytes(STREAM_MAX))))
    expect(largest.status).toBe(201)
    const url = await tus.begin(2 * STREAM_MAX)
    const patched = await tus.patch(url, 0, randomBytes(2 * STREAM_MAX))
    // clamd resets the connection behind its word, which can be lost: then it is asked again.
    if (patched.status === 423)
      await expect.poll(async () => (await tus.head(url)).status, { timeout: 10_000 }).toBe(413)
    else expect(patched.status).toBe(413)
    expect((await tus.head(url)).status).toBe(413)
    expect(await remains(server)).toMatchObject({ files: 1, open: [], media: 1 })
  })

  it('away: a resumable upload waits with all its bytes and tries, and is published later', async () => {
    await clamd.stop()
    try {
      const bytes = randomBytes(300_000)
      const url = await tus.begin(bytes.length)
      const patched = await tus.patch(url, 0, bytes)
      expect([patched.status, patched.headers.get('retry-after')]).toEqual([423, '1'])
      for (let times = 0; times < 4; times++) expect((await tus.head(url)).status).toBe(423)
      await server.landfall.sweep()
      const [upload] = await rows(
        server.database.db,
        sql`select state, inspect_tries as tries from uploads`,
      )
      expect(upload).toEqual({ state: 'complete', tries: 0 })
      await clamd.start()
      await expect.poll(async () => (await tus.head(url)).status, { timeout: 10_000 }).toBe(200)
      const head = await tus.head(url)
      expect(head.headers.get('upload-offset')).toBe(String(bytes.length))
      const stored = await fetch(head.headers.get('landfall-media-url') ?? '')
      expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)
      expect(await remains(server)).toMatchObject({ media: 1, open: [] })
    } finally {
      await clamd.stop()
      await clamd.start()
    }
  })

  it('away: a form is told so and nothing of it stays', async () => {
    const text = 'Unable to scan file for malware due to scanner error'
    const add = await session()
    await clamd.stop()
    try {
      const posted = await forms.post(form(file('a.txt', 'text')))
      expect([posted.status, await posted.json()]).toEqual([500, { detail: text }])
      const added = await add('a.txt', Buffer.from('text'))
      expect([added.status, await added.json()]).toEqual([
        500,
        expect.objectContaining({ error: text }),
      ])
      expect(await remains(server)).toEqual(nothing)
    } finally {
      await clamd.start()
    }
  })
})

describe('a scanner that is away for longer than the server lives', () => {
  let home: Home
  let clamd: Clamd
  afterEach(async () => {
    await home.remove()
    await clamd.remove()
  })

  it('costs nothing: after two crashes the file is published', async () => {
    home = await createHome('postgres')
    clamd = await createFakeClamd()
    const env = { CLAMAV_HOST: '127.0.0.1', CLAMAV_PORT: String(clamd.port) }
    let server = await home.start(env)
    const tus = tusClient(server.url, `Token ${ADMIN_KEY}`)
    const path = new URL(await tus.begin(5)).pathname
    expect((await tus.patch(server.url + path, 0, 'hello')).status).toBe(423)
    for (let times = 0; times < 2; times++) {
      server.kill('SIGKILL')
      await server.ended
      server = await home.start(env)
      expect((await tus.head(server.url + path)).status).toBe(423)
    }
    await clamd.start()
    const ask = () => tus.head(server.url + path)
    await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe(200)
    const head = await ask()
    expect(head.headers.get('upload-offset')).toBe('5')
    expect(head.headers.get('landfall-media-file')).not.toBeNull()
  })
})
