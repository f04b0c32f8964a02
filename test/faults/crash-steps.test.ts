import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { eq } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { uploads } from '../../src/db/schema.ts'
import type { Step } from '../../src/uploads/core.ts'
import { databaseKinds } from '../support/database.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { tusClient } from '../support/tus.ts'

const authorization = `Token ${ADMIN_KEY}`
const bytes = randomBytes(300_000)

/** The steps that an upload of two requests passes, with what its client knows when it dies there. */
const steps: { at: `${Step}` | `${Step}:${number}`; during: 'create' | 'first' | 'last' }[] = [
  { at: 'row-inserted', during: 'create' },
  { at: 'object-created', during: 'create' },
  { at: 'receiving', during: 'create' },
  { at: 'bytes-written', during: 'first' },
  { at: 'bytes-synced', during: 'first' },
  { at: 'offset-recorded', during: 'first' },
  { at: 'complete', during: 'last' },
  { at: 'inspected', during: 'last' },
  { at: 'published', during: 'last' },
]

let home: Home
afterEach(() => home.remove())

const died = { status: 0 }
const attempt = (work: Promise<Response>) => work.catch(() => died as Response)

interface Listed {
  count: number
  results: { size: number; f: string }[]
}

async function list(server: ServerProcess): Promise<Listed> {
  const answer = await fetch(`${server.url}/api/media/files`, {
    headers: { Authorization: authorization },
  })
  return (await answer.json()) as Listed
}

/** A client that was told of an upload goes on with it; one that was not begins again. */
async function goOn(server: ServerProcess, path: string | null): Promise<void> {
  const tus = tusClient(server.url, authorization)
  const url = path === null ? await tus.begin(bytes.length) : server.url + path
  const head = await tus.head(url)
  expect(head.status).toBe(200)
  const offset = Number(head.headers.get('upload-offset'))
  const done = await tus.patch(url, offset, bytes.subarray(offset))
  expect(done.status).toBe(204)
}

describe.each(databaseKinds)('kill -9 with the %s database', (kind) => {
  it.each(steps)('at $at leaves one record and no stray file', async ({ at, during }) => {
    home = await createHome(kind)
    const dying = await home.start({ CRASH_AT: at })
    const tus = tusClient(dying.url, authorization)
    let path: string | null = null
    let acknowledged = 0
    const created = await attempt(tus.create({ 'Upload-Length': String(bytes.length) }))
    if (during !== 'create') {
      expect(created.status).toBe(201)
      path = new URL(created.headers.get('location') ?? '').pathname
      const first = await attempt(tus.patch(dying.url + path, 0, bytes.subarray(0, 100_000)))
      acknowledged = Number(first.headers?.get('upload-offset') ?? 0)
      if (during === 'last') {
        expect(first.status).toBe(204)
        await attempt(tus.patch(dying.url + path, 100_000, bytes.subarray(100_000)))
      }
    }
    expect((await dying.ended).signal).toBe('SIGKILL')

    const restarted = await home.start()
    if (path !== null) {
      const head = await tusClient(restarted.url, authorization).head(restarted.url + path)
      const offset = Number(head.headers.get('upload-offset'))
      expect(offset).toBeGreaterThanOrEqual(acknowledged)
      // The machine went on: what was written is true even where it was not recorded.
      if (at === 'bytes-written') expect(offset).toBeGreaterThan(0)
      else if (during === 'first') expect(offset).toBe(100_000)
      if (during === 'last') expect(offset).toBe(bytes.length)
    }
    await goOn(restarted, path)

    const { count, results } = await list(restarted)
    expect(count).toBe(1)
    const stored = await fetch(results[0]?.f ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)

    // A day later the sweep has taken away what nobody was told of.
    await restarted.sweep({ aheadMs: 25 * 3600_000 })
    expect(await home.files()).toHaveLength(1)
    expect((await list(restarted)).count).toBe(1)
    expect(restarted.stderr()).not.toContain('unexpected error')
  })

  it.each(['state-ended', 'bytes-removed'] as const)(
    'at %s of a removal leaves neither record nor file',
    async (at) => {
      home = await createHome(kind)
      const dying = await home.start({ CRASH_AT: at })
      const tus = tusClient(dying.url, authorization)
      const url = await tus.begin(5)
      await tus.patch(url, 0, 'hello')
      await attempt(tus.remove(url))
      expect((await dying.ended).signal).toBe('SIGKILL')
      const restarted = await home.start()
      expect((await list(restarted)).count).toBe(0)
      expect(await home.files()).toEqual([])
      const gone = await tusClient(restarted.url, authorization).head(
        restarted.url + new URL(url).pathname,
      )
      expect(gone.status).toBe(410)
    },
  )
})

