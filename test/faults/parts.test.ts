import { createHash, randomBytes } from 'node:crypto'
import { readFile, stat, truncate } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { DatabaseKind } from '../support/database.ts'
import { createHome, type Home, type ServerProcess } from '../support/process.ts'
import { ADMIN_KEY } from '../support/server.ts'
import { type TusClient, tusClient } from '../support/tus.ts'

const authorization = `Token ${ADMIN_KEY}`
const bytes = randomBytes(400_000)

let home: Home
afterEach(() => home.remove())

const died = { status: 0 }
const attempt = (work: Promise<Response>) => work.catch(() => died as Response)
const pathOf = (answer: Response) => new URL(answer.headers.get('location') ?? '').pathname
const fileOf = (path: string) => {
  const id = path.slice('/files/'.length)
  return `${home.dataDir}/files/${id.slice(0, 2)}/${id}`
}
const clientOf = (server: ServerProcess) => tusClient(server.url, authorization)

async function list(server: ServerProcess): Promise<{ size: number; f: string }[]> {
  const answer = await fetch(`${server.url}/api/media/files`, {
    headers: { Authorization: authorization },
  })
  return ((await answer.json()) as { results: { size: number; f: string }[] }).results
}

async function part(tus: TusClient, length: number, content?: Buffer, base = ''): Promise<string> {
  const created = await tus.create({ 'Upload-Concat': 'partial', 'Upload-Length': String(length) })
  const path = pathOf(created)
  if (content) expect((await tus.patch(base + path, 0, content)).status).toBe(204)
  return path
}

async function requireWhole(server: ServerProcess, whole: Buffer): Promise<void> {
  const results = await list(server)
  expect(results).toMatchObject([{ size: whole.length }])
  const stored = await fetch(results[0]?.f ?? '')
  expect(Buffer.from(await stored.arrayBuffer()).equals(whole)).toBe(true)
}

const halves = [bytes.subarray(0, 150_000), bytes.subarray(150_000)] as const

/** Every step on one database, and on the other the one that leaves the most to repair. */
const onDatabases = <T extends string>(steps: readonly T[], hardest: T) => [
  ...steps.map((at) => ({ kind: 'postgres' as DatabaseKind, at })),
  { kind: 'embedded' as DatabaseKind, at: hardest },
]

describe('kill -9 while joining', () => {
  // The parts pass `complete` before their whole does.
  const steps = ['complete:2', 'joining', 'joined', 'complete:3'] as const
  it.each(onDatabases(steps, 'joined'))(
    'at $at of the last part leaves one record with all bytes, $kind',
    async ({ kind, at }) => {
      home = await createHome(kind)
      const dying = await home.start({ CRASH_AT: at })
      const tus = clientOf(dying)
      const parts = [await part(tus, halves[0].length), await part(tus, halves[1].length)] as const
      const whole = pathOf(await tus.create({ 'Upload-Concat': `final;${parts.join(' ')}` }))
      expect((await tus.patch(dying.url + parts[0], 0, halves[0])).status).toBe(204)
      await attempt(tus.patch(dying.url + parts[1], 0, halves[1]))
      expect((await dying.ended).signal).toBe('SIGKILL')

      if (at === 'joined') {
        // As a crash in the middle of the copy would have left it.
        expect((await stat(fileOf(whole))).size).toBe(bytes.length)
        await truncate(fileOf(whole), 200_000)
      }
      const restarted = await home.start()
      const again = clientOf(restarted)
      const offset = async (path: string) =>
        (await again.head(restarted.url + path)).headers.get('upload-offset')
      expect(await offset(whole)).toBe(String(bytes.length))
      for (const [n, path] of parts.entries())
        expect(await offset(path)).toBe(String(halves[n]?.length))
      await requireWhole(restarted, bytes)
      await restarted.sweep({ aheadMs: 25 * 3600_000 })
      expect(await home.files()).toHaveLength(1)
      expect(restarted.stderr()).not.toContain('unexpected error')
    },
  )

  it.each([
    { at: 'parts-recorded', records: 1 },
    { at: 'joined', records: 2 },
  ])('at $at of a creation whose parts are all there leaves nothing half done', async (step) => {
    home = await createHome('postgres')
    const dying = await home.start({ CRASH_AT: step.at })
    const tus = clientOf(dying)
    const only = await part(tus, bytes.length, bytes, dying.url)
    await attempt(tus.create({ 'Upload-Concat': `final;${only}` }))
    expect((await dying.ended).signal).toBe('SIGKILL')
    const restarted = await home.start()
    // Its client was told nothing and asks again.
    const again = await clientOf(restarted).create({ 'Upload-Concat': `final;${only}` })
    expect(again.status).toBe(201)
    const found = await list(restarted)
    expect(found.map(({ size }) => size)).toEqual(Array(step.records).fill(bytes.length))
    for (const { f } of found)
      expect(Buffer.from(await (await fetch(f)).arrayBuffer()).equals(bytes)).toBe(true)
    await restarted.sweep({ aheadMs: 25 * 3600_000 })
    expect(await home.files()).toHaveLength(step.records)
  })
})