describe('a reboot', () => {
  it('cuts back to the recorded offset: a length may count bytes that were never on disk', async () => {
    home = await createHome('embedded')
    const dying = await home.start({ CRASH_AT: 'bytes-synced:2' })
    const tus = tusClient(dying.url, authorization)
    const path = new URL(await tus.begin(bytes.length)).pathname
    await tus.patch(dying.url + path, 0, bytes.subarray(0, 1000))
    await attempt(tus.patch(dying.url + path, 1000, bytes.subarray(1000, 2000)))
    await dying.ended
    await writeFile(`${home.dataDir}/boot-id`, 'another boot\n')
    const restarted = await home.start()
    const head = await tusClient(restarted.url, authorization).head(restarted.url + path)
    expect(head.headers.get('upload-offset')).toBe('1000')
    await goOn(restarted, path)
    const stored = await fetch((await list(restarted)).results[0]?.f ?? '')
    expect(Buffer.from(await stored.arrayBuffer()).equals(bytes)).toBe(true)
  })
})

describe('a file that kills its inspector', () => {
  it('is refused after the second try, over restarts', async () => {
    home = await createHome('embedded')
    // The server dies right after the try was counted, twice.
    const first = await home.start({ CRASH_AT: 'complete' })
    const tus = tusClient(first.url, authorization)
    const path = new URL(await tus.begin(5)).pathname
    await attempt(tus.patch(first.url + path, 0, 'hello'))
    await first.ended
    await expect(home.start({ CRASH_AT: 'inspected' })).rejects.toThrow('did not start')
    const third = await home.start()
    const head = await tusClient(third.url, authorization).head(third.url + path)
    expect(head.status).toBe(415)
    expect((await list(third)).count).toBe(0)
    expect(await home.files()).toEqual([])
  })
})

describe('files that wait for their inspection', () => {
  it('lose no try to those that are looked at when the server dies, however often', async () => {
    const here = await createHome('postgres')
    home = here
    const names = [1, 2, 3, 4, 5, 6, 7, 8]
    // Dies with the eighth complete, when hardly one has been looked at.
    const first = await home.start({ CRASH_AT: 'complete:8' })
    const tus = tusClient(first.url, authorization)
    const paths = await Promise.all(names.map(async () => new URL(await tus.begin(5)).pathname))
    await Promise.all(paths.map((path) => attempt(tus.patch(first.url + path, 0, 'hello'))))
    await first.ended
    const headAll = ({ url }: ServerProcess) =>
      Promise.all(paths.map((path) => attempt(tusClient(url, authorization).head(url + path))))
    async function triesOfComplete(): Promise<Map<string, number>> {
      const { db, close } = await here.openDatabase()
      try {
        const found = await db
          .select({ id: uploads.id, tries: uploads.inspectTries })
          .from(uploads)
          .where(eq(uploads.state, 'complete'))
        return new Map(found.map(({ id, tries }) => [id, tries]))
      } finally {
        await close()
      }
    }
    // Everybody asks again at once; the first inspection that ends is the end of the server.
    const lookedAt: string[] = []
    let before = await triesOfComplete()
    for (let death = 0; death < 2; death++) {
      const dying = await home.start({ CRASH_AT: 'inspected' })
      await headAll(dying)
      await dying.ended
      const after = await triesOfComplete()
      // One that has had both is refused without another look.
      const tried = [...after].filter(([id, tries]) => tries !== before.get(id) && tries <= 2)
      // Two are looked at at a time, and no other loses a try.
      expect(tried.length).toBeGreaterThan(0)
      expect(tried.length).toBeLessThanOrEqual(2)
      for (const [id, tries] of tried) expect(tries).toBe((before.get(id) ?? 0) + 1)
      lookedAt.push(...tried.map(([id]) => id))
      before = after
    }
    const last = await home.start()
    const answers = await headAll(last)
    // Their first try was counted when they were complete: these have had both, and nobody else has.
    const refused = paths.filter((_, index) => answers[index]?.status === 415)
    expect(refused.map((path) => path.split('/').at(-1)).sort()).toEqual(lookedAt.sort())
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(8 - refused.length)
    expect((await list(last)).count).toBe(8 - refused.length)
  })
})

describe('the embedded database', () => {
  it('belongs to one process: a second one is refused, and kill -9 frees it', async () => {
    home = await createHome('embedded')
    const first = await home.start()
    await expect(home.start()).rejects.toThrow(/Another Landfall is using/)
    first.kill('SIGKILL')
    await first.ended
    const second = await home.start()
    expect((await fetch(`${second.url}/readyz`)).status).toBe(200)
  })
})