describe('kill -9 in the middle of a copy', () => {
  it('is made good by the next start, whatever the copying program still does', async () => {
    home = await createHome('embedded')
    const dying = await home.start()
    const tus = clientOf(dying)
    const piece = randomBytes(8 * 1024 * 1024)
    const only = await part(tus, piece.length, piece, dying.url)
    const last = await part(tus, 1)
    // 200 MiB: long enough to be met in the middle.
    const recipe = `final;${`${only} `.repeat(25)}${last}`
    const whole = pathOf(await tus.create({ 'Upload-Concat': recipe }))
    const file = fileOf(whole)
    const done = attempt(tus.patch(dying.url + last, 0, '!'))
    await expect.poll(async () => (await stat(file)).size, { interval: 1 }).toBeGreaterThan(0)
    dying.kill('SIGKILL')
    await done
    await dying.ended
    const restarted = await home.start()
    const head = await clientOf(restarted).head(restarted.url + whole)
    expect(head.headers.get('upload-offset')).toBe(String(25 * piece.length + 1))
    const hash = createHash('sha256')
    for (let n = 0; n < 25; n++) hash.update(piece)
    const stored = createHash('sha256').update(await readFile(file))
    expect(stored.digest('hex')).toBe(hash.update('!').digest('hex'))
    expect(await list(restarted)).toHaveLength(1)
  })
})

describe('kill -9 in a request with a checksum', () => {
  const steps = ['attempt-recorded', 'bytes-written:2', 'bytes-synced:2'] as const
  it.each(onDatabases(steps, 'bytes-written:2'))(
    'at $at leaves offset and bytes as before it, $kind',
    async ({ kind, at }) => {
      home = await createHome(kind)
      const dying = await home.start({ CRASH_AT: at })
      const tus = clientOf(dying)
      const created = await tus.create({ 'Upload-Length': String(bytes.length) })
      const path = pathOf(created)
      expect((await tus.patch(dying.url + path, 0, bytes.subarray(0, 1000))).status).toBe(204)
      const rest = bytes.subarray(1000)
      const sha1 = createHash('sha1').update(rest).digest('base64')
      const headers = { 'Upload-Checksum': `sha1 ${sha1}` }
      await attempt(tus.patch(dying.url + path, 1000, rest, headers))
      expect((await dying.ended).signal).toBe('SIGKILL')

      const restarted = await home.start()
      const again = clientOf(restarted)
      const head = await again.head(restarted.url + path)
      expect(head.headers.get('upload-offset')).toBe('1000')
      const wrong = await again.patch(restarted.url + path, 1000, bytes.subarray(0, 10), headers)
      expect(wrong.status).toBe(460)
      const [file = ''] = await home.files()
      expect((await readFile(file)).equals(bytes.subarray(0, 1000))).toBe(true)
      expect((await again.patch(restarted.url + path, 1000, rest, headers)).status).toBe(204)
      await requireWhole(restarted, bytes)
    },
  )
})
